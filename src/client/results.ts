/** What a client gets for its statements. */
import type { FieldDescription } from "../wire/mod.ts";

/** A cell: text as a string, binary as bytes, in the format that its field says. */
export type Value = string | Uint8Array | null;

/** Cells in the order of the fields: names may come twice. */
export type Row = readonly Value[];

export interface QueryResult {
  /** Empty for statements that return no rows. */
  readonly fields: readonly FieldDescription[];
  readonly rows: readonly Row[];
  /** The command tag: `SELECT 3`, `INSERT 0 1`; "" for an empty query, and for a portal that is not at its end. */
  readonly tag: string;
  /** True if a row limit ended it before its end. */
  readonly suspended: boolean;
}

/** The number of rows in a command tag, or undefined where it has none. */
export function rowCount(tag: string): number | undefined {
  const count = / (\d+)$/.exec(tag)?.[1];
  return count === undefined ? undefined : Number(count);
}
