// The character classes of PostgreSQL's scanner, and what it skips between tokens
// (PostgreSQL documentation, section 4.1 "Lexical Structure"; 4.1.5 "Comments").
//
// All take a UTF-16 code unit, or the NaN that charCodeAt gives past the end, which belongs to no class.

import { lexicalError } from "./lexical-error.ts";

const space = 1;
const digit = 2;
const wordStart = 4;
const wordPart = 8;
const operator = 16;

const classes: Uint8Array = new Uint8Array(128);
for (const [characters, flags] of [
  [" \t\n\r\f\v", space],
  ["0123456789", digit | wordPart],
  ["abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", wordStart | wordPart],
  ["$", wordPart],
  ["~!@#^&|`?+-*/%<>=", operator],
] as const) {
  for (let at = 0; at < characters.length; at++) classes[characters.charCodeAt(at)]! |= flags;
}

export function isSpace(code: number): boolean {
  return (classes[code]! & space) !== 0;
}

export function isDigit(code: number): boolean {
  return (classes[code]! & digit) !== 0;
}

/** Every character outside ASCII counts as a letter, no-break spaces too: the scanner sees bytes from 0x80 up. */
export function isWordStart(code: number): boolean {
  return (classes[code]! & wordStart) !== 0 || code > 127;
}

export function isWordPart(code: number): boolean {
  return (classes[code]! & wordPart) !== 0 || code > 127;
}

export function isOperator(code: number): boolean {
  return (classes[code]! & operator) !== 0;
}

/** The index after the word part characters from `at` on. */
export function endOfWord(sql: string, at: number): number {
  while (isWordPart(sql.charCodeAt(at))) at++;
  return at;
}

const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x27;
const star = 0x2a;
const dash = 0x2d;
const slash = 0x2f;

/** The index of the first character from `at` on that is neither white space nor in a comment. */
export function skipBlanks(sql: string, at: number): number {
  for (;;) {
    const code = sql.charCodeAt(at);
    if (code === 0x20 || (code >= tab && code <= carriageReturn)) at++;
    else if (code === dash && sql.charCodeAt(at + 1) === dash) at = endOfLine(sql, at + 2);
    else if (code === slash && sql.charCodeAt(at + 1) === star) at = endOfComment(sql, at);
    else return at;
  }
}

// A loop, not two indexOf: a text of many lines that has no \r would be searched to its end for each comment.
function endOfLine(sql: string, at: number): number {
  for (; at < sql.length; at++) {
    const code = sql.charCodeAt(at);
    if (code === lineFeed || code === carriageReturn) break;
  }
  return at;
}

function endOfComment(sql: string, start: number): number {
  let depth = 1;
  let at = start + 2;
  while (at < sql.length) {
    const code = sql.charCodeAt(at++);
    if (code === slash && sql.charCodeAt(at) === star) {
      depth++;
      at++;
    } else if (code === star && sql.charCodeAt(at) === slash) {
      depth--;
      at++;
      if (depth === 0) return at;
    }
  }
  throw lexicalError(sql, start, sql.length, "unterminated /* comment");
}

/**
 * Two string constants with a new line between them are one constant. Given the index after a closing quote, the index
 * after the quote that opens the continuation, or -1. Only `--` comments may stand between, never C comments.
 */
export function continuation(sql: string, at: number): number {
  let newLine = false;
  for (;;) {
    const code = sql.charCodeAt(at);
    if (isSpace(code)) {
      newLine ||= code === lineFeed || code === carriageReturn;
      at++;
    } else if (code === dash && sql.charCodeAt(at + 1) === dash) at = endOfLine(sql, at + 2);
    else return code === quote && newLine ? at + 1 : -1;
  }
}
