/** Reads array literals: `{1,2}`, `{{"a b",NULL},{c,d}}`, `[0:1]={1,2}` (PostgreSQL documentation, 8.15.6). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** An array's elements in the order they stand in the text, and how they are folded into dimensions. */
export interface ArrayText {
  readonly sizes: readonly number[];
  readonly lowerBounds: readonly number[];
  readonly elements: readonly (string | null)[];
}

const maxDimensions = 6;
const noElements: ArrayText = { sizes: [], lowerBounds: [], elements: [] };

/** @throws PgError 22P02 */
export function parseArray(text: string, delimiter = ","): ArrayText {
  const scanner = new Scanner(text, delimiter);
  return scanner.array();
}

class Scanner {
  readonly #text: string;
  readonly #delimiter: number;
  readonly #hasEscapes: boolean;
  #at = 0;
  readonly #elements: (string | null)[] = [];
  /** Elements so far of the open array of each depth. */
  readonly #counts: number[] = [];
  /** What the first array of each depth has. */
  readonly #sizes: number[] = [];
  /** The depth of the elements, 0 until there is one. */
  #leaf = 0;

  constructor(text: string, delimiter: string) {
    this.#text = text;
    this.#delimiter = delimiter.charCodeAt(0);
    this.#hasEscapes = text.includes("\\");
  }

  array(): ArrayText {
    this.#skipSpace();
    const bounds = this.#bounds();
    if (this.#code() !== 123) {
      throw this.#malformed('Array value must start with "{" or dimension information.');
    }
    this.#body();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#malformed("Junk after closing right brace.");
    if (this.#elements.length === 0) return noElements;
    const sizes = this.#sizes.slice(0, this.#leaf);
    if (!bounds) return { sizes, lowerBounds: sizes.map(() => 1), elements: this.#elements };
    const agrees =
      bounds.length === sizes.length && bounds.every(([from, to], at) => to - from + 1 === sizes[at]);
    if (!agrees) throw this.#malformed("Specified array dimensions do not match array contents.");
    return { sizes, lowerBounds: bounds.map(([from]) => from), elements: this.#elements };
  }

  #code(): number {
    return this.#text.charCodeAt(this.#at);
  }

  #skipSpace(): void {
    while (isSpace(this.#code())) this.#at++;
  }

  /** `[1:2][0:3]=` */
  #bounds(): [number, number][] | undefined {
    if (this.#code() !== 91) return undefined;
    const match = /\s*((?:\[[+-]?\d+(?::[+-]?\d+)?\]\s*)+)=\s*/y.exec(this.#text.slice(this.#at));
    if (!match) throw this.#malformed('Missing array dimension value or "=".');
    this.#at += match[0].length;
    return Array.from((match[1] as string).matchAll(/\[([+-]?\d+)(?::([+-]?\d+))?\]/g), ([, from, to]) =>
      to === undefined ? [1, Number(from)] : [Number(from), Number(to)],
    );
  }

  /** Everything from the first brace to the last; what may come next depends on what came before. */
  #body(): void {
    let expected: "item" | "item or end" | "delimiter" = "item";
    do {
      this.#skipSpace();
      const code = this.#code();
      if (Number.isNaN(code)) throw this.#malformed("Unexpected end of input.");
      if (code === 123 && expected !== "delimiter") {
        if (this.#counts.length === maxDimensions) throw tooDeep();
        if (this.#leaf > 0 && this.#counts.length >= this.#leaf) throw this.#unevenDepth();
        this.#counts.push(0);
        this.#at++;
        expected = "item or end";
      } else if (code === 125 && expected !== "item") {
        this.#close();
        expected = "delimiter";
      } else if (code === this.#delimiter && expected === "delimiter") {
        this.#at++;
        expected = "item";
      } else if (expected === "delimiter" || code === 125 || code === this.#delimiter) {
        throw this.#malformed(`Unexpected "${String.fromCharCode(code)}" character.`);
      } else {
        const depth = this.#counts.length;
        if (this.#leaf === 0 && this.#sizes.length < depth) this.#leaf = depth;
        if (this.#leaf !== depth) throw this.#unevenDepth();
        this.#elements.push(code === 34 ? this.#quoted() : this.#unquoted());
        this.#counts[depth - 1] = (this.#counts[depth - 1] as number) + 1;
        expected = "delimiter";
      }
    } while (this.#counts.length > 0);
  }

  #close(): void {
    this.#at++;
    const count = this.#counts.pop() as number;
    const depth = this.#counts.length;
    if (this.#sizes[depth] === undefined) this.#sizes[depth] = count;
    else if (this.#sizes[depth] !== count) throw this.#unevenDepth();
    if (depth > 0) this.#counts[depth - 1] = (this.#counts[depth - 1] as number) + 1;
  }

  #quoted(): string {
    const from = this.#at + 1;
    if (!this.#hasEscapes) {
      const end = this.#text.indexOf('"', from);
      if (end < 0) throw this.#malformed("Unexpected end of input.");
      this.#at = end + 1;
      return this.#text.slice(from, end);
    }
    let value = "";
    let start = from;
    for (let at = from; at < this.#text.length; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === 34) {
        this.#at = at + 1;
        return value + this.#text.slice(start, at);
      }
      if (code !== 92) continue;
      value += this.#text.slice(start, at);
      start = ++at;
    }
    throw this.#malformed("Unexpected end of input.");
  }

  #unquoted(): string | null {
    const text = this.#text;
    const from = this.#at;
    for (let at = from; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 92) return this.#escaped();
      if (code === 34 || code === 123) throw this.#malformed("Incorrectly quoted array element.");
      if (code !== this.#delimiter && code !== 125) continue;
      this.#at = at;
      let end = at;
      while (isSpace(text.charCodeAt(end - 1))) end--;
      const value = text.slice(from, end);
      return value.length === 4 && /^null$/i.test(value) ? null : value;
    }
    throw this.#malformed("Unexpected end of input.");
  }

  /** An element with escapes but without quotes: white space at its end counts only where it is escaped. */
  #escaped(): string {
    let value = "";
    let kept = 0;
    for (;;) {
      const code = this.#code();
      if (Number.isNaN(code)) throw this.#malformed("Unexpected end of input.");
      if (code === this.#delimiter || code === 125) return value.slice(0, kept);
      if (code === 34 || code === 123) throw this.#malformed("Incorrectly quoted array element.");
      if (code === 92) this.#at++;
      value += this.#text[this.#at++] ?? "";
      if (code === 92 || !isSpace(code)) kept = value.length;
    }
  }

  #unevenDepth(): PgError {
    return this.#malformed("Multidimensional arrays must have sub-arrays with matching dimensions.");
  }

  #malformed(detail: string): PgError {
    const message = `malformed array literal: "${this.#text}"`;
    return new PgError(sqlstate.invalidTextRepresentation, message, { detail });
  }
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

function tooDeep(): PgError {
  const message = `number of array dimensions exceeds the maximum allowed (${maxDimensions})`;
  return new PgError(sqlstate.programLimitExceeded, message);
}
