/** bytea, in its two notations: hexadecimal, and the older escapes (byteain, byteaout). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { Codec } from "./codec.ts";
import { hexValue, toHex } from "./layout.ts";
import { textBytes } from "./text.ts";

export const byteaCodec: Codec = {
  encode: (text) => (text.startsWith("\\x") ? hexBytes(text) : escapedBytes(text)),
  decode: (bytes, { byteaOutput }) => (byteaOutput === "hex" ? `\\x${toHex(bytes)}` : escapes(bytes)),
};

/** Pairs of digits behind `\x`, with white space between pairs. */
function hexBytes(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length - 2) >> 1);
  let length = 0;
  for (let at = 2; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 32 || code === 10 || code === 9 || code === 13) continue;
    const high = hexDigit(text, at);
    at++;
    if (at === text.length) {
      throw new PgError(sqlstate.invalidParameterValue, "invalid hexadecimal data: odd number of digits");
    }
    bytes[length++] = (high << 4) | hexDigit(text, at);
  }
  return length === bytes.length ? bytes : bytes.slice(0, length);
}

function hexDigit(text: string, at: number): number {
  const value = hexValue(text.charCodeAt(at));
  if (value >= 0) return value;
  const digit = String.fromCodePoint(text.codePointAt(at) as number);
  throw new PgError(sqlstate.invalidParameterValue, `invalid hexadecimal digit: "${digit}"`);
}

/** Bytes as they are, a backslash doubled, any byte as three octal digits. */
function escapedBytes(text: string): Uint8Array {
  if (!text.includes("\\")) return textBytes(text);
  const bytes: number[] = [];
  for (const [part] of text.matchAll(/\\[0-3][0-7]{2}|\\\\|[^\\]+|\\/g)) {
    if (part === "\\\\") bytes.push(0x5c);
    else if (part === "\\")
      throw new PgError(sqlstate.invalidTextRepresentation, "invalid input syntax for type bytea");
    else if (part.startsWith("\\")) bytes.push(Number.parseInt(part.slice(1), 8));
    else for (const byte of textBytes(part)) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function escapes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    if (byte === 0x5c) text += "\\\\";
    else if (byte >= 0x20 && byte <= 0x7e) text += String.fromCharCode(byte);
    else text += `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return text;
}
