// The tokens of a text, as PostgreSQL's scanner sees them (PostgreSQL documentation, section 4.1 "Lexical Structure").
// White space and comments are skipped. What the scanner refuses (an unterminated quote, junk after a number, a bad
// escape) is its error: 42601 or 22025 with its words and position.

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { continuation, endOfWord, isDigit, isOperator, isWordStart, skipBlanks } from "./characters.ts";
import { isEscapeCharacter, readBackslashes, resolveBackslashes, resolveUnicodeEscapes } from "./escapes.ts";
import { lexicalError } from "./lexical-error.ts";
import { foldCase, truncateName } from "./names.ts";
import { endOfNumber, numberValue } from "./numbers.ts";
import { characterPosition } from "./position.ts";

/** `punctuation` is `, ; ( ) [ ] . .. : :: :=` and every character that belongs to no token (`$`, `\`, `{` ...). */
export type TokenType =
  | "word"
  | "quotedIdentifier"
  | "string"
  | "bitString"
  | "number"
  | "parameter"
  | "operator"
  | "punctuation";

export interface Token {
  type: TokenType;
  /** As written: sql.slice(start, end), with the UESCAPE clause and all continuations of a string. */
  text: string;
  /**
   * What it means: a word folded to lower case; a name without its quotes; both cut to 63 bytes; a string with escapes
   * resolved; `b` or `x` and the digits of a bit string; a number in decimal; the digits of a parameter; else the text.
   */
  value: string;
  /** UTF-16 index into the text. */
  start: number;
  /** UTF-16 index after the token. */
  end: number;
}

export interface LexerOptions {
  /** The session's standard_conforming_strings: off makes a backslash an escape in '' too. Default true. */
  standardConformingStrings?: boolean;
}

/** All tokens of the text. Throws PostgreSQL's error where its scanner would. */
export function tokenize(sql: string, options?: LexerOptions): Token[] {
  const lexer = new Lexer(sql, options);
  const tokens: Token[] = [];
  while (lexer.next()) tokens.push(lexer.token());
  return tokens;
}

/** How the value of a token is found from its segments. */
type Form =
  | "text"
  | "word"
  | "nchar"
  | "plain"
  | "doubled"
  | "escaped"
  | "unicode"
  | "bits"
  | "number"
  | "parameter";

const doubleQuote = 0x22;
const dollar = 0x24;
const ampersand = 0x26;
const quote = 0x27;
const star = 0x2a;
const plus = 0x2b;
const dash = 0x2d;
const dot = 0x2e;
const slash = 0x2f;
const colon = 0x3a;
const equals = 0x3d;
const backslash = 0x5c;

/** PostgreSQL's limit of an operator's length is that of a name. */
const maximumOperator = 63;
/** Parameter numbers are int4. */
const maximumParameter = 2147483647;

const dollarDelimiter = /\$(?:[A-Za-z_\x80-\uffff][A-Za-z0-9_\x80-\uffff]*)?\$/y;
/** Only an operator with one of these may end in + or -, so that `2*-1` is two operators. */
const freeOperators = "~!@#^&|`?%";

/** A cursor over the tokens that makes no objects: `type`, `start` and `end` are those of the current token. */
export class Lexer {
  readonly sql: string;
  type: TokenType = "punctuation";
  start = 0;
  end = 0;
  readonly #standardStrings: boolean;
  #form: Form = "text";
  /** Pairs of indexes: what is between the quotes of a string and of its continuations. */
  #segments: number[] = [];
  /** Of the run of operator characters seen last: its end, its last character that is not + or -, its last free one. */
  #runEnd = 0;
  #lastBound = -1;
  #lastFree = -1;
  /** The value, where it had to be found to know whether the token is valid. */
  #resolved = "";

  /** Begins at the index `from`, which must not be inside of a token. */
  constructor(sql: string, options?: LexerOptions, from = 0) {
    this.sql = sql;
    this.end = from;
    this.#standardStrings = options?.standardConformingStrings ?? true;
  }

