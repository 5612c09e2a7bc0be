// Numeric constants (PostgreSQL documentation, section 4.1.2.6 "Numeric Constants").

import { endOfWord, isWordPart, isWordStart } from "./characters.ts";
import { lexicalError } from "./lexical-error.ts";

// `1..2` is the integer 1 before the `..` of a PL/pgSQL range, so a second dot keeps the first out of the number.
const decimal = /(?:\d(?:_?\d)*(?:\.(?!\.)(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][-+]?\d(?:_?\d)*)?/y;
const radix = /0(?:[xX](?:_?[0-9a-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)/y;
const radixPrefix = /0[xXoObB]_?/y;

const radixNames: Readonly<Record<string, string>> = { x: "hexadecimal", o: "octal", b: "binary" };

/** The index after the number that begins at `start` (a digit, or a dot before one). Throws 42601 for junk after it. */
export function endOfNumber(sql: string, start: number): number {
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
  if (!isWordStart(sql.charCodeAt(end))) return end;
  // An exponent that ends after its sign is quoted with the sign.
  const junk = /^[eE][-+]/.test(sql.slice(end, end + 2)) ? end + 2 : endOfWord(sql, end);
  throw lexicalError(sql, start, junk, "trailing junk after numeric literal");
}

function matches(pattern: RegExp, sql: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(sql);
}

/** The number in decimal and without underscores. */
export function numberValue(text: string): string {
  const plain = text.includes("_") ? text.replaceAll("_", "") : text;
  return /^0(?:[xob]|[0-9]+$)/i.test(plain) ? BigInt(plain.toLowerCase()).toString() : plain;
}
