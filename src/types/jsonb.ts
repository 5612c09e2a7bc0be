/**
 * jsonb as PostgreSQL prints it (jsonb_out): one space behind commas and colons, keys sorted by length and then by bytes,
 * the last of equal keys kept, numbers as numeric writes them. JSON.parse would lose digits.
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { compareUtf8 } from "./byte-order.ts";
import { decimalForm, parseDecimal } from "./numeric.ts";

/** Deeper than this a client's JSON could exhaust the stack, as it would PostgreSQL's. */
const maxDepth = 6000;

const token =
  /[ \t\n\r]*(?:([{}[\],:])|("(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])|(true|false|null)(?!\w))/y;

/** @throws PgError 22P02 for text that is not JSON, 22P05 for a text with U+0000, 54001 for one nested too deep */
export function normalJson(text: string): string {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  readonly #text: string;
  #at = 0;
  #mark = "";
  #string = "";
  #number = "";
  #word = "";

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): string {
    this.#next();
    return this.#value(depth);
  }

  end(): void {
    if (!/^[ \t\n\r]*$/.test(this.#text.slice(this.#at))) throw invalidJson();
  }

  /** Reads a token, and gives its mark if it is one. */
  #next(): string {
    token.lastIndex = this.#at;
    const match = token.exec(this.#text);
    if (!match) throw invalidJson();
    this.#at = token.lastIndex;
    this.#mark = match[1] ?? "";
    this.#string = match[2] ?? "";
    this.#number = match[3] ?? "";
    this.#word = match[4] ?? "";
    return this.#mark;
  }

  /** The value that begins with the current token. */
  #value(depth: number): string {
    if (this.#string !== "") return normalString(this.#string);
    if (this.#number !== "") return normalNumber(this.#number);
    if (this.#word !== "") return this.#word;
    if (depth > maxDepth) throw new PgError(sqlstate.statementTooComplex, "stack depth limit exceeded");
    if (this.#mark === "[") return this.#array(depth);
    if (this.#mark === "{") return this.#object(depth);
    throw invalidJson();
  }

  #array(depth: number): string {
    const values: string[] = [];
    for (let mark = this.#next(); mark !== "]"; ) {
      values.push(this.#value(depth + 1));
      mark = this.#afterItem("]");
    }
    return `[${values.join(", ")}]`;
  }

  #object(depth: number): string {
    const members = new Map<string, string>();
    for (let mark = this.#next(); mark !== "}"; ) {
      if (this.#string === "") throw invalidJson();
      const key = normalString(this.#string);
      if (this.#next() !== ":") throw invalidJson();
      members.set(key, this.value(depth + 1));
      mark = this.#afterItem("}");
    }
    const keys = members.size > 1 ? sortedKeys([...members.keys()]) : members.keys();
    return `{${Array.from(keys, (key) => `${key}: ${members.get(key)}`).join(", ")}}`;
  }

  /** Goes on to the next item behind a comma, or gives the end. */
  #afterItem(end: string): string {
    const mark = this.#next();
    if (mark === end) return mark;
    if (mark !== "," || this.#next() === end) throw invalidJson();
    return mark;
  }
}

const encoder = new TextEncoder();

/** By the length of the key in bytes, then by its bytes. */
function sortedKeys(keys: readonly string[]): string[] {
  const sorted = keys.map((key) => {
    const text = JSON.parse(key) as string;
    return { key, text, length: encoder.encode(text).length };
  });
  sorted.sort((a, b) => a.length - b.length || compareUtf8(a.text, b.text));
  return sorted.map(({ key }) => key);
}

/** Escapes only what must be; of what may be, PostgreSQL has names for the same five. */
function normalString(quoted: string): string {
  if (!quoted.includes("\\")) return quoted;
  const text = JSON.parse(quoted) as string;
  if (text.includes("\0")) {
    throw new PgError(sqlstate.untranslatableCharacter, "unsupported Unicode escape sequence", {
      detail: "\\u0000 cannot be converted to text.",
    });
  }
  if (/[\ud800-\udfff]/u.test(text)) {
    throw new PgError(sqlstate.invalidTextRepresentation, "invalid input syntax for type json");
  }
  return JSON.stringify(text);
}

function normalNumber(number: string): string {
  if (/^-?\d+(\.\d+)?$/.test(number) && number !== "-0" && !/^-0\.0+$/.test(number)) return number;
  const decimal = parseDecimal(number);
  if (!decimal) throw invalidJson();
  if (decimal.scale > 0x3fff || decimal.point > 0x20000) {
    throw new PgError(sqlstate.numericValueOutOfRange, "value overflows numeric format");
  }
  return decimalForm(decimal.negative, decimal.digits, decimal.point, decimal.scale);
}

function invalidJson(): PgError {
  return new PgError(sqlstate.invalidTextRepresentation, "invalid input syntax for type json");
}
