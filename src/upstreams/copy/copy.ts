/** COPY FROM STDIN and TO STDOUT over a session that has INSERT and SELECT. */
import { readCopyStatement } from "../../copy/mod.ts";
import type { Call, CopyInResult, CopyOutResult } from "../../session/mod.ts";
import type { ParsedStatement } from "../../sql/mod.ts";
import { copyIn } from "./copy-in.ts";
import { copyOut } from "./copy-out.ts";
import type { CopySession } from "./session.ts";

/**
 * Begins a COPY whose statement is a CopyStmt without a file: one whose session needs (sessionNeeds) have `copy`.
 * @throws PgError PostgreSQL's own, for options and relations
 */
export async function runCopy(
  session: CopySession,
  statement: ParsedStatement,
  call: Call,
): Promise<CopyInResult | CopyOutResult> {
  const copy = readCopyStatement(statement);
  const { source } = copy;
  if (copy.direction === "from" && source.type === "relation") {
    return copyIn(session, { ...copy, source }, call);
  }
  return copyOut(session, copy, call);
}
