// The untyped packets a connection begins with (PostgreSQL documentation, "Start-up" and "Message Formats":
// StartupMessage, SSLRequest, GSSENCRequest, CancelRequest). Whatever is wrong here is FATAL: no session exists yet.

import { fatal, type PgError, protocolError } from "./error.ts";
import { sqlstate } from "./sqlstate.ts";
import { decodeText } from "./utf8.ts";
import type { Writer } from "./writer.ts";

export type StartupPacket =
  | {
      type: "StartupMessage";
      /** Major version in the upper 16 bits, minor in the lower: 196608 is 3.0, 196610 is 3.2. */
      version: number;
      parameters: Map<string, string>;
    }
  | { type: "SSLRequest" }
  | { type: "GSSENCRequest" }
  | {
      type: "CancelRequest";
      processId: number;
      /** 4 bytes in protocol 3.0, up to 256 since 3.2. */
      secretKey: Uint8Array;
    };

export const protocol30 = 196608;
export const protocol32 = 196610;

// "Versions" that no version of the protocol will have.
const cancelRequestCode = 80877102;
const sslRequestCode = 80877103;
const gssencRequestCode = 80877104;

const shortestKey = 4;
const longestKey = 256;

export function major(version: number): number {
  return version >>> 16;
}

export function minor(version: number): number {
  return version & 0xffff;
}

/** Decodes a startup packet's body (everything behind the length word). Throws FATAL 08P01, 0A000 or 22021. */
export function decodeStartup(body: Uint8Array): StartupPacket {
  if (body.length < 4) throw invalidLength();
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const version = view.getUint32(0);
  switch (version) {
    case sslRequestCode:
      if (body.length !== 4) throw invalidLength();
      return { type: "SSLRequest" };
    case gssencRequestCode:
      if (body.length !== 4) throw invalidLength();
      return { type: "GSSENCRequest" };
    case cancelRequestCode:
      return decodeCancelRequest(body, view);
  }
  // Another major version may lay out the rest as it likes.
  if (major(version) !== 3) {
    throw fatal(
      sqlstate.featureNotSupported,
      `unsupported frontend protocol ${major(version)}.${minor(version)}: server supports 3.0 to 3.2`,
    );
  }
  return { type: "StartupMessage", version, parameters: decodeParameters(body) };
}

function decodeCancelRequest(body: Uint8Array, view: DataView): StartupPacket {
  if (body.length < 8) throw fatal(sqlstate.protocolViolation, "invalid length of query cancel packet");
  const secretKey = new Uint8Array(body.buffer, body.byteOffset + 8, body.length - 8);
  if (secretKey.length < shortestKey || secretKey.length > longestKey) {
    throw fatal(sqlstate.protocolViolation, "invalid length of query cancel key");
  }
  return { type: "CancelRequest", processId: view.getInt32(4), secretKey };
}

/** Pairs of strings up to an empty name, which must be the packet's last byte. A name sent twice keeps its last value. */
function decodeParameters(body: Uint8Array): Map<string, string> {
  const parameters = new Map<string, string>();
  let at = 4;
  while (at < body.length && body[at] !== 0) {
    const nameEnd = body.indexOf(0, at);
    const valueEnd = nameEnd < 0 ? -1 : body.indexOf(0, nameEnd + 1);
    if (valueEnd < 0) throw missingTerminator();
    parameters.set(startupText(body, at, nameEnd), startupText(body, nameEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
  if (at !== body.length - 1) throw missingTerminator();
  return parameters;
}

function startupText(body: Uint8Array, from: number, to: number): string {
  try {
    return decodeText(body, from, to);
  } catch (error) {
    const { code, message } = error as PgError;
    throw fatal(code, message);
  }
}

function missingTerminator(): PgError {
  return fatal(sqlstate.protocolViolation, "invalid startup packet layout: expected terminator as last byte");
}

function invalidLength(): PgError {
  return fatal(sqlstate.protocolViolation, "invalid length of startup packet");
}

export function encodeStartup(writer: Writer, packet: StartupPacket): void {
  writer.begin(0);
  switch (packet.type) {
    case "StartupMessage":
      writer.int32(packet.version);
      for (const [name, value] of packet.parameters) {
        // It would end the list.
        if (name === "") throw protocolError("startup parameter without a name");
        writer.cstring(name);
        writer.cstring(value);
      }
      writer.byte(0);
      break;
    case "SSLRequest":
      writer.int32(sslRequestCode);
      break;
    case "GSSENCRequest":
      writer.int32(gssencRequestCode);
      break;
    case "CancelRequest":
      writer.int32(cancelRequestCode);
      writer.int32(packet.processId);
      writer.bytes(packet.secretKey);
      break;
  }
  writer.end();
}
