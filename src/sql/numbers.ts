// Numeric constants (PostgreSQL documentation, section 4.1.2.6 "Numeric Constants").

import { endOfWord, isDigit, isWordPart, isWordStart } from "./characters.ts";
import { lexicalError } from "./lexical-error.ts";

const dot = 0x2e;

// `1..2` is the integer 1 before the `..` of a PL/pgSQL range, so a second dot keeps the first out of the number.
const decimal = /(?:\d(?:_?\d)*(?:\.(?!\.)(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][-+]?\d(?:_?\d)*)?/y;
const radix = /0(?:[xX](?:_?[0-9a-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)/y;
const plainExponent = /[eE][0-9]/;
const radixPrefix = /0[xXoObB]_?/y;

const radixNames: Readonly<Record<string, string>> = { x: "hexadecimal", o: "octal", b: "binary" };

/** The index after the number that begins at `start` (a digit, or a dot before one). Throws 42601 for junk after it. */
export function endOfNumber(sql: string, start: number): number {
  let plain = start;
  while (isDigit(sql.charCodeAt(plain))) plain++;
  const next = sql.charCodeAt(plain);
  if (plain > start && next !== dot && !isWordStart(next)) return plain;
  if (matches(radixPrefix, sql, start)) {
    const prefix = radixPrefix.lastIndex;
    const end = matches(radix, sql, start) ? radix.lastIndex : 0;
    if (end > 0 && !isWordPart(sql.charCodeAt(end))) return end;
    const word = endOfWord(sql, start);
    if (word > prefix) throw lexicalError(sql, start, word, "trailing junk after numeric literal");
    const name = radixNames[sql.charAt(start + 1).toLowerCase()];
    throw lexicalError(sql, start, prefix, `invalid ${name} integer`);
  }
  matches(decimal, sql, start);
  const end = decimal.lastIndex;
  const after = sql.charCodeAt(end);
  // A word that would begin at the e of the exponent may be longer than the number: `1e0$`.
  const junky = plainExponent.test(sql.slice(plain, end)) ? isWordPart(after) : isWordStart(after);
  if (!junky) return end;
  // An exponent that ends after its sign is quoted with the sign.
  const junk = /^[eE][-+]/.test(sql.slice(end, end + 2)) ? end + 2 : endOfWord(sql, end);
  throw lexicalError(sql, start, junk, "trailing junk after numeric literal");
}

function matches(pattern: RegExp, sql: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(sql);
}

/** More digits than numeric holds before the point: converting these would only cost time. */
const maximumDigits = 131072;

/** The number in decimal and without underscores; one too long for any type keeps its radix. */
export function numberValue(text: string): string {
  const plain = text.includes("_") ? text.replaceAll("_", "") : text;
  if (plain.length > maximumDigits) return plain;
  return /^0(?:[xob]|[0-9]+$)/i.test(plain) ? BigInt(plain.toLowerCase()).toString() : plain;
}
