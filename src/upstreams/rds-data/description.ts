/**
 * What a statement's parameters and columns are, without running it: PREPARE tells the types, EXPLAIN the names.
 *
 * EXPLAIN of `WITH q AS (…) SELECT * FROM q` prints the columns of q. It plans, and runs nothing, also where q changes
 * data. Of columns with equal names it numbers the later ones.
 */
import type { Column } from "../../session/mod.ts";
import { countParameters, Lexer } from "../../sql/mod.ts";
import { oid, typeRow } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { asSource } from "../as-source.ts";
import { readNames } from "../explained-names.ts";
import type { SqlParameter } from "./api.ts";
import { type Answer, badAnswer } from "./client.ts";
import { type BoundText, bindText } from "./placeholders.ts";

export interface StatementTypes {
  readonly parameterTypes: readonly number[];
  /** Names for casts, as the database itself writes them. */
  readonly parameterNames: readonly string[];
  /** Undefined: no rows, or a server before PostgreSQL 16, which does not tell. */
  readonly resultTypes: readonly number[] | undefined;
  /** When they were asked for, in milliseconds since 1970. */
  readonly asked: number;
  /** Asked for when they are needed. */
  columnNames?: readonly string[];
}

/** Sends one statement. */
export type Send = (sql: string, parameters: readonly SqlParameter[]) => Promise<Answer>;

/** A column of a domain has the type below it, as in RowDescription. */
const typesQuery = `SELECT pg_catalog.to_json(s.parameter_types::oid[])::text,
  pg_catalog.to_json(s.parameter_types::text[])::text,
  CASE pg_catalog.jsonb_typeof(pg_catalog.to_jsonb(s)->'result_types') WHEN 'array' THEN (
    SELECT COALESCE(pg_catalog.json_agg((
      WITH RECURSIVE base (type, of) AS (
        SELECT t.oid, t.typbasetype FROM pg_catalog.pg_type AS t WHERE t.oid = r.name::pg_catalog.regtype
        UNION ALL SELECT t.oid, t.typbasetype FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.of
      ) SELECT b.type FROM base AS b WHERE b.of = 0
    ) ORDER BY r.at)::text, '[]')
    FROM pg_catalog.jsonb_array_elements_text(pg_catalog.to_jsonb(s)->'result_types') WITH ORDINALITY AS r (name, at)
  ) END
  FROM pg_catalog.pg_prepared_statements AS s WHERE s.name = :p1`;

/** The SQL name of a type with a fixed OID; undefined for all others. */
export function castName(typeOid: number): string | undefined {
  const name = typeRow(typeOid)?.name;
  return name === undefined || name === "unknown" ? undefined : `pg_catalog."${name}"`;
}

let prepared = 0;

/** Asks for the types; all that is sent must go to one transaction. @throws PgError as of the statement */
export async function askTypes(
  send: Send,
  sql: string,
  parameterTypes: readonly number[],
): Promise<StatementTypes> {
  const name = `edgewire_${Date.now().toString(36)}_${(prepared++).toString(36)}_${Math.floor(Math.random() * 1e9).toString(36)}`;
  const listed = parameterTypes.map((type) => castName(type) ?? "unknown");
  // A type that follows a gap has its place.
  const list = listed.length === 0 ? "" : ` (${listed.join(", ")})`;
  const text = bindText(sql, "keep", { at: 0, before: `PREPARE ${name}${list} AS `, behind: "" });
  resultOf(await send(text.sql, []), text);
  const answer = resultOf(await send(typesQuery, [{ name: "p1", value: { stringValue: name } }]));
  resultOf(await send(`DEALLOCATE ${name}`, []));
  const [oids, names, results] = (answer.records?.[0] ?? []).map((field) => field.stringValue);
  if (oids === undefined || names === undefined) throw badAnswer("A prepared statement is not there.");
  const types = numbers(oids);
  return {
    parameterTypes: types.map((type, at) => given(parameterTypes[at]) ?? type),
    // SQL's own names of bit and character, without a length, are bit(1) and character(1).
    parameterNames: (JSON.parse(names) as string[]).map((name, at) => castName(types[at] ?? 0) ?? name),
    resultTypes: results === undefined ? undefined : numbers(results),
    asked: Date.now(),
  };
}

/** A type that the client gave: 0 and unknown leave it to the server. */
function given(typeOid: number | undefined): number | undefined {
  return typeOid === undefined || typeOid === 0 || typeOid === oid.unknown ? undefined : typeOid;
}

function numbers(json: string): number[] {
  return (JSON.parse(json) as (string | number)[]).map(Number);
}

/** Asks for the names of a statement's columns. */
export async function askColumnNames(
  send: Send,
  sql: string,
  types: StatementTypes,
): Promise<readonly string[]> {
  const source = asSource(sql, "edgewire AS MATERIALIZED", "SELECT * FROM edgewire");
  const explain = "EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) ";
  const bound = bindText(sql, (number) => types.parameterNames[number - 1], source);
  const text: BoundText = {
    sql: explain + bound.sql,
    position: (position) => bound.position(position - explain.length),
  };
  const nulls = Array.from({ length: countParameters(sql) }, (_, at) => ({
    name: `p${at + 1}`,
    value: { isNull: true },
  }));
  const { records } = resultOf(await send(text.sql, nulls), text);
  const plan = (records ?? []).map(([line]) => line?.stringValue ?? "").join("\n");
  const names = readNames(plan, sql);
  if (!names) throw badAnswer("A plan is not JSON.");
  return names;
}

export function columnsOf(types: StatementTypes): readonly Column[] | undefined {
  const { resultTypes, columnNames } = types;
  return resultTypes?.map((typeOid, at) => ({ name: columnNames?.[at] ?? "?column?", typeOid }));
}

/** The result, or the error with its position in the client's text. */
export function resultOf(answer: Answer, text?: BoundText): Extract<Answer, { type: "result" }>["result"] {
  if (answer.type === "result") return answer.result;
  throw text ? placed(answer.error, text) : answer.error;
}

export function placed(error: PgError, text: BoundText): PgError {
  const { position, code, message, ...fields } = error.fields;
  if (position === undefined) return error;
  const own = text.position(position);
  return new PgError(code, message, { ...fields, ...(own !== undefined && { position: own }) });
}

export function resultTypesUnknown(): PgError {
  return new PgError(
    sqlstate.featureNotSupported,
    "this database cannot describe a statement with rows without running it",
    {
      hint: "PostgreSQL 16 and later can. Use a client that binds its parameters before it asks for the columns.",
    },
  );
}

/** What a cursor reads: behind the first FOR of `DECLARE … CURSOR … FOR query`. */
export function queryOfCursor(declaration: string): string {
  const lexer = new Lexer(declaration);
  while (lexer.next()) if (lexer.type === "word" && lexer.value === "for") break;
  return declaration.slice(lexer.end);
}
