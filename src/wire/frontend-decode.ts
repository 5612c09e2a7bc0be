// Decodes what clients send. Every error is ERROR 08P01 with PostgreSQL's text, or 22021 for text that is not UTF-8;
// an unknown type is FATAL, as nothing behind it can be trusted.

import { frontendCodes } from "./codes.ts";
import { fatal, protocolError } from "./error.ts";
import type { Bind, FrontendMessage, FunctionCall, PasswordKind } from "./frontend.ts";
import { Reader } from "./reader.ts";
import { sqlstate } from "./sqlstate.ts";

/**
 * Decodes one message's body. Byte fields are views of it.
 *
 * @param password which message the code `p` stands for now.
 */
export function decodeFrontend(
  code: number,
  body: Uint8Array,
  password: PasswordKind = "PasswordMessage",
): FrontendMessage {
  const reader = new Reader(body);
  const message = readMessage(code, reader, password);
  reader.end();
  return message;
}

function readMessage(code: number, reader: Reader, password: PasswordKind): FrontendMessage {
  switch (code) {
    case frontendCodes.Bind:
      return readBind(reader);
    case frontendCodes.Execute:
      return { type: "Execute", portal: reader.cstring(), maxRows: reader.int32() };
    case frontendCodes.Sync:
      return { type: "Sync" };
    case frontendCodes.Parse:
      return {
        type: "Parse",
        statement: reader.cstring(),
        query: reader.cstring(),
        parameterTypes: reader.uint32s(),
      };
    case frontendCodes.Describe:
      return readTarget("Describe", reader);
    case frontendCodes.Query:
      return { type: "Query", query: reader.cstring() };
    case frontendCodes.Close:
      return readTarget("Close", reader);
    case frontendCodes.Flush:
      return { type: "Flush" };
    case frontendCodes.CopyData:
      return { type: "CopyData", data: reader.rest() };
    case frontendCodes.CopyDone:
      return { type: "CopyDone" };
    case frontendCodes.CopyFail:
      return { type: "CopyFail", message: reader.cstring() };
    case frontendCodes.FunctionCall:
      return readFunctionCall(reader);
    case frontendCodes.PasswordMessage:
      return readPassword(reader, password);
    case frontendCodes.Terminate:
      return { type: "Terminate" };
    default:
      throw fatal(sqlstate.protocolViolation, `invalid frontend message type ${code}`);
  }
}

function readBind(reader: Reader): Bind {
  const portal = reader.cstring();
  const statement = reader.cstring();
  const parameterFormats = reader.int16s();
  const parameters = reader.sizeds();
  const resultFormats = reader.int16s();
  return { type: "Bind", portal, statement, parameterFormats, parameters, resultFormats };
}

function readFunctionCall(reader: Reader): FunctionCall {
  const functionOid = reader.uint32();
  const argumentFormats = reader.int16s();
  const count = reader.count(4);
  if (argumentFormats.length > 1 && argumentFormats.length !== count) {
    throw protocolError(
      `function call message contains ${argumentFormats.length} argument formats but ${count} arguments`,
    );
  }
  const values: (Uint8Array | null)[] = [];
  for (let i = 0; i < count; i++) {
    const length = reader.int32();
    if (length < -1) throw protocolError(`invalid argument size ${length} in function call message`);
    values.push(length === -1 ? null : reader.bytes(length));
  }
  return {
    type: "FunctionCall",
    functionOid,
    argumentFormats,
    arguments: values,
    resultFormat: reader.int16(),
  };
}

function readTarget(type: "Describe" | "Close", reader: Reader): FrontendMessage {
  const code = reader.byte();
  const name = reader.cstring();
  // PostgreSQL complains about the kind only when the message is well-formed otherwise.
  reader.end();
  if (code === 0x53) return { type, kind: "S", name };
  if (code === 0x50) return { type, kind: "P", name };
  throw protocolError(`invalid ${type.toUpperCase()} message subtype ${code}`);
}

function readPassword(reader: Reader, kind: PasswordKind): FrontendMessage {
  switch (kind) {
    case "PasswordMessage":
      return { type: "PasswordMessage", password: readPasswordText(reader) };
    case "SASLInitialResponse":
      return { type: "SASLInitialResponse", mechanism: reader.cstring(), data: reader.sized() };
    case "SASLResponse":
      return { type: "SASLResponse", data: reader.rest() };
    case "GSSResponse":
      return { type: "GSSResponse", data: reader.rest() };
  }
}

/** The whole body must be one string: PostgreSQL has a text of its own for one that is not. */
function readPasswordText(reader: Reader): string {
  const body = reader.rest();
  if (body.length === 0 || body.indexOf(0) !== body.length - 1)
    throw protocolError("invalid password packet size");
  return new Reader(body).cstring();
}
