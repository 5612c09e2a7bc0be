// COPY without a server: what a statement asks for, and its data in all three formats, both ways.

export { columnContext, inContext, lineContext } from "./context.ts";
export {
  type CopyColumn,
  type CopyDecoder,
  type CopyRow,
  type CopyTarget,
  createDecoder,
} from "./decoder.ts";
export { type CopyCell, type CopyEncoder, createEncoder } from "./encoder.ts";
export type { Field } from "./fields.ts";
export { type CopyOptions, readOptions } from "./options.ts";
export {
  type CopyCondition,
  type CopyOption,
  type CopyQuery,
  type CopyRelation,
  type CopyStatement,
  readCopyStatement,
} from "./statement.ts";
