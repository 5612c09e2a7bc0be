/**
 * What a statement is in a request's text, and how its answer is read. Parameters are the arguments of EXECUTE, which are
 * read as the values of Bind are, by their types' input functions.
 */
import type { Column, Parameter, Result, Row, Statement, StatementText } from "../../session/mod.ts";
import { commandTag } from "../../sql/mod.ts";
import { typeRow } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { asSource } from "../as-source.ts";
import type { SupabaseApi } from "./api.ts";
import { columnsHead, emptyRow, readColumns, readRecord } from "./columns.ts";
import { badAnswer } from "./errors.ts";
import type { Plan } from "./plan.ts";
import { block, column, keep, kept, literal, Script, uniqueName } from "./script.ts";

/** A statement, which way it goes, and what it is counted as. */
export interface Step {
  readonly statement: Statement;
  readonly plan: Plan;
  readonly index: number;
}

/** MERGE may stand in WITH. */
const mergeInWith = 170_000;

const ctes = "edgewire AS MATERIALIZED";
const columnsOfResult = (as: string): string =>
  `SELECT ${columnsHead}::text${as} FROM ${emptyRow("edgewire")}`;
const rowsOfResult = "SELECT (edgewire.*)::text FROM edgewire";
const selectRows = `${columnsOfResult(` AS ${column}`)} UNION ALL ${rowsOfResult}`;
const explain = "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF, FORMAT JSON) ";

/** Whether a statement's result can be that of the request; else it is kept for a SELECT at the end. */
export function standsAlone({ shape, merges }: Plan, version: number): boolean {
  return shape === "rows" || shape === "command" || (shape === "count" && !(merges && version < mergeInWith));
}

/** A statement whose result is the request's. */
export function addAlone(script: Script, { statement, plan, index }: Step): void {
  switch (plan.shape) {
    case "rows":
      return addPrepared(script, statement, selectRows, index);
    case "count":
      return addPrepared(
        script,
        statement,
        `SELECT pg_catalog.count(*)::text AS ${column} FROM edgewire`,
        index,
        true,
      );
    default:
      script.addSource(statement.sql, index);
  }
}

/** Reads the cells of a request that ended so. */
export function readAlone({ kind, shape }: Plan, cells: readonly string[]): Result {
  const [first, ...records] = cells;
  if (shape === "command") return { type: "command", tag: commandTag(kind) };
  if (first === undefined) throw badAnswer("there is no result");
  if (shape === "count") return { type: "command", tag: commandTag(kind, Number(first)) };
  return rowsResult(kind, readColumns(parsed(first)), records);
}

/** A statement whose result is kept under its number. */
export function addKept(script: Script, step: Step, version: number): void {
  const { statement, plan, index } = step;
  const name = `r${index}`;
  switch (plan.shape) {
    case "rows": {
      const rows = "SELECT pg_catalog.json_agg((edgewire.*)::text) FROM edgewire";
      const value = `pg_catalog.json_build_array((${columnsOfResult("")})::pg_catalog.json, (${rows}))::text`;
      return addPrepared(script, statement, `SELECT ${keep(name, value)} IS NULL`, index);
    }
    case "count":
      if (plan.merges && version < mergeInWith) return addExplained(script, step, name);
      return addPrepared(
        script,
        statement,
        `SELECT ${keep(name, "pg_catalog.count(*)::text")} IS NULL FROM edgewire`,
        index,
        true,
      );
    case "table":
      return addExplained(script, step, name);
    case "utility":
      refuseParameters(statement);
      script.add(
        block(
          "r record; a text[] := '{}';",
          `FOR r IN EXECUTE ${literal(statement.sql)} LOOP a := pg_catalog.array_append(a, (r.*)::text); END LOOP; PERFORM ${keep(
            name,
            `pg_catalog.json_build_array((SELECT pg_catalog.json_agg(k.k ORDER BY k.o) FROM pg_catalog.json_object_keys(pg_catalog.row_to_json(r.*)) WITH ORDINALITY AS k (k, o)), a)::text`,
          )};`,
        ),
      );
      return;
    default:
      script.addSource(statement.sql, index).add("\n;\n");
  }
}

/** EXPLAIN ANALYZE runs a statement, and tells how many rows there were. */
function addExplained(script: Script, { statement, plan, index }: Step, name: string): void {
  const run = (text: string): string =>
    block(
      "r record;",
      `FOR r IN EXECUTE ${literal(explain + text)} LOOP PERFORM ${keep(name, 'r."QUERY PLAN"::text')}; END LOOP;`,
    );
  if (statement.parameters.length === 0) {
    script.add(run(statement.sql));
    return;
  }
  if (plan.shape !== "count") refuseParameters(statement);
  const prepared = uniqueName();
  script
    .add(`PREPARE ${prepared}${typeList(statement)} AS `)
    .addSource(statement.sql, index)
    .add("\n;\n");
  script
    .add(run(`EXECUTE ${prepared}${argumentList(statement.parameters)}`))
    .add(`DEALLOCATE ${prepared};\n`);
}

