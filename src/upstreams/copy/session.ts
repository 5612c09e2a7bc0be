/** What COPY needs of a session over an API that has no COPY of its own. */
import type { Call, Parameter, Result, Row, StatementSession } from "../../session/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { decodeText } from "../../wire/utf8.ts";

/**
 * The session's own methods, as the gateway calls them. `query` runs the statements that a COPY is made of: SELECT of the
 * relation or of the client's query, and INSERT.
 *
 * With `begin`, `commit` and `rollback` a COPY FROM of any size is one transaction, its own or the client's; `savepoint`
 * lets an error name its line. Without them it is one INSERT, and what does not fit into that is refused.
 */
export interface CopySession
  extends Pick<
    StatementSession,
    "query" | "describe" | "types" | "begin" | "commit" | "rollback" | "savepoint"
  > {
  /** The client has a transaction open: the COPY is part of it, and the methods above run in it. */
  readonly inTransaction: boolean;
  /** Bytes of JSON that the parameters of a statement may have, of one request. Default 2 MiB. */
  readonly batchBytes?: number;
}

/** Runs a statement, unless the client has gone or has cancelled: its transaction may have ended then. */
export async function run(
  session: CopySession,
  call: Call,
  sql: string,
  parameters: readonly Parameter[] = [],
): Promise<Result> {
  call.signal.throwIfAborted();
  return session.query({ sql, parameters, parameterTypes: [], resultFormats: [] }, call);
}

export type TextRow = readonly (string | null)[];

/** Runs a query of the gateway's own, whose columns are all text, and gives its rows. */
export async function ask(
  session: CopySession,
  call: Call,
  sql: string,
  parameters: readonly Parameter[],
): Promise<TextRow[]> {
  const result = await run(session, call, sql, parameters);
  if (result.type !== "rows") throw new PgError(sqlstate.internalError, "a query has given no rows");
  const found: TextRow[] = [];
  for await (const rows of batches(result.rows)) for (const row of rows) found.push(row.map(textOf));
  return found;
}

export async function* batches(
  rows: Iterable<Row> | AsyncIterable<readonly Row[]>,
): AsyncGenerator<Iterable<Row>> {
  if (Symbol.asyncIterator in rows) yield* rows;
  else yield rows;
}

/** A cell that was asked for as text. */
export function textOf(cell: string | Uint8Array | null): string | null {
  return typeof cell === "object" && cell !== null ? decodeText(cell) : cell;
}
