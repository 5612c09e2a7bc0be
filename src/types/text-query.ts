/** tsquery: a tree of words and operators, sent with each operator before its right and then its left side (tsquery.c). */
import { PgError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { type Codec, trailing } from "./codec.ts";
import { concatenated, setInt16, setInt32 } from "./layout.ts";
import { lexemeText, readLexeme, space } from "./lexeme.ts";
import { textBytes } from "./text.ts";

const not = 1;
const and = 2;
const or = 3;
const phrase = 4;
/** By operator: the higher, the tighter. */
const priorities: readonly number[] = [0, 4, 2, 1, 3];
const maxDistance = 16384;
/** Of parentheses and NOTs. Runtimes differ in how deep a stack they have. */
const maxDepth = 500;
const maxLexeme = 2047;
/** What PostgreSQL has memory for. */
const maxNodes = 0x5555555;

type Node =
  | { readonly type: "word"; readonly lexeme: string; readonly weight: number; readonly prefix: boolean }
  | { readonly type: "not"; readonly operand: Node }
  | {
      readonly type: "binary";
      readonly operator: number;
      readonly distance: number;
      readonly left: Node;
      readonly right: Node;
    };

export const tsqueryCodec: Codec = {
  encode(text) {
    const query = new QueryParser(text).query();
    const parts: Uint8Array[] = [new Uint8Array(4)];
    if (query) nodeBytes(query, parts);
    setInt32(parts[0] as Uint8Array, 0, parts.filter((part) => part[0] === 1 || part[0] === 2).length);
    return concatenated(parts);
  },
  decode(bytes) {
    const reader = new Reader(bytes);
    const count = reader.uint32();
    if (count === 0) {
      // PostgreSQL writes an empty query like this, and does not read it; nothing else would it be.
      if (reader.remaining === 0) return "";
      throw invalid("malformed tsquery: operand not found");
    }
    if (count > maxNodes) throw invalid("invalid size of tsquery");
    const items: Item[] = [];
    while (items.length < count) items.push(readItem(reader, items.length === count - 1));
    const query = treeOf(items);
    if (reader.remaining > 0) throw trailing("tsquery");
    return nodeText(query, -1, false);
  },
};

/** One part for each node, its type in the first byte. */
function nodeBytes(root: Node, parts: Uint8Array[]): void {
  for (let node: Node | undefined = root; node; ) {
    if (node.type === "word") {
      const lexeme = textBytes(node.lexeme);
      const bytes = new Uint8Array(4 + lexeme.length);
      bytes[0] = 1;
      bytes[1] = node.weight;
      bytes[2] = node.prefix ? 1 : 0;
      bytes.set(lexeme, 3);
      parts.push(bytes);
      return;
    }
    if (node.type === "not") {
      parts.push(Uint8Array.of(2, not));
      node = node.operand;
    } else {
      const bytes = new Uint8Array(node.operator === phrase ? 4 : 2);
      bytes[0] = 2;
      bytes[1] = node.operator;
      if (node.operator === phrase) setInt16(bytes, 2, node.distance);
      parts.push(bytes);
      nodeBytes(node.right, parts);
      node = node.left;
    }
  }
}

/** A word, or an operator whose sides come behind it. */
type Item =
  | Extract<Node, { type: "word" }>
  | { readonly type: "operator"; readonly operator: number; readonly distance: number };

function readItem(reader: Reader, isLast: boolean): Item {
  const type = signedByte(reader);
  if (type === 1) {
    const weight = signedByte(reader) & 0xff;
    const prefix = signedByte(reader) !== 0;
    const lexeme = reader.cstring();
    if (weight > 15) throw invalid("invalid tsquery: invalid weight bitmap");
    if (textBytes(lexeme).length > maxLexeme) throw invalid("invalid tsquery: operand too long");
    return { type: "word", lexeme, weight, prefix };
  }
  if (type !== 2) throw invalid(`unrecognized tsquery node type: ${type}`);
  const operator = signedByte(reader);
  if (operator < not || operator > phrase) {
    throw invalid(`invalid tsquery: unrecognized operator type ${operator}`);
  }
  if (isLast) throw invalid("invalid pointer to right operand");
  return { type: "operator", operator, distance: operator === phrase ? reader.int16() : 0 };
}

function signedByte(reader: Reader): number {
  return ((reader.bytes(1)[0] as number) << 24) >> 24;
}

/** From the last item to the first each operator finds its sides ready. */
function treeOf(items: readonly Item[]): Node {
  const ready: Node[] = [];
  const operand = (): Node => {
    const node = ready.pop();
    if (!node) throw invalid("malformed tsquery: operand not found");
    return node;
  };
  for (const item of items.toReversed()) {
    if (item.type === "word") ready.push(item);
    else if (item.operator === not) ready.push({ type: "not", operand: operand() });
    else {
      const right = operand();
      ready.push({ ...item, type: "binary", right, left: operand() });
    }
  }
  if (ready.length > 1) throw invalid("malformed tsquery: extra nodes");
  return operand();
}

/** Long chains of operators lean to the left, so that is the side that is not recursed into. */
function nodeText(node: Node, parent: number, isRightOfPhrase: boolean, depth = 0): string {
  if (depth > maxDepth) throw tooDeep();
  const before: string[] = [];
  const after: string[] = [];
  let left = node;
  let outer = parent;
  let isRight = isRightOfPhrase;
  while (left.type === "binary") {
    const { operator, distance, right } = left;
    const priority = priorities[operator] as number;
    // The distances of phrases add up from the left, so what stands on the right keeps its parentheses.
    const isInner = priority < outer || (operator === phrase && isRight);
    before.push(isInner ? "( " : "");
    const rightText = nodeText(right, priority, operator === phrase, depth + 1);
    after.push(` ${operatorText(operator, distance)} ${rightText}${isInner ? " )" : ""}`);
    left = left.left;
    outer = priority;
    isRight = false;
  }
  const inmost = left.type === "word" ? wordText(left) : notText(left.operand, outer, depth);
  return before.join("") + inmost + after.reverse().join("");
}

function notText(operand: Node, parent: number, depth: number): string {
  const priority = priorities[not] as number;
  const text = `!${nodeText(operand, priority, false, depth + 1)}`;
  return priority < parent ? `( ${text} )` : text;
}

function wordText({ lexeme, weight, prefix }: Extract<Node, { type: "word" }>): string {
  return lexemeText(lexeme) + flagsText(weight, prefix);
}

function operatorText(operator: number, distance: number): string {
  if (operator === or) return "|";
  if (operator === and) return "&";
  return distance === 1 ? "<->" : `<${distance}>`;
}

function flagsText(weight: number, prefix: boolean): string {
  const letters = Array.from("ABCD").filter((_, at) => weight & (8 >> at));
  const flags = (prefix ? "*" : "") + letters.join("");
  return flags === "" ? "" : `:${flags}`;
}

/** Recursive descent over the four priorities; binary operators bind to the left. */
class QueryParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  query(): Node | undefined {
    this.#skipSpace();
    if (this.#at === this.#text.length) return undefined;
    const node = this.#binary(1);
    if (this.#at < this.#text.length) throw this.#syntaxError();
    return node;
  }

  #binary(priority: number): Node {
    if (priority === 4) return this.#operand();
    let left = this.#binary(priority + 1);
    for (let found = this.#operator(priority); found; found = this.#operator(priority)) {
      left = { type: "binary", ...found, left, right: this.#binary(priority + 1) };
    }
    return left;
  }

  #operator(priority: number): { operator: number; distance: number } | undefined {
    this.#skipSpace();
    const match = /(\|)|(&)|<(?:-|(\d{1,5}))>/y;
    match.lastIndex = this.#at;
    const found = match.exec(this.#text);
    if (!found) return undefined;
    const [all, isOr, isAnd, distance = "1"] = found;
    const operator = isOr ? or : isAnd ? and : phrase;
    if (priorities[operator] !== priority) return undefined;
    if (Number(distance) > maxDistance) {
      const message = `distance in phrase operator must be an integer value between zero and ${maxDistance} inclusive`;
      throw new PgError(sqlstate.invalidParameterValue, message);
    }
    this.#at += all.length;
    return { operator, distance: operator === phrase ? Number(distance) : 0 };
  }

  #operand(): Node {
    this.#skipSpace();
    if (++this.#depth > maxDepth) throw tooDeep();
    const node = this.#operandBody();
    this.#depth--;
    return node;
  }

  #operandBody(): Node {
    const char = this.#text[this.#at];
    if (char === "!") {
      this.#at++;
      return { type: "not", operand: this.#operand() };
    }
    if (char === "(") {
      this.#at++;
      const node = this.#binary(1);
      this.#skipSpace();
      if (this.#text[this.#at] !== ")") throw this.#syntaxError();
      this.#at++;
      return node;
    }
    if (char === undefined) {
      throw new PgError(sqlstate.syntaxError, `no operand in tsquery: "${this.#text}"`);
    }
    if (/[:&|)<]/.test(char)) throw this.#syntaxError();
    const { lexeme, end } = readLexeme(this.#text, this.#at, "tsquery", true);
    this.#at = end;
    return { type: "word", lexeme, ...this.#flags() };
  }

  #flags(): { weight: number; prefix: boolean } {
    const flags = /:([abcd*]*)/iy;
    flags.lastIndex = this.#at;
    const match = flags.exec(this.#text);
    if (!match) return { weight: 0, prefix: false };
    this.#at = flags.lastIndex;
    let weight = 0;
    for (const letter of (match[1] as string).toUpperCase()) {
      if (letter !== "*") weight |= 8 >> "ABCD".indexOf(letter);
    }
    return { weight, prefix: (match[1] as string).includes("*") };
  }

  #skipSpace(): void {
    while (this.#at < this.#text.length && space.test(this.#text[this.#at] as string)) this.#at++;
  }

  #syntaxError(): PgError {
    return new PgError(sqlstate.syntaxError, `syntax error in tsquery: "${this.#text}"`);
  }
}

function tooDeep(): PgError {
  return new PgError(sqlstate.statementTooComplex, "stack depth limit exceeded");
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.internalError, message);
}
