/** bit and bit varying: a count of bits and the bits, padded with zeros (varbit.c). */

import { PgError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { badBinary, type Codec, trailing } from "./codec.ts";
import { hexValue, setInt32 } from "./layout.ts";

/** The length that a column's type modifier asks for is the server's to check. */
export const bitCodec: Codec = {
  encode(text) {
    // B'…' and X'…' without their quotes; digits alone are binary.
    const prefix = text[0]?.toLowerCase();
    if (prefix === "x") return hexBits(text.slice(1));
    return bits(prefix === "b" ? text.slice(1) : text);
  },
  decode(bytes) {
    const reader = new Reader(bytes);
    const length = reader.int32();
    if (length < 0) throw badBinary("invalid length in external bit string");
    const data = reader.bytes(Math.ceil(length / 8));
    if (reader.remaining > 0) throw trailing("bit varying");
    let text = "";
    for (const byte of data) text += byte.toString(2).padStart(8, "0");
    return text.slice(0, length);
  },
};

function bits(digits: string): Uint8Array {
  const bytes = new Uint8Array(4 + Math.ceil(digits.length / 8));
  setInt32(bytes, 0, digits.length);
  for (let at = 0; at < digits.length; at++) {
    const bit = digits.charCodeAt(at) - 48;
    if (bit !== 0 && bit !== 1) throw badDigit(digits, at, "binary");
    const place = 4 + (at >> 3);
    bytes[place] = (bytes[place] as number) | (bit << (7 - (at & 7)));
  }
  return bytes;
}

function hexBits(digits: string): Uint8Array {
  const bytes = new Uint8Array(4 + Math.ceil(digits.length / 2));
  setInt32(bytes, 0, digits.length * 4);
  for (let at = 0; at < digits.length; at++) {
    const value = hexValue(digits.charCodeAt(at));
    if (value < 0) throw badDigit(digits, at, "hexadecimal");
    const place = 4 + (at >> 1);
    bytes[place] = (bytes[place] as number) | (value << (at & 1 ? 0 : 4));
  }
  return bytes;
}

function badDigit(digits: string, at: number, base: string): PgError {
  const digit = String.fromCodePoint(digits.codePointAt(at) as number);
  return new PgError(sqlstate.invalidTextRepresentation, `"${digit}" is not a valid ${base} digit`);
}