  /** Goes to the next token; false at the end of the text. */
  next(): boolean {
    if (!this.#scan()) return false;
    if (this.#form === "unicode") this.#resolveUnicode();
    return true;
  }

  /** The current token as an object. */
  token(): Token {
    const { type, start, end } = this;
    return { type, text: this.sql.slice(start, end), value: this.value, start, end };
  }

  /** The code of a `punctuation` token of one character, else 0. */
  get punctuation(): number {
    return this.type === "punctuation" && this.end === this.start + 1 ? this.sql.charCodeAt(this.start) : 0;
  }

  /** See Token.value. */
  get value(): string {
    const { sql, start, end, type } = this;
    const form = this.#form;
    if (form === "word") return truncateName(foldCase(sql.slice(start, end)));
    if (form === "text") return sql.slice(start, end);
    if (form === "number") return numberValue(sql.slice(start, end));
    if (form === "parameter") return sql.slice(start + 1, end);
    if (form === "bits") return sql.charAt(start).toLowerCase() + this.#body();
    if (form === "nchar") return "nchar";
    const resolved = form === "escaped" || form === "unicode" ? this.#resolved : this.#body();
    if (type === "string") return form === "doubled" ? resolved.replaceAll("''", "'") : resolved;
    return truncateName(form === "doubled" ? resolved.replaceAll('""', '"') : resolved);
  }

  #body(): string {
    const segments = this.#segments;
    let body = this.sql.slice(segments[0], segments[1]);
    for (let at = 2; at < segments.length; at += 2) body += this.sql.slice(segments[at], segments[at + 1]);
    return body;
  }

  #scan(): boolean {
    const { sql } = this;
    const start = skipBlanks(sql, this.end);
    this.start = start;
    this.end = start;
    if (start >= sql.length) return false;
    const code = sql.charCodeAt(start);
    const next = sql.charCodeAt(start + 1);
    if (isWordStart(code)) this.#word(start, next);
    else if (isDigit(code) || (code === dot && isDigit(next))) {
      this.#found("number", "number", endOfNumber(sql, start));
    } else if (code === quote) this.#string(start, this.#standardStrings ? "doubled" : "escaped");
    else if (code === doubleQuote) this.#quotedIdentifier(start, "doubled");
    else if (code === dollar) this.#dollar(start, next);
    else if (isOperator(code)) this.#operator(start);
    else {
      const two =
        (code === colon && (next === colon || next === equals)) || (code === dot && next === dot) ? 2 : 1;
      this.#found("punctuation", "text", start + two);
    }
    return true;
  }

