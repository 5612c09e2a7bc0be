/** The client half of the PostgreSQL protocol, over any byte stream. */
export type { ByteStream, OpenStream } from "./byte-stream.ts";
export { type BackendKey, cancel } from "./cancel.ts";
export { Connection, connect, type Events } from "./connection.ts";
export { copyIn, copyOut } from "./copy.ts";
export {
  type ChannelBinding,
  type ClientOptions,
  type ParsedUrl,
  parseUrl,
  type ServerAddress,
  type SslMode,
} from "./options.ts";
export {
  execute,
  type PreparedStatement,
  pipeline,
  prepare,
  query,
  rows,
  type StatementInput,
} from "./query.ts";
export { type QueryResult, rowCount, type Value } from "./results.ts";
