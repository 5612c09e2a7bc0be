/** The columns of results: their names, which of them come as text, and how their fields become cells. */
import type { Column, Row } from "../../session/mod.ts";
import { type Around, asSource } from "../as-source.ts";
import type { ExecuteResponse, Field } from "./api.ts";
import { cellReader } from "./values.ts";

export function hasArrays({ columnMetadata = [] }: ExecuteResponse): boolean {
  return columnMetadata.some(({ typeName = "" }) => typeName.startsWith("_"));
}

/** A column that is a parameter has no name in PostgreSQL; behind a cast it has that of the type. */
export function nameParameters<Named extends { readonly name: string }>(
  columns: readonly Named[],
  places: readonly number[],
): Named[] {
  const unnamed = new Set(places.map((place) => (place < 0 ? columns.length + place : place)));
  return columns.map((column, at) => (unnamed.has(at) ? { ...column, name: "?column?" } : column));
}

/** A statement as the source of one that gives its columns as text, by the output functions of their types. */
export function textColumns(sql: string, count: number, asText: (column: number) => boolean): Around {
  const names = Array.from({ length: count }, (_, at) => `c${at + 1}`);
  const list = names.map((name, at) =>
    asText(at)
      ? `CASE WHEN ${name} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', ${name}) END AS ${name}`
      : name,
  );
  const columns = count === 0 ? "" : ` (${names.join(", ")})`;
  return asSource(sql, `edgewire${columns} AS`, `SELECT ${list.join(", ")} FROM edgewire`);
}

export function reader(
  columns: readonly Column[],
  asText: (column: number) => boolean,
): (record: readonly Field[]) => Row {
  const cells = columns.map(({ typeOid = 25 }, at) => cellReader(asText(at) ? 25 : typeOid));
  return (record) => record.map((field, at) => cells[at]?.(field) ?? null);
}
