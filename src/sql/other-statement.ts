// The command tag of statements that are no session's business, and whether they give rows (PostgreSQL documentation,
// part VI "SQL Commands", and CommandComplete in section 55.7).

import { Lexer, type LexerOptions } from "./lexer.ts";
import type { OtherStatement } from "./statement.ts";

const openParenthesis = 0x28;
const closeParenthesis = 0x29;
const comma = 0x2c;
const dot = 0x2e;
const semicolon = 0x3b;

/** Words between CREATE and the kind of object. */
const createModifiers: ReadonlySet<string> = new Set(
  "or replace global local temp temporary unlogged unique recursive trusted procedural default constraint".split(
    " ",
  ),
);

/** Kinds of objects of several words: first word, then what may follow. */
const longKinds: ReadonlyMap<string, readonly string[]> = new Map([
  ["access", ["access method"]],
  ["default", ["default privileges"]],
  ["event", ["event trigger"]],
  ["foreign", ["foreign data wrapper", "foreign table"]],
  ["large", ["large object"]],
  ["materialized", ["materialized view"]],
  ["operator", ["operator class", "operator family"]],
  [
    "text",
    ["text search configuration", "text search dictionary", "text search parser", "text search template"],
  ],
  ["user", ["user mapping"]],
]);

const kinds: ReadonlySet<string> = new Set(
  `aggregate cast collation conversion database domain extension function group index language operator owned policy
  procedure publication role routine rule schema sequence server statistics subscription system table tablespace
  transform trigger type user view`.split(/\s+/),
);

/** Verbs whose tag is not the verb. */
const tags: ReadonlyMap<string, string> = new Map([
  ["analyse", "ANALYZE"],
  ["import", "IMPORT FOREIGN SCHEMA"],
  ["lock", "LOCK TABLE"],
  ["reassign", "REASSIGN OWNED"],
  ["refresh", "REFRESH MATERIALIZED VIEW"],
  ["security", "SECURITY LABEL"],
  ["truncate", "TRUNCATE TABLE"],
]);

const rowless: ReadonlySet<string> = new Set(
  `alter analyze analyse checkpoint cluster comment create do drop grant import load lock reassign refresh reindex
  revoke security truncate vacuum`.split(/\s+/),
);

/** Classifies the statement of `text` that begins at `start` with the (folded) word `verb`, "" if with another token. */
export function classifyOther(
  text: string,
  start: number,
  verb: string,
  options?: LexerOptions,
): OtherStatement {
  switch (verb) {
    case "select":
      // Most queries have no INTO anywhere, which is cheaper to see than their tokens.
      if (!/into/i.test(text)) return rows("SELECT");
      return classifySelect(outerWords(new Lexer(text, options, start)));
    case "values":
    case "table":
      return rows("SELECT");
    case "insert":
    case "update":
    case "delete":
    case "merge":
      return change(
        verb,
        /returning/i.test(text) && hasWord(outerWords(new Lexer(text, options, start)), "returning"),
      );
    case "with":
      return classifyWith(new Lexer(text, options, start));
    case "":
      return text.charAt(start) === "(" ? classifyParentheses(text, start, options) : unknown("");
    case "explain":
      return { type: "other", verb: "EXPLAIN", returnsRows: true, countsRows: false };
    case "create":
      return classifyCreate(new Lexer(text, options, start));
    case "alter":
    case "drop":
      return noRows(objectTag(verb, outerWords(new Lexer(text, options, start))));
    case "grant":
    case "revoke":
      return noRows(
        verb.toUpperCase() + (grantsRole(outerWords(new Lexer(text, options, start))) ? " ROLE" : ""),
      );
    default: {
      const tag = tags.get(verb) ?? verb.toUpperCase();
      return rowless.has(verb) ? noRows(tag) : unknown(tag);
    }
  }
}

function rows(verb: string): OtherStatement {
  return { type: "other", verb, returnsRows: true, countsRows: true };
}

function noRows(verb: string, countsRows = false): OtherStatement {
  return { type: "other", verb, returnsRows: false, countsRows };
}

function change(verb: string, returnsRows: boolean): OtherStatement {
  return { type: "other", verb: verb.toUpperCase(), returnsRows, countsRows: true };
}

function unknown(verb: string): OtherStatement {
  return { type: "other", verb, returnsRows: undefined, countsRows: false };
}

/**
 * The words outside of parentheses, up to the end. A word behind a dot or AS is a label, whatever it is; `(` stands for
 * all that is in parentheses, and every other token is "", but for semicolons, which are none.
 */
