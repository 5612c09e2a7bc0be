// The statements of a Query message's text (PostgreSQL documentation, section 55.2.2.1 "Multiple Statements in a
// Simple Query"). A semicolon ends a statement, except in parentheses (CREATE RULE ... DO (a; b)) and in the SQL-standard
// body of a routine (CREATE FUNCTION ... BEGIN ATOMIC a; b; END).

import { isSpace } from "./characters.ts";
import { Lexer, type LexerOptions } from "./lexer.ts";

export interface Statement {
  /** From the first token to the last: without the semicolon, and without blanks and comments around. */
  text: string;
  /** UTF-16 index of the first token. */
  start: number;
  /** UTF-16 index after the last token. */
  end: number;
}

const openParenthesis = 0x28;
const closeParenthesis = 0x29;
const semicolon = 0x3b;

/** What makes a text need the lexer. `$1` does not: only a dollar quote can hide a semicolon. */
const lexical = /[;'"]|--|\/\*|\$(?![0-9])/;

/**
 * Splits a text into its statements; empty ones are left out, so that a text of comments gives none. Nothing but where
 * statements end is looked at. Throws what the lexer throws, which is what PostgreSQL answers before it runs anything.
 */
export function splitStatements(sql: string, options?: LexerOptions): Statement[] {
  const first = sql.search(lexical);
  if (first < 0) return whole(sql, sql.length);
  if (sql.charCodeAt(first) === semicolon && isBlank(sql, first + 1)) return whole(sql, first);

  const statements: Statement[] = [];
  const lexer = new Lexer(sql, options);
  const body = new RoutineBody();
  let start = -1;
  let end = 0;
  let depth = 0;
  while (lexer.next()) {
    const code = lexer.punctuation;
    if (code === semicolon && depth === 0 && !body.open) {
      if (start >= 0) statements.push({ text: sql.slice(start, end), start, end });
      start = -1;
      body.statement();
      continue;
    }
    if (start < 0) start = lexer.start;
    end = lexer.end;
    if (code === openParenthesis) depth++;
    else if (code === closeParenthesis && depth > 0) depth--;
    else if (depth === 0) {
      if (code === semicolon) body.statement();
      else body.token(lexer);
    }
  }
  if (start >= 0) statements.push({ text: sql.slice(start, end), start, end });
  return statements;
}

function whole(sql: string, end: number): Statement[] {
  let start = 0;
  while (start < end && isSpace(sql.charCodeAt(start))) start++;
  while (end > start && isSpace(sql.charCodeAt(end - 1))) end--;
  return start < end ? [{ text: sql.slice(start, end), start, end }] : [];
}

function isBlank(sql: string, at: number): boolean {
  while (isSpace(sql.charCodeAt(at))) at++;
  return at >= sql.length;
}

/**
 * Watches for BEGIN ATOMIC in CREATE [OR REPLACE] FUNCTION | PROCEDURE. The END of the body is the one that follows a
 * semicolon (or ATOMIC): a CASE expression cannot hold a semicolon, so its END never does, and an END used as a label
 * does not either. A body's statement may be a CREATE FUNCTION with a body of its own.
 */
class RoutineBody {
  #depth = 0;
  #expects: "start" | "create" | "replace" | "kind" | "begin" | "atomic" | "nothing" = "start";

  get open(): boolean {
    return this.#depth > 0;
  }

  /** A statement, outside or inside the body, begins with the next token. */
  statement(): void {
    this.#expects = "start";
  }

  /** A token outside of parentheses. */
  token(lexer: Lexer): void {
    const expects = this.#expects;
    if (expects === "nothing") return;
    const word = lexer.type === "word" ? lexer.value : "";
    switch (expects) {
      case "start":
        if (word === "end" && this.#depth > 0) this.#depth--;
        this.#expects = word === "create" ? "create" : "nothing";
        break;
      case "create":
        this.#expects = word === "or" ? "replace" : afterKind(word);
        break;
      case "replace":
        this.#expects = word === "replace" ? "kind" : "nothing";
        break;
      case "kind":
        this.#expects = afterKind(word);
        break;
      case "begin":
        if (word === "begin") this.#expects = "atomic";
        break;
      case "atomic":
        if (word === "atomic") {
          this.#depth++;
          this.#expects = "start";
        } else if (word !== "begin") this.#expects = "begin";
        break;
    }
  }
}

function afterKind(word: string): "begin" | "nothing" {
  return word === "function" || word === "procedure" ? "begin" : "nothing";
}
