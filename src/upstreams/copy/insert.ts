/**
 * Rows as parameters of one statement: an array for each column, which the server takes apart again. Each value goes
 * through the input function of its column's type, as in a COPY; a cast of a text would be something else for some types.
 */
import type { CopyCondition, CopyRow } from "../../copy/mod.ts";
import { quoted, type Relation, type RelationColumn } from "./relation.ts";

export interface Batch {
  readonly sql: string;
  readonly parameters: readonly string[];
}

export interface InsertTarget {
  readonly relation: Relation;
  /** Those that the data has. */
  readonly columns: readonly RelationColumn[];
  readonly where: CopyCondition | undefined;
}

/** INSERT of rows whose defaults are in the same columns. */
export function insertBatch(target: InsertTarget, rows: readonly CopyRow[]): Batch {
  const { relation, columns } = target;
  const given = presentColumns(rows[0], columns);
  const list =
    given.length === 0 ? "" : ` (${given.map((at) => quoted(columns[at]?.name ?? "")).join(", ")})`;
  const overriding = given.some((at) => columns[at]?.alwaysIdentity) ? " OVERRIDING SYSTEM VALUE" : "";
  const { sql, parameters } = selectBatch(target, rows);
  return { sql: `INSERT INTO ${relation.sql}${list}${overriding} ${sql}`, parameters };
}

/** SELECT of the rows as the types of their columns; a WHERE of the COPY holds for them. */
export function selectBatch({ relation, columns, where }: InsertTarget, rows: readonly CopyRow[]): Batch {
  const given = presentColumns(rows[0], columns);
  if (given.length === 0) {
    return {
      sql: "SELECT FROM pg_catalog.generate_series(1, $1::int4)",
      parameters: [String(rows.length)],
    };
  }
  const picked = given.map((at) => columns[at] as RelationColumn);
  const values = picked.map((column, at) => expressionOf(column, `c${at + 1}`));
  const from = source(picked);
  const parameters = given.map((at, place) => arrayText(rows, at, picked[place] as RelationColumn));
  if (!where) return { sql: `SELECT ${values.join(", ")} FROM ${from}`, parameters };
  const named = values.map((value, at) => `${value} AS ${quoted(picked[at]?.name ?? "")}`);
  return {
    sql: `SELECT * FROM (SELECT ${named.join(", ")} FROM ${from}) AS ${quoted(relation.name)} WHERE ${where.text}\n`,
    parameters,
  };
}

/** Which values of each row are none of their types: the number of the row, from 1, and of its first such column. */
export function invalidBatch({ columns }: InsertTarget, rows: readonly CopyRow[]): Batch | undefined {
  const given = presentColumns(rows[0], columns);
  if (given.length === 0) return undefined;
  const picked = given.map((at) => columns[at] as RelationColumn);
  const valid = picked.map(({ fullTypeName }, at) => {
    const type = `'${fullTypeName.replaceAll("'", "''")}'`;
    return `coalesce(pg_catalog.pg_input_is_valid(c${at + 1}, ${type}), true)`;
  });
  const cases = valid.map((condition, at) => `WHEN NOT ${condition} THEN ${given[at]}`).join(" ");
  const names = picked.map((_, at) => `c${at + 1}`).join(", ");
  const arrays = picked.map((_, at) => `pg_catalog.unnest($${at + 1}::text[])`).join(", ");
  return {
    sql: `SELECT n::text, (CASE ${cases} END)::text FROM ROWS FROM (${arrays}) WITH ORDINALITY AS x (${names}, n) WHERE NOT (${valid.join(" AND ")}) ORDER BY x.n`,
    parameters: given.map((at) => arrayText(rows, at, undefined)),
  };
}

/** The columns for which a row has values, by their numbers. */
function presentColumns(row: CopyRow | undefined, columns: readonly RelationColumn[]): number[] {
  return [...columns.keys()].filter((at) => row?.values[at] !== undefined);
}

/** Rows in their order, cut where the columns change that are left to their defaults. */
export function runsOfDefaults(rows: readonly CopyRow[]): CopyRow[][] {
  const runs: CopyRow[][] = [];
  let last: string | undefined;
  for (const row of rows) {
    const key = row.values.includes(undefined)
      ? row.values.map((value) => Number(value === undefined)).join("")
      : "";
    if (key === last) runs.at(-1)?.push(row);
    else runs.push([row]);
    last = key;
  }
  return runs;
}

function source(columns: readonly RelationColumn[]): string {
  const arrays = columns.map((column, at) => `pg_catalog.unnest($${at + 1}::${arrayType(column)})`);
  const names = columns.map((_, at) => `c${at + 1}`);
  return `ROWS FROM (${arrays.join(", ")}) AS x (${names.join(", ")})`;
}

type Way = "elements" | "input" | "cast";

/**
 * - `elements`: as elements of an array of the type, which its input function reads
 * - `input`: by the type's input function itself, which alone is told the type's modifier
 * - `cast`: for arrays and composite values, which would not come out of an array as they went in
 */
function wayOf({ typeModifier, input, nested, arrayName }: RelationColumn): Way {
  if (nested) return "cast";
  if (typeModifier >= 0 && input) return "input";
  return arrayName === undefined ? "cast" : "elements";
}

function arrayType(column: RelationColumn): string {
  return wayOf(column) === "elements" ? (column.arrayName as string) : "text[]";
}

function expressionOf(column: RelationColumn, name: string): string {
  const { input, typeModifier, typeName } = column;
  switch (wayOf(column)) {
    case "elements":
      return name;
    case "input":
      return `${input?.name}(${name}::cstring, ${input?.type}, ${typeModifier})`;
    case "cast":
      return `${name}::${typeName}`;
  }
}

/** What an array needs no quotes for, and what JSON writes as it is. */
const plain = /^[\w.:+-]+$/;
const asciiOnly = /^[ !#-[\]-~]*$/;

function arrayText(rows: readonly CopyRow[], at: number, column: RelationColumn | undefined): string {
  const delimiter = column && wayOf(column) === "elements" ? column.delimiter : ",";
  const elements: string[] = [];
  for (const { values } of rows) {
    const value = values[at];
    if (value === null || value === undefined) elements.push("NULL");
    else if (plain.test(value) && value.toUpperCase() !== "NULL") elements.push(value);
    else elements.push(`"${value.replace(/["\\]/g, "\\$&")}"`);
  }
  return `{${elements.join(delimiter)}}`;
}

/** Bytes that a row has at the most as JSON: in an array, in a string. */
export function sizeOf({ values }: CopyRow): number {
  let size = 0;
  for (const value of values) {
    if (value === null || value === undefined) size += 5;
    else if (plain.test(value)) size += value.length + 1;
    // Control characters have six bytes, quotes and backslashes four, characters three for each UTF-16 unit.
    else size += (asciiOnly.test(value) ? value.length : value.length * 6) + 5;
  }
  return size;
}
