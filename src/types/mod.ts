/** The public face of edgewire/types: type OIDs, and text to binary and back. */
export { binaryDecoder, binaryEncoder, decodeBinary, encodeBinary } from "./binary.ts";
export type { Codec } from "./codec.ts";
export { oid, typeSize } from "./oid.ts";
export { type TypeRow, typeRow } from "./pg-type.ts";
export { type ExtensionType, type TypeKind, TypeRegistry } from "./registry.ts";
export {
  type DateOrder,
  type DateStyle,
  defaultSettings,
  type IntervalStyle,
  readTypeSettings,
  type TypeSettings,
} from "./settings.ts";
