// Decodes what servers send. Bounded and strict as the other direction: a server may be hostile too.

import { readAuthentication } from "./authentication.ts";
import type { BackendMessage, CopyResponse, FieldDescription, TransactionStatus } from "./backend.ts";
import { backendCodes } from "./codes.ts";
import { fatal, protocolError } from "./error.ts";
import { readErrorFields } from "./error-fields.ts";
import { Reader } from "./reader.ts";
import { sqlstate } from "./sqlstate.ts";

/** Decodes one message's body. Byte fields are views of it. Throws PgError 08P01, or 22021 for invalid UTF-8. */
export function decodeBackend(code: number, body: Uint8Array): BackendMessage {
  const reader = new Reader(body);
  const message = readMessage(code, reader);
  reader.end();
  return message;
}

function readMessage(code: number, reader: Reader): BackendMessage {
  switch (code) {
    case backendCodes.DataRow:
      return { type: "DataRow", values: reader.sizeds() };
    case backendCodes.RowDescription:
      return { type: "RowDescription", fields: readFields(reader) };
    case backendCodes.CommandComplete:
      return { type: "CommandComplete", tag: reader.cstring() };
    case backendCodes.ReadyForQuery:
      return { type: "ReadyForQuery", status: readStatus(reader) };
    case backendCodes.ParseComplete:
      return { type: "ParseComplete" };
    case backendCodes.BindComplete:
      return { type: "BindComplete" };
    case backendCodes.CloseComplete:
      return { type: "CloseComplete" };
    case backendCodes.ParameterDescription:
      return { type: "ParameterDescription", parameterTypes: reader.uint32s() };
    case backendCodes.NoData:
      return { type: "NoData" };
    case backendCodes.PortalSuspended:
      return { type: "PortalSuspended" };
    case backendCodes.EmptyQueryResponse:
      return { type: "EmptyQueryResponse" };
    case backendCodes.ErrorResponse:
      return { type: "ErrorResponse", fields: readErrorFields(reader) };
    case backendCodes.NoticeResponse:
      return { type: "NoticeResponse", fields: readErrorFields(reader) };
    case backendCodes.NotificationResponse:
      return {
        type: "NotificationResponse",
        processId: reader.int32(),
        channel: reader.cstring(),
        payload: reader.cstring(),
      };
    case backendCodes.ParameterStatus:
      return { type: "ParameterStatus", name: reader.cstring(), value: reader.cstring() };
    case backendCodes.CopyData:
      return { type: "CopyData", data: reader.rest() };
    case backendCodes.CopyDone:
      return { type: "CopyDone" };
    case backendCodes.CopyInResponse:
      return readCopyResponse("CopyInResponse", reader);
    case backendCodes.CopyOutResponse:
      return readCopyResponse("CopyOutResponse", reader);
    case backendCodes.CopyBothResponse:
      return readCopyResponse("CopyBothResponse", reader);
    case backendCodes.Authentication:
      return readAuthentication(reader);
    case backendCodes.BackendKeyData:
      return { type: "BackendKeyData", processId: reader.int32(), secretKey: readSecretKey(reader) };
    case backendCodes.NegotiateProtocolVersion:
      return readNegotiation(reader);
    case backendCodes.FunctionCallResponse:
      return { type: "FunctionCallResponse", value: reader.sized() };
    default:
      throw fatal(sqlstate.protocolViolation, `invalid backend message type ${code}`);
  }
}

/** A field takes at least 19 bytes: an empty name and 18 bytes of numbers. */
function readFields(reader: Reader): FieldDescription[] {
  const count = reader.count(19);
  const fields: FieldDescription[] = [];
  for (let i = 0; i < count; i++) {
    fields.push({
      name: reader.cstring(),
      tableOid: reader.uint32(),
      columnAttribute: reader.int16(),
      typeOid: reader.uint32(),
      typeSize: reader.int16(),
      typeModifier: reader.int32(),
      format: reader.int16(),
    });
  }
  return fields;
}

function readStatus(reader: Reader): TransactionStatus {
  const code = reader.byte();
  const status = String.fromCharCode(code);
  if (status !== "I" && status !== "T" && status !== "E") {
    throw protocolError(`invalid transaction status ${code}`);
  }
  return status;
}

function readCopyResponse(type: CopyResponse["type"], reader: Reader): CopyResponse {
  return { type, format: reader.byte(), columnFormats: reader.int16s() };
}

function readSecretKey(reader: Reader): Uint8Array {
  const key = reader.rest();
  if (key.length < 4 || key.length > 256) throw protocolError("invalid length of cancel key");
  return key;
}

function readNegotiation(reader: Reader): BackendMessage {
  const word = reader.int32();
  const count = reader.int32();
  // An option takes a byte at least.
  if (count < 0 || count > reader.remaining) throw protocolError("insufficient data left in message");
  const options: string[] = [];
  for (let i = 0; i < count; i++) options.push(reader.cstring());
  // The documentation says "minor version", PostgreSQL sends the whole 32 bits; servers that took it by its word exist.
  const version = word >>> 16 === 0 ? (3 << 16) | word : word;
  return { type: "NegotiateProtocolVersion", version, options };
}
