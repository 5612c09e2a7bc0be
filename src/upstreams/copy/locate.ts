/** Which row of a refused batch it was, and which of its columns: found out by trying parts of it. */
import { type CopyRow, columnContext, inContext, lineContext } from "../../copy/mod.ts";
import type { PgError } from "../../wire/error.ts";
import type { InsertTarget } from "./insert.ts";

/** Does something in a way that leaves nothing behind; the error that it failed with, if it did. */
export type Attempt<Value> = (value: Value) => Promise<PgError | undefined>;

/** The context of an error that came about with these rows, as PostgreSQL tells it. */
export async function locate(
  target: InsertTarget,
  rows: readonly CopyRow[],
  failure: PgError,
  insert: Attempt<readonly CopyRow[]>,
  convert: Attempt<CopyRow>,
): Promise<PgError> {
  if (!isOfRow(failure)) return failure;
  const { length, error } = await shortest(rows.length, failure, (count) => insert(rows.slice(0, count)));
  const row = rows[length - 1] as CopyRow;
  const { relation } = target;
  if (mayBeConversion(error)) {
    const found = await locateColumn(target, row, convert);
    if (found) return found;
  }
  // Rows that go in together have no text left when their indexes refuse them.
  const text = ofIndex.has(error.code) && !relation.singly ? undefined : row.text;
  return inContext(error, lineContext(relation.name, row.line, text));
}

/** The error of the first value that is none of its type; undefined: they all are. */
export async function locateColumn(
  { relation, columns }: InsertTarget,
  row: CopyRow,
  convert: Attempt<CopyRow>,
): Promise<PgError | undefined> {
  const part = (count: number): CopyRow => ({
    ...row,
    values: columns.map((_, at) => (at < count ? row.values[at] : undefined)),
  });
  const failure = await convert(part(row.values.length));
  if (!failure) return undefined;
  const { length, error } = await shortest(row.values.length, failure, (count) => convert(part(count)));
  const value = row.text === undefined ? undefined : row.values[length - 1];
  return inContext(error, columnContext(relation.name, row.line, columns[length - 1]?.name ?? "", value));
}

/** The shortest part that fails, when the whole of them has failed, and its error. */
async function shortest(
  whole: number,
  failure: PgError,
  attempt: Attempt<number>,
): Promise<{ length: number; error: PgError }> {
  let error = failure;
  let from = 1;
  let to = whole;
  while (from < to) {
    const middle = (from + to) >> 1;
    const failed = await attempt(middle);
    if (failed) {
      error = failed;
      to = middle;
    } else from = middle + 1;
  }
  return { length: to, error };
}

const ofIndex: ReadonlySet<string> = new Set(["23505", "23P01"]);

/** Errors that a row can bring about; foreign keys are looked at when all rows are in. */
function isOfRow({ code }: PgError): boolean {
  return /^(0A|21|22|23|2F|38|39|42|44|54|55|P0)/.test(code) && code !== "23503";
}

/** Constraints are no matter of types, but for those of domains. */
function mayBeConversion({ code, message }: PgError): boolean {
  return !code.startsWith("23") || /\bdomain\b/.test(message);
}
