// Transaction control: the grammar of TransactionStmt (PostgreSQL documentation, BEGIN, START TRANSACTION, COMMIT, END,
// ROLLBACK, ABORT, SAVEPOINT, RELEASE SAVEPOINT, ROLLBACK TO SAVEPOINT, PREPARE TRANSACTION).
//
// Each function is called behind the verb, and gives undefined for what PostgreSQL's grammar refuses or what is left to
// other statements; that all tokens are taken is checked by the caller.

import type {
  BeginStatement,
  EndStatement,
  SavepointStatement,
  StatementClass,
  TwoPhaseStatement,
} from "./statement.ts";
import type { TokenCursor } from "./token-cursor.ts";

export function begin(cursor: TokenCursor): BeginStatement | undefined {
  takeWorkOrTransaction(cursor);
  const modes = cursor.transactionModes();
  return modes && { type: "begin", verb: "BEGIN", ...modes };
}

export function start(cursor: TokenCursor): BeginStatement | undefined {
  const modes = cursor.words("transaction") ? cursor.transactionModes() : undefined;
  return modes && { type: "begin", verb: "START TRANSACTION", ...modes };
}

export function commit(cursor: TokenCursor): StatementClass | undefined {
  if (cursor.words("prepared")) return twoPhase(cursor, "commitPrepared");
  return end(cursor);
}

export function end(cursor: TokenCursor): EndStatement {
  takeWorkOrTransaction(cursor);
  return { type: "commit", chain: takeChain(cursor) };
}

export function rollback(cursor: TokenCursor): StatementClass | undefined {
  if (cursor.words("prepared")) return twoPhase(cursor, "rollbackPrepared");
  takeWorkOrTransaction(cursor);
  if (cursor.words("to")) return savepointOf(cursor, "rollbackTo");
  return { type: "rollback", chain: takeChain(cursor) };
}

export function abort(cursor: TokenCursor): EndStatement {
  takeWorkOrTransaction(cursor);
  return { type: "rollback", chain: takeChain(cursor) };
}

export function savepoint(cursor: TokenCursor): SavepointStatement | undefined {
  const name = cursor.name();
  return name === undefined ? undefined : { type: "savepoint", name };
}

export function release(cursor: TokenCursor): SavepointStatement | undefined {
  return savepointOf(cursor, "release");
}

/** PREPARE TRANSACTION '...', or undefined without a step: `PREPARE transaction AS ...` prepares a statement. */
export function prepareTransaction(cursor: TokenCursor): TwoPhaseStatement | undefined {
  if (cursor.peekWord() !== "transaction" || cursor.peek(1)?.type !== "string") return undefined;
  cursor.skip();
  return twoPhase(cursor, "prepareTransaction");
}

function twoPhase(cursor: TokenCursor, type: TwoPhaseStatement["type"]): TwoPhaseStatement | undefined {
  const id = cursor.string();
  return id === undefined ? undefined : { type, id };
}

/** The word SAVEPOINT may be left out, and is a name where no name follows it. */
function savepointOf(cursor: TokenCursor, type: SavepointStatement["type"]): SavepointStatement | undefined {
  if (cursor.peekWord() === "savepoint" && cursor.peek(1) !== undefined) cursor.skip();
  const name = cursor.name();
  return name === undefined ? undefined : { type, name };
}

function takeWorkOrTransaction(cursor: TokenCursor): void {
  if (!cursor.words("work")) cursor.words("transaction");
}

/** AND [NO] CHAIN; what else follows AND is left for the caller to stumble over. */
function takeChain(cursor: TokenCursor): boolean {
  if (cursor.words("and no chain")) return false;
  return cursor.words("and chain");
}
