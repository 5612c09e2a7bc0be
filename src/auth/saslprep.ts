// SASLprep (RFC 4013), the normal form of a password before SCRAM hashes it, as PostgreSQL applies it
// (https://www.postgresql.org/docs/current/sasl-authentication.html#SASL-SCRAM-SHA-256).
//
// PostgreSQL departs from the RFC in three ways that decide whether two sides agree on a password:
// - pure ASCII is left alone, control characters included;
// - prohibited and bidirectional characters are looked for before normalization, not after it;
// - a password that SASLprep refuses is not refused but used as its raw bytes.

import { saslprepTables, tableHas } from "./saslprep-tables.ts";

/** RFC 3454 C.1.2. U+200B is in this table and the next; the first one wins, as in PostgreSQL. */
const nonAsciiSpaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;

/** RFC 3454 B.1. */
const mappedToNothing = /\u034f|[\u180b-\u180d]|\u200d|[\ufe00-\ufe0f]|[\u00ad\u1806\u200c\u2060\ufeff]/gu;

const encoder = new TextEncoder();

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false;
  }
  return true;
}

/**
 * The normal form of a password, or undefined when SASLprep refuses it: prohibited or unassigned characters, mixed
 * directions, nothing left, or half of a surrogate pair.
 */
export function saslprep(password: string): string | undefined {
  if (isAscii(password)) return password;

  const mapped = password.replace(nonAsciiSpaces, " ").replace(mappedToNothing, "");
  if (mapped === "") return undefined;

  const { refused, rightToLeft, leftToRight } = saslprepTables();
  const codePoints = Array.from(mapped, (character) => character.codePointAt(0) as number);
  if (codePoints.some((codePoint) => tableHas(refused, codePoint))) return undefined;

  if (codePoints.some((codePoint) => tableHas(rightToLeft, codePoint))) {
    if (codePoints.some((codePoint) => tableHas(leftToRight, codePoint))) return undefined;
    if (!tableHas(rightToLeft, codePoints[0] as number)) return undefined;
    if (!tableHas(rightToLeft, codePoints.at(-1) as number)) return undefined;
  }
  return mapped.normalize("NFKC");
}

/**
 * The bytes of a password that SCRAM hashes: those of its normal form, or its own when it has none. A password that
 * came off the wire is bytes in an encoding nobody knows yet; what is not UTF-8 is taken as it is.
 */
export function preparePassword(password: string | Uint8Array): Uint8Array<ArrayBuffer> {
  if (typeof password === "string") return encoder.encode(saslprep(password) ?? password);
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(password);
    const prepared = saslprep(text);
    if (prepared !== undefined) return encoder.encode(prepared);
  } catch {
    // Not UTF-8.
  }
  return password.slice();
}
