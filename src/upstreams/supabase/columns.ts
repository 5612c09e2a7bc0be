/**
 * How the columns of a result come in a text: in SQL, without running what they belong to, and read here.
 *
 * `SELECT e.* FROM (SELECT) d LEFT JOIN (…) e ON false` is a row of NULLs of the columns' types: PostgreSQL does not run
 * what joins nothing. The row's JSON has their names, duplicates and all, its binary form the OIDs of their types.
 */
import type { Column } from "../../session/mod.ts";
import { badAnswer } from "./errors.ts";

/** What tells the columns of a source, over `emptyRow` of it. */
export const columnsHead =
  "pg_catalog.json_build_array(pg_catalog.row_to_json(h.*)::text, pg_catalog.encode(pg_catalog.record_send(h.*), 'hex'))";

/** The row of NULLs of a source, a query in parentheses or the name of a CTE: `h`. */
export function emptyRow(source: string): string {
  return `(SELECT e.* FROM (SELECT) AS d LEFT JOIN ${source} AS e ON false) AS h`;
}

/**
 * Reads `[names, types]`: what columnsHead gives, or lists of names and OIDs.
 * @throws PgError for anything else
 */
export function readColumns(json: unknown): Column[] {
  if (!Array.isArray(json)) throw badAnswer("columns are missing");
  const [given, told] = json as unknown[];
  const names = typeof given === "string" ? keysOf(given) : ((given ?? []) as unknown[]);
  const types = typeof told === "string" ? oidsOf(told) : ((told ?? []) as unknown[]);
  if (names.length !== types.length) throw badAnswer("columns and types differ in number");
  return names.map((name, at) => {
    const typeOid = Number(types[at]);
    if (typeof name !== "string" || !Number.isInteger(typeOid)) throw badAnswer("a column has no type");
    return { name, typeOid };
  });
}

/** The names in `{"a":null,"a":null}`, of which JSON.parse would leave one. */
function keysOf(json: string): string[] {
  return [...json.matchAll(/("(?:[^"\\]|\\.)*"):null/g)].map(([, key = ""]) => JSON.parse(key) as string);
}

/** The types in a record's binary form, whose values are all NULL: their number, then a type and -1 for each. */
function oidsOf(hex: string): number[] {
  return Array.from({ length: (hex.length - 8) / 16 }, (_, at) => {
    const from = 8 + at * 16;
    return Number.parseInt(hex.slice(from, from + 8), 16);
  });
}

/**
 * Reads a row's text form (record_out): a value is quoted where it has to be, nothing at all is NULL.
 * @throws PgError where it has not so many values
 */
export function readRecord(text: string, count: number): (string | null)[] {
  const body = text.slice(1, -1);
  if (count === 0) return [];
  const values = body.includes('"') ? readQuoted(body) : body.split(",").map((value) => value || null);
  if (values.length !== count) throw badAnswer(`a row has ${values.length} values for ${count} columns`);
  return values;
}

/** A backslash, as a quote, stands for itself where there are two: values with either are quoted. */
function readQuoted(body: string): (string | null)[] {
  const values: (string | null)[] = [];
  let at = 0;
  for (;;) {
    if (body[at] === '"') {
      let end = at + 1;
      for (;;) {
        end = body.indexOf('"', end);
        if (end < 0) throw badAnswer("a row ends within a value");
        if (body[end + 1] !== '"') break;
        end += 2;
      }
      values.push(body.slice(at + 1, end).replace(/""|\\\\/g, (pair) => pair[0] as string));
      at = end + 1;
    } else {
      const comma = body.indexOf(",", at);
      const end = comma < 0 ? body.length : comma;
      values.push(end === at ? null : body.slice(at, end));
      at = end;
    }
    if (at >= body.length) return values;
    // The comma; behind a last one there is one more NULL.
    at++;
    if (at === body.length) {
      values.push(null);
      return values;
    }
  }
}
