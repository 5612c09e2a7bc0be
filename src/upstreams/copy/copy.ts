/** COPY FROM STDIN and TO STDOUT over a session that has INSERT and SELECT. */
import type { Call, CopyInResult, CopyOutResult } from "../../session/mod.ts";
import type { ParsedStatement } from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { CopySession } from "./session.ts";

/**
 * Begins a COPY whose statement is a CopyStmt without a file. Statements whose session needs have `copy` are such ones.
 * @throws PgError PostgreSQL's own, for options and relations
 */
export async function runCopy(
  _session: CopySession,
  _statement: ParsedStatement,
  _call: Call,
): Promise<CopyInResult | CopyOutResult> {
  throw new PgError(sqlstate.featureNotSupported, "COPY is not supported yet");
}
