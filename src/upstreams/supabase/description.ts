/**
 * What a statement's parameters and columns are, in one request and without running it. PREPARE tells the types of
 * parameters. The columns of a query are those of a row that it is not run for. Of a change of data with RETURNING the plan
 * tells the names, and from PostgreSQL 16 on what was prepared tells the types; before that a temporary table does, which
 * is made after them, WITH NO DATA, for the time of the request.
 */
import type { Description, StatementText } from "../../session/mod.ts";
import { countParameters, Lexer } from "../../sql/mod.ts";
import { oid } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { asSource } from "../as-source.ts";
import { readNames } from "../explained-names.ts";
import { columnsHead, emptyRow, readColumns } from "./columns.ts";
import { badAnswer } from "./errors.ts";
import type { Plan } from "./plan.ts";
import { addSource, parsed, typeList } from "./requests.ts";
import { block, column, keep, kept, literal, type Script, uniqueName } from "./script.ts";

/** pg_prepared_statements has result_types. */
const tellsResultTypes = 160_000;

/** Adds what asks for a description; the statement is a query or a change of data. */
export function addDescription(script: Script, plan: Plan, statement: StatementText, version: number): void {
  const name = uniqueName();
  const { sql } = statement;
  const types = typeList(statement);
  const count = Math.max(countParameters(sql), statement.parameterTypes.length);
  const nulls = count === 0 ? "" : ` (${Array(count).fill("NULL").join(", ")})`;
  let columns = "NULL";
  if (plan.shape === "rows" && !plan.changesData) {
    // Prepared as what is run for its columns.
    script.add(`PREPARE ${name}${types} AS SELECT ${keep("columns", `${columnsHead}::text`)} IS NULL FROM `);
    const [head = "", tail = ""] = emptyRow("(\n\n)").split("\n\n");
    script.add(`${head}\n`).addSource(sql, 0).add(`\n${tail};\n`);
    script.add(`EXECUTE ${name}${nulls};\n`);
    columns = `${kept("columns")}::pg_catalog.json`;
  } else {
    script.add(`PREPARE ${name}${types} AS `).addSource(sql, 0).add("\n;\n");
    if (plan.shape === "rows") {
      addPlan(script, sql, types, nulls);
      if (version < tellsResultTypes) addTable(script, name, sql, count);
      const results =
        version < tellsResultTypes ? tableTypes : "pg_catalog.to_json(s.result_types::pg_catalog.oid[])";
      columns = `pg_catalog.json_build_array(${kept("plan")}, ${results})`;
    }
  }
  script.add(
    `SELECT pg_catalog.json_build_array(pg_catalog.to_json(s.parameter_types::pg_catalog.oid[]), ${columns})::text AS ${column} FROM pg_catalog.pg_prepared_statements AS s WHERE s.name = '${name}';\n`,
  );
  script.add(`DEALLOCATE ${name};\n`);
}

/** The plan of what gives the statement's rows, which tells their columns' names. */
function addPlan(script: Script, sql: string, types: string, nulls: string): void {
  const name = uniqueName();
  script.add(`PREPARE ${name}${types} AS `);
  addSource(script, sql, "SELECT * FROM edgewire", 0);
  const explain = literal(`EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) EXECUTE ${name}${nulls}`);
  const read = `FOR r IN EXECUTE ${explain} LOOP PERFORM ${keep("plan", 'r."QUERY PLAN"::text')}; END LOOP;`;
  script.add(";\n").add(block("r record;", read)).add(`DEALLOCATE ${name};\n`);
}

/** A table with the statement's columns. They are numbered, for it can have no two of one name. */
function addTable(script: Script, name: string, sql: string, count: number): void {
  const types = `SELECT s.parameter_types::text[] INTO t FROM pg_catalog.pg_prepared_statements AS s WHERE s.name = '${name}';`;
  const columns = `SELECT pg_catalog.string_agg('c' || i, ', ') INTO c FROM pg_catalog.generate_series(1, pg_catalog.json_array_length(${kept("plan")}::pg_catalog.json->0->'Plan'->'Output')) AS i;`;
  script.add(block("t text[]; c text;", `${types} ${columns} EXECUTE ${tableText(sql, count)};`));
}