/** The last statement of a request whose results were kept. */
export function addKeptResults(script: Script, count: number): void {
  const all = Array.from({ length: count }, (_, index) => kept(`r${index}`));
  script.add(`SELECT pg_catalog.json_build_array(${all.join(", ")})::text AS ${column}`);
}

/** Reads what was kept of a statement. */
export function readKept({ kind, shape, utilityType }: Plan, value: unknown): Result {
  if (shape === "command") return { type: "command", tag: commandTag(kind) };
  if (typeof value !== "string") throw badAnswer("a result is missing");
  switch (shape) {
    case "rows": {
      const [columns, records] = parsed(value) as [unknown, string[] | null];
      return rowsResult(kind, readColumns(columns), records ?? []);
    }
    case "utility": {
      const [names, records] = parsed(value) as [string[] | null, string[]];
      return rowsResult(
        kind,
        (names ?? []).map((name) => ({ name, typeOid: utilityType })),
        records,
      );
    }
    default: {
      const count = value.startsWith("[") ? explainedCount(parsed(value)) : Number(value);
      return { type: "command", tag: commandTag(kind, count) };
    }
  }
}

/** Undefined: a table that was there already. */
function explainedCount(plans: unknown): number | undefined {
  const [first] = plans as { Plan?: Readonly<Record<string, unknown>> }[];
  const plan = first?.Plan;
  if (!plan) return undefined;
  if (plan.Operation !== "Merge") return Math.round(Number(plan["Actual Rows"] ?? 0));
  const tuples = ["Tuples Inserted", "Tuples Updated", "Tuples Deleted"];
  return tuples.reduce((sum, name) => sum + Number(plan[name] ?? 0), 0);
}

function rowsResult(kind: Plan["kind"], columns: readonly Column[], records: readonly string[]): Result {
  const rows: Row[] = records.map((record) => readRecord(record, columns.length));
  return { type: "rows", columns, rows, tag: commandTag(kind, 0).replace(/ 0$/, "") };
}

export function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw badAnswer("a result is not JSON");
  }
}

/** The rows of a query of the gateway's own. @throws PgError */
export async function rowsOf(
  api: SupabaseApi,
  sql: string,
  parameters: readonly Parameter[],
  signal: AbortSignal,
): Promise<(string | null)[][]> {
  const script = new Script();
  addPrepared(script, { sql, parameters, parameterTypes: [], resultFormats: [] }, selectRows, 0);
  const [columns = "", ...records] = await api.run(script.text, signal);
  const { length } = readColumns(parsed(columns));
  return records.map((record) => readRecord(record, length));
}

/** `WITH edgewire AS (the statement) select`, with the client's parameters. */
function addPrepared(
  script: Script,
  statement: Statement,
  select: string,
  index: number,
  counted = false,
): void {
  const bound = statement.parameters.length > 0;
  const name = bound ? uniqueName() : "";
  if (bound) script.add(`PREPARE ${name}${typeList(statement)} AS `);
  addSource(script, statement.sql, select, index, counted);
  script.add(";\n");
  if (bound) script.add(`EXECUTE ${name}${argumentList(statement.parameters)};\nDEALLOCATE ${name};\n`);
}

/** @param counted the statement gets rows to be counted, which have no columns of its table: a privilege to read is needed for none */
export function addSource(script: Script, sql: string, select: string, index: number, counted = false): void {
  const { at, before, behind } = asSource(sql, ctes, select);
  script.addSource(sql, index, 0, at).add(before).addSource(sql, index, at);
  script.add(counted ? `\nRETURNING 1${behind}` : behind);
}

/** The types that the client gave; unknown leaves one to the server. */
export function typeList({ parameterTypes }: StatementText): string {
  const types = parameterTypes.map((typeOid) => {
    const name = typeRow(typeOid)?.name;
    return name === undefined || name === "unknown" ? "unknown" : `pg_catalog."${name}"`;
  });
  return types.length === 0 ? "" : ` (${types.join(", ")})`;
}

function argumentList(parameters: readonly Parameter[]): string {
  return `(${parameters.map(argument).join(", ")})`;
}

function argument(value: Parameter, at: number): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return literal(value);
  throw new PgError(
    sqlstate.featureNotSupported,
    `parameter $${at + 1} has a binary form that is not known here`,
    { hint: "Send it as text." },
  );
}

function refuseParameters({ parameters }: Statement): void {
  if (parameters.length === 0) return;
  throw new PgError(
    sqlstate.featureNotSupported,
    "a statement of this kind cannot have parameters through the API",
    { hint: "Write the values into the statement." },
  );
}
