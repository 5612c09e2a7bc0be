/**
 * Types whose binary form is their text: text and its kin, json, jsonpath, xml, jsonb; and "char" and name, which are
 * nearly that.
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText, invalidEncoding } from "../wire/utf8.ts";
import { type Codec, checkSize, missingByte, missingData } from "./codec.ts";
import { normalJson } from "./jsonb.ts";

const encoder = new TextEncoder();

/** Text in UTF-8. No text of PostgreSQL holds a NUL. @throws PgError 22021 */
export function readText(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  if (nul < 0) return decodeText(bytes);
  // What is wrong first is what is said, be it before the NUL or because of it.
  try {
    decodeText(bytes, 0, nul);
  } catch {
    decodeText(bytes);
  }
  throw invalidEncoding("0x00");
}

/** Up to this many characters a loop beats the call into TextEncoder. */
const shortText = 24;

/** UTF-8. */
export function textBytes(text: string): Uint8Array {
  const { length } = text;
  if (length > shortText) return encoder.encode(text);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127) return encoder.encode(text);
    bytes[at] = code;
  }
  return bytes;
}

export const textCodec: Codec = { encode: textBytes, decode: readText, isText: true };

/**
 * Types whose binary form is a version byte, 1, and the text: jsonb, jsonpath, ltree and its queries. A server's text is
 * in its normal form already, so it is sent as it is; `normal` makes that of a client's.
 */
export function versioned(type: string, normal: (text: string) => string = (text) => text): Codec {
  return {
    encode(text) {
      const bytes = encoder.encode(`\u0001${text}`);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length === 0) throw new PgError(sqlstate.protocolViolation, missingData);
      if (bytes[0] !== 1) {
        const mark = type === "jsonpath" ? ":" : "";
        throw new PgError(sqlstate.internalError, `unsupported ${type} version number${mark} ${bytes[0]}`);
      }
      return normal(readText(bytes.subarray(1)));
    },
  };
}

export const jsonCodec: Codec = {
  isText: true,
  encode: textBytes,
  decode(bytes) {
    const text = readText(bytes);
    try {
      JSON.parse(text);
    } catch {
      throw new PgError(sqlstate.invalidTextRepresentation, "invalid input syntax for type json");
    }
    return text;
  },
};

/** jsonb: a client may send any JSON; PostgreSQL's own text has sorted keys and one way of spacing. */
export const jsonbCodec: Codec = versioned("jsonb", normalJson);

/** name: text of at most 63 bytes. */
export const nameCodec: Codec = {
  encode(text) {
    const bytes = encoder.encode(text);
    if (bytes.length < 64) return bytes;
    // Cut silently, at the start of a character.
    let end = 63;
    while (((bytes[end] as number) & 0xc0) === 0x80) end--;
    return bytes.slice(0, end);
  },
  decode(bytes) {
    if (bytes.length > 63) {
      throw new PgError(sqlstate.nameTooLong, "identifier too long", {
        detail: "Identifier must be less than 64 characters.",
      });
    }
    return readText(bytes);
  },
};

/** "char": one byte, written as an octal escape where it is not ASCII, and as nothing where it is zero. */
export const charCodec: Codec = {
  encode(text) {
    const octal = /^\\([0-7]{3})$/.exec(text)?.[1];
    if (octal !== undefined) return Uint8Array.of(Number.parseInt(octal, 8) & 0xff);
    return Uint8Array.of(encoder.encode(text)[0] ?? 0);
  },
  decode(bytes) {
    checkSize('"char"', bytes, 1, missingByte);
    const byte = bytes[0] as number;
    if (byte >= 0x80) return `\\${byte.toString(8)}`;
    return byte === 0 ? "" : String.fromCharCode(byte);
  },
};

/** void: what a function without a result gives, an empty value. */
export const voidCodec: Codec = {
  encode: () => new Uint8Array(0),
  decode: () => "",
};

/** Enumerations: their labels, which only the server knows. */
export function enumCodec(name: string, labels: readonly string[] | undefined): Codec {
  const known = labels && new Set(labels);
  const checked = (label: string): string => {
    if (known && !known.has(label)) {
      throw badEnum(name, label);
    }
    return label;
  };
  return {
    encode: (text) => textBytes(checked(text)),
    decode: (bytes) => checked(readText(bytes)),
  };
}

function badEnum(name: string, label: string): PgError {
  return new PgError(sqlstate.invalidTextRepresentation, `invalid input value for enum ${name}: "${label}"`);
}
