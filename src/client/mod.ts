/** The client half of the PostgreSQL protocol, over any byte stream. */
export type { ByteStream, OpenStream, TlsVerification } from "./byte-stream.ts";
export { type BackendKey, type CancelOptions, cancel } from "./cancel.ts";
export { connect } from "./connect.ts";
export type { Connection, Events, FrameReceiver } from "./connection.ts";
export { type CopySource, copyIn } from "./copy-in.ts";
export { copyOut } from "./copy-out.ts";
export type { ChannelBinding, ClientOptions, SslMode, SslNegotiation, TlsOptions } from "./options.ts";
export { openPortal, type Portal, rows } from "./portal.ts";
export { type PreparedStatement, prepare } from "./prepare.ts";
export { execute, pipeline, query, type StatementInput } from "./query.ts";
export type {
  Request as ClientRequest,
  RequestOptions as ClientRequestOptions,
  Send as ClientSend,
} from "./request.ts";
export { type QueryResult, rowCount, type Value } from "./results.ts";
export { type ParsedUrl, parseUrl, type ServerAddress, type UrlDefaults } from "./url.ts";
export {
  type ClientWebSocket,
  type OpenWebSocketOptions,
  openWebSocket,
  type WebSocketStreamOptions,
  webSocketStream,
} from "./websocket-stream.ts";
export { type ParsedWebSocketUrl, parseWebSocketUrl } from "./websocket-url.ts";
