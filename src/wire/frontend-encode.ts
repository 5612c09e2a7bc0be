// Encodes what clients send.

import { frontendCodes } from "./codes.ts";
import type { FrontendInput } from "./frontend.ts";
import type { Writer } from "./writer.ts";

/** Writes one message. Throws PgError (22021 for U+0000 in a string, 54000 for too much) with nothing written. */
export function encodeFrontend(writer: Writer, message: FrontendInput): void {
  writer.begin(frontendCodes[message.type]);
  switch (message.type) {
    case "Query":
      writer.cstring(message.query);
      break;
    case "Parse":
      writer.cstring(message.statement);
      writer.cstring(message.query);
      writer.count(message.parameterTypes.length);
      for (const oid of message.parameterTypes) writer.int32(oid);
      break;
    case "Bind":
      writer.cstring(message.portal);
      writer.cstring(message.statement);
      writeFormats(writer, message.parameterFormats);
      writeValues(writer, message.parameters);
      writeFormats(writer, message.resultFormats);
      break;
    case "Describe":
    case "Close":
      writer.byte(message.kind.charCodeAt(0));
      writer.cstring(message.name);
      break;
    case "Execute":
      writer.cstring(message.portal);
      writer.int32(message.maxRows);
      break;
    case "CopyData":
    case "SASLResponse":
    case "GSSResponse":
      writer.bytes(message.data);
      break;
    case "CopyFail":
      writer.cstring(message.message);
      break;
    case "FunctionCall":
      writer.int32(message.functionOid);
      writeFormats(writer, message.argumentFormats);
      writeValues(writer, message.arguments);
      writer.int16(message.resultFormat);
      break;
    case "PasswordMessage":
      writer.cstring(message.password);
      break;
    case "SASLInitialResponse":
      writer.cstring(message.mechanism);
      writer.sized(message.data);
      break;
    case "Flush":
    case "Sync":
    case "Terminate":
    case "CopyDone":
      break;
  }
  writer.end();
}

function writeFormats(writer: Writer, formats: readonly number[]): void {
  writer.count(formats.length);
  for (const format of formats) writer.int16(format);
}

function writeValues(writer: Writer, values: readonly (string | Uint8Array | null)[]): void {
  writer.count(values.length);
  for (const value of values) writer.sized(value);
}
