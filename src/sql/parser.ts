// PostgreSQL's own parser (the grammar of PostgreSQL 17, by libpg-query in WebAssembly): texts to trees, errors as the
// server words them. The last texts are remembered, for clients repeat theirs.

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { skipBlanks } from "./characters.ts";

/**
 * A node of the tree, as PostgreSQL's outfuncs name it: `{ SelectStmt: { targetList: [...] } }`. Numbers that are 0,
 * flags that are false and lists that are empty are left out.
 */
export type SyntaxNode = { readonly [name: string]: unknown };

export interface ParsedStatement {
  /** Without the semicolon, and without blanks and comments before it. */
  readonly text: string;
  /** UTF-16 index of the text in the whole one. */
  readonly start: number;
  /** For example `SelectStmt`. */
  readonly type: string;
  /** What the tree holds under that name. */
  readonly node: SyntaxNode;
}

export interface Parser {
  /**
   * The statements of a text; none for one of blanks and comments.
   * @throws PgError 42601, with the position; a server newer than 17 may know what this grammar does not
   */
  parse(sql: string): readonly ParsedStatement[];
}

/** What is used of libpg-query's module (wasm/libpg-query.js), which Emscripten made. */
export interface PgQueryModule {
  lengthBytesUTF8(text: string): number;
  stringToUTF8(text: string, pointer: number, bytes: number): void;
  UTF8ToString(pointer: number): string;
  getValue(pointer: number, type: "i32"): number;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  /** A pointer to PgQueryParseResult: tree, standard error, error. */
  _wasm_parse_query_raw(text: number): number;
  _wasm_free_parse_result(result: number): void;
}

/**
 * The longest text that is remembered, in characters, and all of them, each counted with so many more for its tree. That
 * takes up to 40 bytes for one, and a Worker has 128 MB for everything.
 */
const maxLength = 4_000;
const maxSize = 200_000;
const sizeOf = (sql: string): number => sql.length + 100;

export function createParser(module: PgQueryModule): Parser {
  const remembered = new Map<string, readonly ParsedStatement[]>();
  let size = 0;
  return {
    parse(sql) {
      const known = remembered.get(sql);
      if (known) return known;
      const parsed = statements(sql, parseTree(module, sql));
      if (sql.length <= maxLength) {
        remembered.set(sql, parsed);
        size += sizeOf(sql);
        // The oldest go: a Map keeps the order of insertion.
        for (const oldest of remembered.keys()) {
          if (size <= maxSize) break;
          remembered.delete(oldest);
          size -= sizeOf(oldest);
        }
      }
      return parsed;
    },
  };
}

interface RawStatement {
  readonly stmt: { readonly [type: string]: SyntaxNode };
  /** In bytes of UTF-8, as the length is; both are left out where they are 0, which means "to the end" for the length. */
  readonly stmt_location?: number;
  readonly stmt_len?: number;
}

/** The JSON that libpg-query prints, or its error as PgError. */
function parseTree(module: PgQueryModule, sql: string): readonly RawStatement[] {
  // A zero byte would end the text there, and what follows would go unseen.
  if (sql.includes("\0")) {
    throw new PgError(sqlstate.characterNotInRepertoire, 'invalid byte sequence for encoding "UTF8": 0x00');
  }
  const bytes = module.lengthBytesUTF8(sql) + 1;
  const text = module._malloc(bytes);
  let result = 0;
  try {
    module.stringToUTF8(sql, text, bytes);
    result = module._wasm_parse_query_raw(text);
    const [tree, , error] = pointers(module, result, 3);
    if (error) throw parseError(module, error);
    const json = tree ? module.UTF8ToString(tree) : "";
    // A text of nothing at all has no tree.
    return json === "" ? [] : ((JSON.parse(json) as { stmts?: RawStatement[] }).stmts ?? []);
  } finally {
    module._free(text);
    if (result) module._wasm_free_parse_result(result);
  }
}

/** PgQueryError: message, function, file, line, position in characters from 1, context. */
function parseError(module: PgQueryModule, error: number): PgError {
  const [message, routine, file, line, position] = pointers(module, error, 6);
  return new PgError(sqlstate.syntaxError, message ? module.UTF8ToString(message) : "syntax error", {
    ...(position && { position }),
    ...(file && { file: module.UTF8ToString(file) }),
    ...(line && { line }),
    ...(routine && { routine: module.UTF8ToString(routine) }),
  });
}

function pointers(module: PgQueryModule, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => module.getValue(at + index * 4, "i32"));
}

function statements(sql: string, raw: readonly RawStatement[]): ParsedStatement[] {
  const at = utf16Index(sql);
  return raw.map(({ stmt, stmt_location: location = 0, stmt_len: length = 0 }) => {
    const [[type, node] = ["", {}]] = Object.entries(stmt);
    const from = at(location);
    const start = skipBlanks(sql, from);
    return {
      text: sql.slice(start, length === 0 ? undefined : at(location + length)).trimEnd(),
      start,
      type,
      node,
    };
  });
}

/** Turns offsets in UTF-8, which must not come down, into indices of the string. */
function utf16Index(sql: string): (offset: number) => number {
  let index = 0;
  let bytes = 0;
  return (offset) => {
    while (bytes < offset && index < sql.length) {
      const code = sql.codePointAt(index) as number;
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      index += code < 0x10000 ? 1 : 2;
    }
    return index;
  };
}
