// Escapes inside string constants and identifiers (PostgreSQL documentation, section 4.1.2.2 "String Constants with
// C-Style Escapes" and 4.1.2.3 "String Constants with Unicode Escapes").

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText, invalidEncoding } from "../wire/utf8.ts";
import { lexicalError } from "./lexical-error.ts";
import { characterPosition } from "./position.ts";

const quote = 0x27;
const backslash = 0x5c;

const singleCharacters: ReadonlyMap<string, string> = new Map([
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
]);

const octal = /[0-7]{1,3}/y;
const hexadecimal = /x[0-9A-Fa-f]{1,2}/y;
const unicode = /u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}/y;
/** As much of an escape as PostgreSQL quotes in `at or near` for a surrogate without its partner. */
const surrogateEscape = /u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|/y;

/**
 * The value of an E'' constant. `segments` holds pairs of indexes [from, to) into sql: what is between the quotes of the
 * constant and of its continuations. Throws PostgreSQL's errors for Unicode escapes, and 22021 when the bytes written
 * as \x or octal escapes do not make UTF-8.
 */
export function resolveBackslashes(sql: string, segments: readonly number[]): string {
  const pieces = readBackslashes(sql, segments);
  return pieces.some((piece) => typeof piece === "number") ? textOfPieces(pieces) : pieces.join("");
}

/** The text of the segments, and each byte that is written as an escape. Throws all but 22021: the bytes come last. */
export function readBackslashes(sql: string, segments: readonly number[]): (string | number)[] {
  const pieces: (string | number)[] = [];
  let high = 0;
  for (let segment = 0; segment < segments.length; segment += 2) {
    const to = segments[segment + 1]!;
    let at = segments[segment]!;
    while (at < to) {
      const code = sql.charCodeAt(at);
      const marker = code === backslash ? sql.charAt(at + 1) : "";
      if (high !== 0 && marker !== "u" && marker !== "U") throw unpaired(sql, at, at + 1);
      if (code === quote) {
        pieces.push("'");
        at += 2;
      } else if (code !== backslash) {
        const from = at;
        do at++;
        while (at < to && sql.charCodeAt(at) !== backslash && sql.charCodeAt(at) !== quote);
        pieces.push(sql.slice(from, at));
      } else if (matches(octal, sql, at + 1)) {
        pieces.push(Number.parseInt(sql.slice(at + 1, octal.lastIndex), 8) & 0xff);
        at = octal.lastIndex;
      } else if (matches(hexadecimal, sql, at + 1)) {
        pieces.push(Number.parseInt(sql.slice(at + 2, hexadecimal.lastIndex), 16));
        at = hexadecimal.lastIndex;
      } else if (marker === "u" || marker === "U") {
        if (!matches(unicode, sql, at + 1)) throw invalidBackslash(sql, at);
        const end = unicode.lastIndex;
        const point = Number.parseInt(sql.slice(at + 2, end), 16);
        const low = isLowSurrogate(point);
        if (low !== (high !== 0)) throw unpaired(sql, at, end);
        if (low) {
          pieces.push(String.fromCharCode(high, point));
          high = 0;
        } else if (isHighSurrogate(point)) high = point;
        else if (!isCodePoint(point)) throw lexicalError(sql, at, end, "invalid Unicode escape value");
        else pieces.push(String.fromCodePoint(point));
        at = end;
      } else {
        pieces.push(singleCharacters.get(marker) ?? marker);
        at += 2;
      }
    }
    // A pair may not be split over a continuation: the closing quote is what is near.
    if (high !== 0) throw unpaired(sql, to, to + 1);
  }
  return pieces;
}

function matches(pattern: RegExp, sql: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(sql);
}

/** Bytes may be escaped one by one and only together be a character, so the whole is put into UTF-8 and read back. */
function textOfPieces(pieces: readonly (string | number)[]): string {
  const encoder = new TextEncoder();
  const parts = pieces.map((piece) =>
    typeof piece === "number" ? Uint8Array.of(piece) : encoder.encode(piece),
  );
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let length = 0;
  for (const part of parts) {
    bytes.set(part, length);
    length += part.length;
  }
  const text = decodeText(bytes);
  // No text of PostgreSQL holds a zero byte.
  if (bytes.includes(0)) throw invalidEncoding("0x00");
  return text;
}

function isHighSurrogate(point: number): boolean {
  return point >= 0xd800 && point <= 0xdbff;
}

function isLowSurrogate(point: number): boolean {
  return point >= 0xdc00 && point <= 0xdfff;
}

function isCodePoint(point: number): boolean {
  return point > 0 && point <= 0x10ffff;
}

function unpaired(sql: string, at: number, end: number): PgError {
  if (sql.charCodeAt(at) === backslash && matches(surrogateEscape, sql, at + 1)) {
    end = Math.max(end, surrogateEscape.lastIndex);
  }
  return lexicalError(sql, at, end, "invalid Unicode surrogate pair");
}

function invalidBackslash(sql: string, at: number): PgError {
  return new PgError(sqlstate.invalidEscapeSequence, "invalid Unicode escape", {
    hint: "Unicode escapes must be \\uXXXX or \\UXXXXXXXX.",
    position: characterPosition(sql, at),
  });
}

const fourDigits = /[0-9A-Fa-f]{4}/y;
const sixDigits = /\+[0-9A-Fa-f]{6}/y;

/**
 * The value of a U&'' constant or U&"" identifier whose doubled quotes are resolved already. `position` gives
 * the character position where the token begins, for errors; they point into it as PostgreSQL's do.
 */
export function resolveUnicodeEscapes(body: string, escapeCharacter: string, position: () => number): string {
  if (!body.includes(escapeCharacter)) return body;
  let text = "";
  let high = 0;
  let at = 0;
  while (at < body.length) {
    if (body[at] !== escapeCharacter || body[at + 1] === escapeCharacter) {
      if (high !== 0) throw invalidUnicode("surrogate pair", body, at, position);
      text += body[at];
      at += body[at] === escapeCharacter ? 2 : 1;
      continue;
    }
    const pattern = matches(fourDigits, body, at + 1) ? fourDigits : sixDigits;
    if (pattern === sixDigits && !matches(sixDigits, body, at + 1)) {
      throw invalidUnicode("escape", body, at, position);
    }
    const point = Number.parseInt(body.slice(at + (pattern === sixDigits ? 2 : 1), pattern.lastIndex), 16);
    if (!isCodePoint(point)) throw invalidUnicode("escape value", body, at, position);
    const low = isLowSurrogate(point);
    if (low !== (high !== 0)) throw invalidUnicode("surrogate pair", body, at, position);
    if (low) {
      text += String.fromCharCode(high, point);
      high = 0;
    } else if (isHighSurrogate(point)) high = point;
    else text += String.fromCodePoint(point);
    at = pattern.lastIndex;
  }
  if (high !== 0) throw invalidUnicode("surrogate pair", body, at, position);
  return text;
}

function invalidUnicode(what: string, body: string, at: number, position: () => number): PgError {
  return new PgError(sqlstate.syntaxError, `invalid Unicode ${what}`, {
    ...(what === "escape" ? { hint: "Unicode escapes must be \\XXXX or \\+XXXXXX." } : {}),
    // Past U&' of the token.
    position: position() + 2 + characterPosition(body, at),
  });
}

/** Whether UESCAPE may name the character: one byte, and none that an escape or a quote is made of. */
export function isEscapeCharacter(text: string): boolean {
  return /^[^0-9A-Fa-f+'"\s\x80-\uffff]$/.test(text);
}