  #found(type: TokenType, form: Form, end: number): void {
    this.type = type;
    this.#form = form;
    this.end = end;
  }

  #word(start: number, next: number): void {
    const { sql } = this;
    const letter = next === quote || next === ampersand ? sql.charAt(start).toLowerCase() : "";
    const third = letter === "u" && next === ampersand ? sql.charCodeAt(start + 2) : 0;
    if (third === quote) this.#string(start + 2, "unicode");
    else if (third === doubleQuote) this.#quotedIdentifier(start + 2, "unicode");
    else if (next === quote && letter === "e") this.#string(start + 1, "escaped");
    else if (next === quote && (letter === "b" || letter === "x")) this.#bitString(start + 1);
    // N'...' is the keyword NCHAR before a string.
    else if (next === quote && letter === "n") this.#found("word", "nchar", start + 1);
    else this.#found("word", "word", endOfWord(sql, start + 1));
  }

  /** `opening` is the index of the quote. */
  #string(opening: number, form: "doubled" | "escaped" | "unicode"): void {
    const { sql } = this;
    if (form === "unicode" && !this.#standardStrings) throw unsafeUnicode(sql, this.start);
    const segments: number[] = [];
    let doubled = false;
    let from = opening + 1;
    let end = 0;
    do {
      let at = from;
      for (;;) {
        at = form === "escaped" ? endOfEscaped(sql, at) : sql.indexOf("'", at);
        if (at < 0) {
          // An escape that is wrong is found before the end that is missing.
          if (form === "escaped") readBackslashes(sql, [...segments, from, sql.length]);
          throw lexicalError(sql, this.start, sql.length, "unterminated quoted string");
        }
        if (sql.charCodeAt(at + 1) !== quote) break;
        doubled = true;
        at += 2;
      }
      segments.push(from, at);
      end = at + 1;
      from = continuation(sql, end);
    } while (from > 0);
    this.#segments = segments;
    if (form === "escaped") this.#resolved = resolveBackslashes(sql, segments);
    this.#found("string", form === "doubled" && !doubled ? "plain" : form, end);
  }

  #bitString(opening: number): void {
    const { sql } = this;
    const segments: number[] = [];
    let from = opening + 1;
    let close = 0;
    do {
      close = sql.indexOf("'", from);
      if (close < 0) {
        const kind = (sql.charCodeAt(this.start) | 0x20) === 0x62 ? "bit" : "hexadecimal";
        throw lexicalError(sql, this.start, sql.length, `unterminated ${kind} string literal`);
      }
      segments.push(from, close);
      // No doubled quotes here: the second one opens a string.
      from = continuation(sql, close + 1);
    } while (from > 0);
    this.#segments = segments;
    this.#found("bitString", "bits", close + 1);
  }

  #quotedIdentifier(opening: number, form: "doubled" | "unicode"): void {
    const { sql } = this;
    let doubled = false;
    let close = sql.indexOf('"', opening + 1);
    while (close >= 0 && sql.charCodeAt(close + 1) === doubleQuote) {
      doubled = true;
      close = sql.indexOf('"', close + 2);
    }
    if (close < 0) throw lexicalError(sql, this.start, sql.length, "unterminated quoted identifier");
    if (close === opening + 1) {
      throw lexicalError(sql, this.start, close + 1, "zero-length delimited identifier");
    }
    this.#segments = [opening + 1, close];
    this.#found("quotedIdentifier", doubled || form === "unicode" ? form : "plain", close + 1);
  }

  #dollar(start: number, next: number): void {
    if (isDigit(next)) this.#parameter(start);
    else {
      dollarDelimiter.lastIndex = start;
      if (dollarDelimiter.test(this.sql)) this.#dollarQuoted(start, dollarDelimiter.lastIndex);
      else this.#found("punctuation", "text", start + 1);
    }
  }

  #parameter(start: number): void {
    const { sql } = this;
    let end = start + 1;
    while (isDigit(sql.charCodeAt(end))) end++;
    if (isWordStart(sql.charCodeAt(end))) {
      throw lexicalError(sql, start, endOfWord(sql, end), "trailing junk after parameter");
    }
    if (Number(sql.slice(start + 1, end)) > maximumParameter) {
      throw lexicalError(sql, start, end, "parameter number too large");
    }
    this.#found("parameter", "parameter", end);
  }

  #dollarQuoted(start: number, from: number): void {
    const { sql } = this;
    const delimiter = sql.slice(start, from);
    const close = sql.indexOf(delimiter, from);
    if (close < 0) throw lexicalError(sql, start, sql.length, "unterminated dollar-quoted string");
    this.#segments = [from, close];
    this.#found("string", "plain", close + delimiter.length);
  }

  #operator(start: number): void {
    if (start >= this.#runEnd) this.#operatorRun(start);
    let end = this.#runEnd;
    const last = this.sql.charCodeAt(end - 1);
    if ((last === plus || last === dash) && this.#lastFree < start)
      end = Math.max(start, this.#lastBound) + 1;
    if (end - start > maximumOperator) throw lexicalError(this.sql, start, end, "operator too long");
    this.#found("operator", "text", end);
  }

  /** Looks at a run of operator characters once: `+-+-+-` is as many operators, each with the rest of the run to see. */
  #operatorRun(start: number): void {
    const { sql } = this;
    this.#lastBound = -1;
    this.#lastFree = -1;
    let at = start;
    for (;;) {
      const code = sql.charCodeAt(at);
      if (!isOperator(code)) break;
      const next = sql.charCodeAt(at + 1);
      // A comment ends the operator.
      if ((code === dash && next === dash) || (code === slash && next === star)) break;
      if (code !== plus && code !== dash) this.#lastBound = at;
      if (freeOperators.includes(sql.charAt(at))) this.#lastFree = at;
      at++;
    }
    this.#runEnd = at;
  }

  #isUescape(): boolean {
    return this.type === "word" && this.value === "uescape";
  }

  /** Resolves a U& token; a UESCAPE clause after it becomes part of the token. */
  #resolveUnicode(): void {
    const { sql, type, start } = this;
    const segments = this.#segments;
    const doubled = type === "string" ? "''" : '""';
    const body = this.#body().replaceAll(doubled, doubled.charAt(0));
    let end = this.end;
    let escapeCharacter = "\\";
    // The next token comes first, as in PostgreSQL, whose parser looks ahead for the UESCAPE: its errors win.
    if (this.#scan() && this.#isUescape()) {
      const found = this.#scan();
      if (!found || this.type !== "string" || this.#form === "unicode") {
        throw lexicalError(sql, this.start, this.end, "UESCAPE must be followed by a simple string literal");
      }
      escapeCharacter = this.value;
      if (!isEscapeCharacter(escapeCharacter)) {
        throw lexicalError(sql, this.start, this.end, "invalid Unicode escape character");
      }
      end = this.end;
    }
    this.start = start;
    this.#segments = segments;
    this.#found(type, "unicode", end);
    this.#resolved = resolveUnicodeEscapes(body, escapeCharacter, () => characterPosition(sql, start));
  }
}

/** The index of the first quote from `at` on that no backslash escapes, or -1. */
function endOfEscaped(sql: string, at: number): number {
  for (; at < sql.length; at++) {
    const code = sql.charCodeAt(at);
    if (code === backslash) at++;
    else if (code === quote) return at;
  }
  return -1;
}

function unsafeUnicode(sql: string, start: number): PgError {
  return new PgError(sqlstate.featureNotSupported, "unsafe use of string constant with Unicode escapes", {
    detail: 'String constants with Unicode escapes cannot be used when "standard_conforming_strings" is off.',
    position: characterPosition(sql, start),
  });
}
