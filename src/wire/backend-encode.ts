// Encodes what servers send. The write* functions are the hot paths: no object is made for a message.

import { writeAuthentication } from "./authentication.ts";
import type { BackendInput, FieldDescription, TransactionStatus } from "./backend.ts";
import { backendCodes } from "./codes.ts";
import { constantFrames } from "./constant-frames.ts";
import type { ErrorFields } from "./error.ts";
import { writeErrorFields } from "./error-fields.ts";
import type { Writer } from "./writer.ts";

/** Writes one message. Throws PgError (22021 for U+0000 in a string, 54000 for too much) with nothing written. */
export function encodeBackend(writer: Writer, message: BackendInput): void {
  switch (message.type) {
    case "DataRow":
      writeDataRow(writer, message.values);
      break;
    case "RowDescription":
      writeRowDescription(writer, message.fields);
      break;
    case "CommandComplete":
      writeCommandComplete(writer, message.tag);
      break;
    case "ReadyForQuery":
      writeReadyForQuery(writer, message.status);
      break;
    case "CopyData":
      writeCopyData(writer, message.data);
      break;
    case "ErrorResponse":
      writeErrorResponse(writer, message.fields);
      break;
    case "NoticeResponse":
      writeNoticeResponse(writer, message.fields);
      break;
    case "NotificationResponse":
      writeNotificationResponse(writer, message.processId, message.channel, message.payload);
      break;
    case "ParameterStatus":
      writeParameterStatus(writer, message.name, message.value);
      break;
    case "ParseComplete":
      writer.raw(constantFrames.parseComplete);
      break;
    case "BindComplete":
      writer.raw(constantFrames.bindComplete);
      break;
    case "CloseComplete":
      writer.raw(constantFrames.closeComplete);
      break;
    case "PortalSuspended":
      writer.raw(constantFrames.portalSuspended);
      break;
    case "NoData":
      writer.raw(constantFrames.noData);
      break;
    case "EmptyQueryResponse":
      writer.raw(constantFrames.emptyQueryResponse);
      break;
    case "CopyDone":
      writer.raw(constantFrames.copyDone);
      break;
    case "ParameterDescription":
      writer.begin(backendCodes.ParameterDescription);
      writer.count(message.parameterTypes.length);
      for (const oid of message.parameterTypes) writer.int32(oid);
      writer.end();
      break;
    case "BackendKeyData":
      writer.begin(backendCodes.BackendKeyData);
      writer.int32(message.processId);
      writer.bytes(message.secretKey);
      writer.end();
      break;
    case "NegotiateProtocolVersion":
      writer.begin(backendCodes.NegotiateProtocolVersion);
      writer.int32(message.version);
      writer.int32(message.options.length);
      for (const option of message.options) writer.cstring(option);
      writer.end();
      break;
    case "CopyInResponse":
    case "CopyOutResponse":
    case "CopyBothResponse":
      writer.begin(backendCodes[message.type]);
      writer.byte(message.format);
      writer.count(message.columnFormats.length);
      for (const format of message.columnFormats) writer.int16(format);
      writer.end();
      break;
    case "FunctionCallResponse":
      writer.begin(backendCodes.FunctionCallResponse);
      writer.sized(message.value);
      writer.end();
      break;
    default:
      writeAuthentication(writer, message);
      break;
  }
}

/** A row of cells in the formats its RowDescription promised: text, bytes as they are, or null. */
export function writeDataRow(writer: Writer, cells: readonly (string | Uint8Array | null)[]): void {
  const count = cells.length;
  writer.begin(backendCodes.DataRow);
  writer.count(count);
  for (let i = 0; i < count; i++) writer.sized(cells[i] as string | Uint8Array | null);
  writer.end();
}

export function writeRowDescription(writer: Writer, fields: readonly FieldDescription[]): void {
  writer.begin(backendCodes.RowDescription);
  writer.count(fields.length);
  for (const field of fields) {
    writer.cstring(field.name);
    writer.int32(field.tableOid);
    writer.int16(field.columnAttribute);
    writer.int32(field.typeOid);
    writer.int16(field.typeSize);
    writer.int32(field.typeModifier);
    writer.int16(field.format);
  }
  writer.end();
}

/** `tag`: as psql prints it, `INSERT 0 1` or `SELECT 5`. */
export function writeCommandComplete(writer: Writer, tag: string): void {
  writer.begin(backendCodes.CommandComplete);
  writer.cstring(tag);
  writer.end();
}

export function writeReadyForQuery(writer: Writer, status: TransactionStatus): void {
  writer.begin(backendCodes.ReadyForQuery);
  writer.byte(status.charCodeAt(0));
  writer.end();
}

/** Strings may hold anything: U+0000, which the protocol cannot carry, is replaced. */
export function writeErrorResponse(writer: Writer, fields: ErrorFields): void {
  writer.begin(backendCodes.ErrorResponse);
  writeErrorFields(writer, fields);
  writer.end();
}

export function writeNoticeResponse(writer: Writer, fields: ErrorFields): void {
  writer.begin(backendCodes.NoticeResponse);
  writeErrorFields(writer, fields);
  writer.end();
}

export function writeParameterStatus(writer: Writer, name: string, value: string): void {
  writer.begin(backendCodes.ParameterStatus);
  writer.cstring(name);
  writer.cstring(value);
  writer.end();
}

/** `processId`: of the session that sent the notification. */
export function writeNotificationResponse(
  writer: Writer,
  processId: number,
  channel: string,
  payload: string,
): void {
  writer.begin(backendCodes.NotificationResponse);
  writer.int32(processId);
  writer.cstring(channel);
  writer.cstring(payload);
  writer.end();
}

export function writeCopyData(writer: Writer, data: string | Uint8Array): void {
  writer.begin(backendCodes.CopyData);
  if (typeof data === "string") writer.text(data);
  else writer.bytes(data);
  writer.end();
}
