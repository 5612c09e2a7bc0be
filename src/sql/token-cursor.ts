// A place in the tokens of a statement, with the small steps its grammar is made of. A step that does not fit says so
// (false or undefined); all but dottedName and transactionModes then leave the place as it was.

import type { Token } from "./lexer.ts";
import { isName, reservedWords } from "./names.ts";
import type { IsolationLevel, TransactionModes } from "./statement.ts";

export class TokenCursor {
  readonly sql: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(sql: string, tokens: readonly Token[]) {
    this.sql = sql;
    this.#tokens = tokens;
  }

  get atEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** The current token, or one further on. */
  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }

  /** The folded word at the place, "" if there is none: a quoted name is no word. */
  peekWord(ahead = 0): string {
    const token = this.peek(ahead);
    return token?.type === "word" ? token.value : "";
  }

  skip(): void {
    this.#at++;
  }

  /** Takes all of the words (lower case, apart by a space), or none of them. */
  words(phrase: string): boolean {
    const words = phrase.split(" ");
    if (!words.every((word, ahead) => this.peekWord(ahead) === word)) return false;
    this.#at += words.length;
    return true;
  }

  /** Takes a token of punctuation or an operator. */
  symbol(text: string): boolean {
    const token = this.peek();
    if (token?.text !== text || (token.type !== "punctuation" && token.type !== "operator")) return false;
    this.#at++;
    return true;
  }

  /** Takes a string constant (Sconst); gives its value. */
  string(): string | undefined {
    const token = this.peek();
    if (token?.type !== "string") return undefined;
    this.#at++;
    return token.value;
  }

  /** Takes a name (ColId): a quoted identifier, or a word that is not reserved. */
  name(): string | undefined {
    const token = this.peek();
    if (token?.type !== "quotedIdentifier" && !(token?.type === "word" && isName(token.value))) {
      return undefined;
    }
    this.#at++;
    return token.value;
  }

  /** Takes names with dots between, of a parameter (var_name) or a relation (qualified_name). */
  dottedName(of: "parameter" | "relation"): string | undefined {
    let name = this.name();
    while (name !== undefined && this.symbol(".")) {
      const label = of === "relation" ? this.#label() : this.name();
      name = label === undefined ? undefined : `${name}.${label}`;
    }
    return name;
  }

  /** Behind a dot every word may be the name of a relation (ColLabel). */
  #label(): string | undefined {
    const token = this.peek();
    if (token?.type !== "quotedIdentifier" && token?.type !== "word") return undefined;
    this.#at++;
    return token.value;
  }

  /** Takes a name, any word that is not fully reserved, or a string constant (NonReservedWord_or_Sconst). */
  wordOrString(): string | undefined {
    const token = this.peek();
    if (
      token?.type !== "string" &&
      token?.type !== "quotedIdentifier" &&
      !(token?.type === "word" && !reservedWords.has(token.value))
    ) {
      return undefined;
    }
    this.#at++;
    return token.value;
  }

  /** Takes a number with an optional sign (NumericOnly); gives it in decimal. */
  number(): string | undefined {
    const sign = this.peek()?.type === "operator" ? this.peek()?.text : "";
    const token = this.peek(sign === "" ? 0 : 1);
    if ((sign !== "" && sign !== "+" && sign !== "-") || token?.type !== "number") return undefined;
    this.#at += sign === "" ? 1 : 2;
    return sign === "-" ? `-${token.value}` : token.value;
  }

  /** Takes an integer with an optional sign (SignedIconst): an int4, larger numbers are no integers to the grammar. */
  integer(): number | undefined {
    const from = this.#at;
    const number = this.number();
    if (number !== undefined && /^-?[0-9]+$/.test(number) && Math.abs(Number(number)) <= 2147483647) {
      return Number(number);
    }
    this.#at = from;
    return undefined;
  }

  /** Takes parentheses with all that is between them. */
  parentheses(): boolean {
    if (this.peek()?.text !== "(") return false;
    let depth = 0;
    for (let at = this.#at; at < this.#tokens.length; at++) {
      const { type, text } = this.#tokens[at]!;
      if (type !== "punctuation") continue;
      if (text === "(") depth++;
      else if (text === ")" && --depth === 0) {
        this.#at = at + 1;
        return true;
      }
    }
    return false;
  }

  /** Takes `(a, b ...)`: the texts between the commas, as written. None of them may be empty. */
  list(): string[] | undefined {
    const from = this.#at;
    if (!this.parentheses()) return undefined;
    const items: string[] = [];
    let depth = 0;
    let first = from + 1;
    for (let at = first; at < this.#at; at++) {
      const { type, text } = this.#tokens[at]!;
      if (type !== "punctuation") continue;
      if ((text === "," && depth === 0) || at === this.#at - 1) {
        if (at === first) {
          this.#at = from;
          return undefined;
        }
        items.push(this.sql.slice(this.#tokens[first]!.start, this.#tokens[at - 1]!.end));
        first = at + 1;
      } else if (text === "(" || text === "[") depth++;
      else if (text === ")" || text === "]") depth--;
    }
    return items;
  }

  /** The text from an index up to the last token taken. */
  textSince(start: number): string {
    return this.sql.slice(start, this.#tokens[this.#at - 1]?.end ?? start);
  }

  /** Takes everything up to the end; gives its text. */
  rest(): string {
    const first = this.peek();
    const last = this.#tokens.at(-1);
    this.#at = this.#tokens.length;
    return first !== undefined && last !== undefined ? this.sql.slice(first.start, last.end) : "";
  }

  /** Takes transaction modes, with or without commas between; there may be none. Undefined if a comma leads nowhere. */
  transactionModes(): TransactionModes | undefined {
    const modes: TransactionModes = {};
    for (let comma = false; ; comma = this.symbol(",")) {
      if (this.words("isolation level")) {
        const isolation = this.#isolationLevel();
        if (isolation === undefined) return undefined;
        modes.isolation = isolation;
      } else if (this.words("read only")) modes.readOnly = true;
      else if (this.words("read write")) modes.readOnly = false;
      else if (this.words("deferrable")) modes.deferrable = true;
      else if (this.words("not deferrable")) modes.deferrable = false;
      else return comma ? undefined : modes;
    }
  }

  #isolationLevel(): IsolationLevel | undefined {
    const levels = ["serializable", "repeatable read", "read committed", "read uncommitted"] as const;
    return levels.find((level) => this.words(level));
  }
}