function* outerWords(lexer: Lexer): Generator<string> {
  let depth = 0;
  let label = false;
  while (lexer.next()) {
    const code = lexer.punctuation;
    if (code === closeParenthesis) depth--;
    if (depth === 0 && code !== closeParenthesis && code !== semicolon) {
      const word = lexer.type === "word" ? lexer.value : "";
      yield code === openParenthesis ? "(" : code === comma ? "," : label ? "" : word;
      label = code === dot || (word === "as" && !label);
    }
    if (code === openParenthesis) depth++;
  }
}

function hasWord(words: Iterable<string>, wanted: string): boolean {
  for (const word of words) if (word === wanted) return true;
  return false;
}

function classifySelect(words: Iterable<string>): OtherStatement {
  return hasWord(words, "into") ? noRows("SELECT INTO", true) : rows("SELECT");
}

/** A query that begins with parentheses: its INTO is in the innermost ones. */
function classifyParentheses(text: string, from: number, options: LexerOptions | undefined): OtherStatement {
  const lexer = new Lexer(text, options, from);
  let start = from;
  while (lexer.next() && lexer.punctuation === openParenthesis) start = lexer.end;
  const verb = lexer.type === "word" ? lexer.value : "";
  if (verb === "with") return classifyWith(new Lexer(text, options, start));
  return verb === "select" ? classifySelect(outerWords(new Lexer(text, options, start))) : rows("SELECT");
}

/** Finds the statement behind the common table expressions: WITH name [(...)] AS [...] (...) [SEARCH] [CYCLE], ... */
function classifyWith(lexer: Lexer): OtherStatement {
  const words = outerWords(lexer);
  let expects: "with" | "name" | "as" | "body" | "statement" | "set" | "using" | "column" = "with";
  for (const word of words) {
    switch (expects) {
      case "with":
        expects = "name";
        break;
      case "name":
        if (word !== "recursive") expects = "as";
        break;
      case "as":
        if (word === "as") expects = "body";
        break;
      case "body":
        if (word === "(") expects = "statement";
        break;
      case "set":
      case "using":
        if (word === expects) expects = "column";
        break;
      case "column":
        expects = "statement";
        break;
      case "statement":
        if (word === ",") expects = "name";
        else if (word === "search") expects = "set";
        else if (word === "cycle") expects = "using";
        else if (word === "select") return classifySelect(rest(words));
        else if (word === "insert" || word === "update" || word === "delete" || word === "merge") {
          return change(word, hasWord(rest(words), "returning"));
        } else return rows("SELECT");
    }
  }
  return unknown("WITH");
}

/** A generator that a loop has begun, to go on with in another one: leaving the first loop would end it. */
function rest(words: Iterator<string>): Iterable<string> {
  return { [Symbol.iterator]: () => ({ next: () => words.next() }) };
}

function classifyCreate(lexer: Lexer): OtherStatement {
  const words = outerWords(lexer);
  const tag = objectTag("create", words);
  if (tag !== "CREATE TABLE" && tag !== "CREATE MATERIALIZED VIEW") return noRows(tag);
  if (!hasWord(rest(words), "as")) return noRows(tag);
  let end = "";
  for (const word of words) end = `${end.slice(-20)} ${word}`;
  return noRows(tag === "CREATE TABLE" ? "CREATE TABLE AS" : tag, !end.endsWith(" with no data"));
}

/** Verb and kind of object; the verb alone where the kind is none that PostgreSQL has. */
function objectTag(verb: "create" | "alter" | "drop", words: Iterator<string>): string {
  const next = (): string => words.next().value ?? "";
  next();
  let word = next();
  while (verb === "create" ? createModifiers.has(word) : word === "procedural") word = next();
  const longer = longKinds.get(word) ?? [];
  let kind = word;
  while (longer.some((candidate) => candidate.startsWith(`${kind} `))) {
    const longest = `${kind} ${next()}`;
    if (!longer.some((candidate) => `${candidate} `.startsWith(`${longest} `))) break;
    kind = longest;
  }
  if (kind === "user" || kind === "group") kind = "role";
  return (kinds.has(kind) || longer.includes(kind) ? `${verb} ${kind}` : verb).toUpperCase();
}

/** GRANT and REVOKE of privileges have an ON, of roles none. */
function grantsRole(words: Iterable<string>): boolean {
  for (const word of words) {
    if (word === "on") return false;
    if (word === "to" || word === "from") return true;
  }
  return false;
}
