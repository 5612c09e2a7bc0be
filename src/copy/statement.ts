// What a COPY statement says, from its parse tree (PostgreSQL documentation, COPY).

import { characterPosition, Lexer, type ParsedStatement, type SyntaxNode } from "../sql/mod.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

export interface CopyStatement {
  readonly direction: "from" | "to";
  /** A table or its kin, or a query in parentheses. */
  readonly source: CopyRelation | CopyQuery;
  /** The options as they were written, old syntax or new: for readOptions. */
  readonly options: readonly CopyOption[];
  /** The condition behind WHERE, as written. */
  readonly where?: CopyCondition | undefined;
}

export interface CopyRelation {
  readonly type: "relation";
  /** Name, schema and database, as far as they are given. */
  readonly name: string;
  readonly schema?: string | undefined;
  readonly catalog?: string | undefined;
  /** Undefined: all of them. */
  readonly columns?: readonly string[] | undefined;
}

export interface CopyQuery {
  readonly type: "query";
  readonly text: string;
  /** Where the text begins, for errors: in characters, from 1. */
  readonly position: number;
}

export interface CopyCondition {
  readonly text: string;
  readonly position: number;
  readonly node: unknown;
  /** The position of a location in the tree. */
  locate(location: number): number;
}

export interface CopyOption {
  readonly name: string;
  readonly value: SyntaxNode | undefined;
  /** For errors: in characters, from 1. */
  readonly position: number;
}

interface Tree {
  readonly relation?: {
    readonly relname?: string;
    readonly schemaname?: string;
    readonly catalogname?: string;
  };
  readonly query?: Readonly<Record<string, SyntaxNode>>;
  readonly attlist?: readonly SyntaxNode[];
  readonly is_from?: boolean;
  readonly options?: readonly {
    readonly DefElem: { readonly defname?: string; readonly arg?: SyntaxNode; readonly location?: number };
  }[];
  readonly whereClause?: unknown;
}

/**
 * Reads a CopyStmt.
 * @throws PgError 0A000 for queries that give no rows
 */
export function readCopyStatement({ node, text, start }: ParsedStatement): CopyStatement {
  const tree = node as Tree;
  const at = positions(text, start);
  return {
    direction: tree.is_from === true ? "from" : "to",
    source: tree.relation ? relationOf(tree) : queryOf(tree, text, start),
    options: (tree.options ?? []).map(({ DefElem: { defname, arg, location } }) => ({
      name: defname ?? "",
      value: arg,
      position: at(location ?? 0),
    })),
    where: tree.whereClause === undefined ? undefined : conditionOf(text, start, tree.whereClause, at),
  };
}

function relationOf({ relation, attlist }: Tree): CopyRelation {
  return {
    type: "relation",
    name: relation?.relname ?? "",
    schema: relation?.schemaname,
    catalog: relation?.catalogname,
    columns: attlist && namesOf(attlist),
  };
}

/** A list of names: `[{ String: { sval } }]`. */
export function namesOf(list: readonly SyntaxNode[]): string[] {
  return list.map((item) => (item as { String?: { sval?: string } }).String?.sval ?? "");
}

const returning: ReadonlySet<string> = new Set(["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"]);

function queryOf({ query = {} }: Tree, text: string, start: number): CopyQuery {
  const [[type, node] = ["", {} as SyntaxNode]] = Object.entries(query);
  if (node.intoClause !== undefined) throw unsupported("COPY (SELECT INTO) is not supported");
  if (returning.has(type) && node.returningList === undefined) {
    throw unsupported("COPY query must have a RETURNING clause");
  }
  const lexer = new Lexer(text);
  let depth = 0;
  let from = 0;
  while (lexer.next()) {
    const token = text.slice(lexer.start, lexer.end);
    if (token === "(" && ++depth === 1) from = lexer.end;
    if (token === ")" && --depth === 0) break;
  }
  return {
    type: "query",
    text: text.slice(from, lexer.start),
    position: start + characterPosition(text, from),
  };
}

/** What stands behind the WHERE outside of parentheses: there is one only, and it is the last clause. */
function conditionOf(
  text: string,
  start: number,
  node: unknown,
  locate: (location: number) => number,
): CopyCondition {
  const lexer = new Lexer(text);
  let depth = 0;
  while (lexer.next()) {
    const token = text.slice(lexer.start, lexer.end);
    if (token === "(") depth++;
    else if (token === ")") depth--;
    else if (depth === 0 && lexer.type === "word" && lexer.value === "where") break;
  }
  return {
    text: text.slice(lexer.end),
    position: start + characterPosition(text, lexer.end),
    node,
    locate,
  };
}

/** The tree's locations count bytes from where the parser began: before `start`, which only blanks are before. */
function positions(text: string, start: number): (location: number) => number {
  return (location) => {
    let index = 0;
    let bytes = start;
    while (bytes < location && index < text.length) {
      const code = text.codePointAt(index) as number;
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      index += code < 0x10000 ? 1 : 2;
    }
    return start + characterPosition(text, index);
  };
}

function unsupported(message: string): PgError {
  return new PgError(sqlstate.featureNotSupported, message);
}
