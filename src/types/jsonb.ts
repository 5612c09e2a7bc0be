/**
 * jsonb as PostgreSQL prints it (jsonb_out): one space behind commas and colons, keys sorted by length and then by bytes,
 * the last of equal keys kept, numbers as numeric writes them. JSON.parse would lose digits.
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { compareUtf8, utf8Length } from "./byte-order.ts";
import { decimalForm, parseDecimal } from "./numeric.ts";

/** Deeper than this a client's JSON could exhaust the stack, as it would PostgreSQL's. */
const maxDepth = 1000;

/** @throws PgError 22P02 for text that is not JSON, 22P05 for a text with U+0000, 54001 for one nested too deep */
export function normalJson(text: string): string {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y;
const quotedText = /"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"/y;
const word = /(?:true|false|null)(?!\w)/y;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): string {
    switch (this.#next()) {
      case 34:
        return this.#string();
      case 91:
        return this.#array(depth);
      case 123:
        return this.#object(depth);
      case 102:
      case 110:
      case 116:
        return this.#match(word);
      default:
        return normalNumber(this.#match(number));
    }
  }

  end(): void {
    if (!Number.isNaN(this.#next())) throw invalidJson();
  }

  /** Skips white space, and gives the next character's code; NaN at the end. */
  #next(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return code;
      this.#at++;
    }
  }

  #match(pattern: RegExp): string {
    const from = this.#at;
    pattern.lastIndex = from;
    if (!pattern.test(this.#text)) throw invalidJson();
    this.#at = pattern.lastIndex;
    return this.#text.slice(from, this.#at);
  }

  /** Most strings have nothing in them that needs a closer look. */
  #string(): string {
    const from = this.#at;
    for (let at = from + 1; ; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === 34) {
        this.#at = at + 1;
        return this.#text.slice(from, at + 1);
      }
      if (!(code >= 32 && code !== 92)) return normalString(this.#match(quotedText));
    }
  }

  #array(depth: number): string {
    const values: string[] = [];
    for (let more = this.#open(93, depth); more; more = this.#more(93)) values.push(this.value(depth + 1));
    return `[${values.join(", ")}]`;
  }

  #object(depth: number): string {
    const members: Member[] = [];
    for (let more = this.#open(125, depth); more; more = this.#more(125)) {
      if (this.#next() !== 34) throw invalidJson();
      const key = this.#string();
      if (this.#next() !== 58) throw invalidJson();
      this.#at++;
      const name = key.includes("\\") ? (JSON.parse(key) as string) : key.slice(1, -1);
      members.push({ name, length: utf8Length(name), text: `${key}: ${this.value(depth + 1)}` });
    }
    if (members.length > 1) members.sort(compareMembers);
    let text = "";
    for (let at = 0; at < members.length; at++) {
      const member = members[at] as Member;
      // Of equal keys the last counts.
      if (member.name === members[at + 1]?.name) continue;
      text += text === "" ? member.text : `, ${member.text}`;
    }
    return `{${text}}`;
  }

  /** Whether there is an item behind the opening bracket. */
  #open(end: number, depth: number): boolean {
    if (depth > maxDepth) throw new PgError(sqlstate.statementTooComplex, "stack depth limit exceeded");
    this.#at++;
    if (this.#next() !== end) return true;
    this.#at++;
    return false;
  }

  /** Whether a comma comes behind an item, and not the end. */
  #more(end: number): boolean {
    const code = this.#next();
    this.#at++;
    if (code !== end && code !== 44) throw invalidJson();
    return code === 44;
  }
}

interface Member {
  readonly name: string;
  /** Of the name, in bytes. */
  readonly length: number;
  /** The name and its value. */
  readonly text: string;
}

/** By the length of the name, then by its bytes. */
function compareMembers(a: Member, b: Member): number {
  return a.length - b.length || compareUtf8(a.name, b.name);
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
