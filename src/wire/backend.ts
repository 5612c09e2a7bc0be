// The messages a server sends (PostgreSQL documentation, "Message Formats", those marked B). Names and fields are the
// documentation's.

import type { AuthenticationMessage } from "./authentication.ts";
import type { ErrorFields } from "./error.ts";

export type { AuthenticationMessage } from "./authentication.ts";
export { decodeBackend } from "./backend-decode.ts";
export {
  encodeBackend,
  writeCommandComplete,
  writeCopyData,
  writeDataRow,
  writeErrorResponse,
  writeNoticeResponse,
  writeNotificationResponse,
  writeParameterStatus,
  writeReadyForQuery,
  writeRowDescription,
} from "./backend-encode.ts";
export { backendCodes } from "./codes.ts";
export { constantFrames } from "./constant-frames.ts";

/** One column of a RowDescription. */
export interface FieldDescription {
  name: string;
  /** 0 when the column is not a table's. */
  tableOid: number;
  /** 0 when the column is not a table's; negative for system columns. */
  columnAttribute: number;
  typeOid: number;
  /** pg_type.typlen: negative for variable width. */
  typeSize: number;
  /** pg_attribute.atttypmod: -1 for none. */
  typeModifier: number;
  /** 0 text, 1 binary. */
  format: number;
}

/** I: idle, T: in a transaction block, E: in a failed one. */
export type TransactionStatus = "I" | "T" | "E";

export interface CopyResponse {
  type: "CopyInResponse" | "CopyOutResponse" | "CopyBothResponse";
  /** 0 text, 1 binary. */
  format: number;
  columnFormats: number[];
}

/** Decoded byte fields are views of the message's body. */
export type BackendMessage =
  | AuthenticationMessage
  | CopyResponse
  | { type: "ParameterStatus"; name: string; value: string }
  | {
      type: "BackendKeyData";
      processId: number /** 4 bytes in protocol 3.0, up to 256 since 3.2. */;
      secretKey: Uint8Array;
    }
  | {
      type: "NegotiateProtocolVersion";
      /** The newest version the server speaks, as in a StartupMessage: 196610 is 3.2. */
      version: number;
      /** The `_pq_.` options the server does not know. */
      options: string[];
    }
  | { type: "ParseComplete" }
  | { type: "BindComplete" }
  | { type: "CloseComplete" }
  | { type: "PortalSuspended" }
  | { type: "NoData" }
  | { type: "EmptyQueryResponse" }
  | { type: "CopyDone" }
  | { type: "ParameterDescription"; parameterTypes: number[] }
  | { type: "RowDescription"; fields: FieldDescription[] }
  | { type: "DataRow"; values: (Uint8Array | null)[] }
  | { type: "CommandComplete"; tag: string }
  | { type: "ReadyForQuery"; status: TransactionStatus }
  | { type: "ErrorResponse"; fields: ErrorFields }
  | { type: "NoticeResponse"; fields: ErrorFields }
  | { type: "NotificationResponse"; processId: number; channel: string; payload: string }
  | { type: "CopyData"; data: Uint8Array }
  | { type: "FunctionCallResponse"; value: Uint8Array | null };

type DataRow = Extract<BackendMessage, { type: "DataRow" }>;

/** What encodeBackend takes: a DataRow's values may be strings too. */
export type BackendInput =
  | Exclude<BackendMessage, DataRow>
  | { type: "DataRow"; values: readonly (string | Uint8Array | null)[] };