/** An expression of PL/pgSQL: the statement as the model of a table, with NULLs of the parameters' types (`t`). */
function tableText(sql: string, count: number): string {
  const { at, before, behind } = asSource(sql, "edgewire AS", "SELECT * FROM edgewire WITH NO DATA");
  const pieces = [literal("CREATE TEMPORARY TABLE edgewire_columns ("), "c", literal(") ON COMMIT DROP AS ")];
  const copy = (from: number, to: number): void => {
    let copied = from;
    const lexer = new Lexer(sql);
    while (count > 0 && lexer.next()) {
      if (lexer.type !== "parameter" || lexer.start < from || lexer.start >= to) continue;
      pieces.push(
        literal(`${sql.slice(copied, lexer.start)}(NULL::`),
        `t[${Number(lexer.value)}]`,
        literal(")"),
      );
      copied = lexer.end;
    }
    pieces.push(literal(sql.slice(copied, to)));
  };
  copy(0, at);
  pieces.push(literal(before));
  copy(at, sql.length);
  pieces.push(literal(behind));
  return pieces.join(" || ");
}

const tableTypes =
  "(SELECT pg_catalog.json_agg(a.atttypid ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = 'pg_temp.edgewire_columns'::pg_catalog.regclass AND a.attnum > 0)";

/** Reads what the request gives. */
export function readDescription(cell: string | undefined, statement: StatementText): Description {
  const [types, columns] = cell === undefined ? [] : (parsed(cell) as [unknown, unknown]);
  if (!Array.isArray(types)) throw badAnswer("a prepared statement is not there");
  return {
    parameterTypes: types.map((type, at) => given(statement.parameterTypes[at]) ?? Number(type)),
    columns: columns === null ? undefined : readColumns(named(columns, statement.sql)),
  };
}

/** A list of types comes with a plan, which has the names. */
function named(columns: unknown, sql: string): unknown {
  if (!Array.isArray(columns) || typeof columns[0] !== "string" || !Array.isArray(columns[1])) return columns;
  const names = readNames(columns[0], sql);
  if (!names) throw badAnswer("a plan is not JSON");
  return [names, columns[1]];
}

/** A type that the client gave: 0 and unknown leave it to the server. */
function given(typeOid: number | undefined): number | undefined {
  return typeOid === undefined || typeOid === 0 || typeOid === oid.unknown ? undefined : typeOid;
}

/** Statements that cannot be prepared: their parameters are what the client says, and few have rows. */
export function describeOther(
  { kind, shape, utilityType }: Plan,
  { parameterTypes }: StatementText,
): Description {
  if (shape === "utility") return { parameterTypes, columns: [{ name: "QUERY PLAN", typeOid: utilityType }] };
  if (shape !== "call") return { parameterTypes };
  throw new PgError(
    sqlstate.featureNotSupported,
    `${kind.type === "other" ? kind.verb : "this statement"} cannot be described without running it`,
    {
      hint: "Use a client that binds its parameters before it asks for the columns.",
    },
  );
}

/** An error of a table that was to be made for its columns alone is none of the statement's. */
export function undescribable(error: PgError): PgError {
  if (!modelErrors.has(error.code)) return error;
  return new PgError(
    sqlstate.featureNotSupported,
    "this database cannot describe the statement without running it",
    { detail: error.message, hint: "PostgreSQL 16 and later can." },
  );
}

/** A type that no table can have, a transaction that may only read. */
const modelErrors: ReadonlySet<string> = new Set([
  sqlstate.invalidTableDefinition,
  sqlstate.readOnlySqlTransaction,
]);
