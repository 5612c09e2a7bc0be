// Rows as psql's aligned format with border 1 (PostgreSQL documentation, psql, \pset format).
import type { QueryResult } from "../../src/client/mod.ts";
import { displayLines, displayWidth } from "./display-width.ts";

/** int2, int4, int8, float4, float8, numeric, money, oid, xid, xid8, cid: psql puts them to the right. */
const rightAligned: ReadonlySet<number> = new Set([21, 23, 20, 700, 701, 1700, 790, 26, 28, 5069, 29]);

interface Column {
  readonly header: readonly string[];
  readonly width: number;
  readonly right: boolean;
}

/** The table, its count of rows and an empty line. NULL is empty. */
export function printTable(fields: QueryResult["fields"], rows: QueryResult["rows"]): string {
  const cells = rows.map((row) => row.map((value) => displayLines(typeof value === "string" ? value : "")));
  const columns = fields.map(({ name, typeOid }, at): Column => {
    const header = displayLines(name);
    const texts = [header, ...cells.map((row) => row[at] ?? [])].flat();
    return {
      header,
      width: texts.reduce((widest, text) => Math.max(widest, displayWidth(text)), 0),
      right: rightAligned.has(typeOid),
    };
  });
  const lines = [
    ...printHeader(columns),
    columns.length === 0 ? "--" : columns.map(({ width }) => "-".repeat(width + 2)).join("+"),
    ...cells.flatMap((row) => printRow(columns, row)),
    `(${rows.length} ${rows.length === 1 ? "row" : "rows"})`,
  ];
  return `${lines.join("\n")}\n\n`;
}

function printHeader(columns: readonly Column[]): string[] {
  const height = columns.reduce((most, { header }) => Math.max(most, header.length), 0);
  return numbers(height).map((line) =>
    columns
      .map(({ header, width }) => {
        const text = header[line] ?? "";
        const space = width - displayWidth(text);
        const left = " ".repeat(Math.floor(space / 2));
        const right = " ".repeat(Math.ceil(space / 2));
        return ` ${left}${text}${right}${line + 1 < header.length ? "+" : " "}`;
      })
      .join("|"),
  );
}

/** A `+` behind a cell's line says that there is another one. */
function printRow(columns: readonly Column[], row: readonly (readonly string[])[]): string[] {
  const height = row.reduce((most, lines) => Math.max(most, lines.length), 0);
  return numbers(height).map((line) =>
    columns
      .map(({ width, right }, at) => {
        const lines = row[at] ?? [];
        const text = lines[line];
        const continued = line + 1 < lines.length;
        const last = at === columns.length - 1;
        const space = " ".repeat(width - displayWidth(text ?? ""));
        const mark = continued ? "+" : last ? "" : " ";
        if (right && text !== undefined) return ` ${space}${text}${mark}`;
        return ` ${text ?? ""}${last && !continued ? "" : space}${mark}`;
      })
      .join("|"),
  );
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}
