/** What PostgreSQL says to DECLARE, FETCH, MOVE and CLOSE outside of a transaction, where no cursor can be. */
import type { StatementClass } from "../sql/mod.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** Undefined for CLOSE ALL, which has nothing to close. */
export function refuseCursorOutsideTransaction(kind: StatementClass): PgError | undefined {
  switch (kind.type) {
    case "declare":
      return new PgError(
        sqlstate.noActiveSqlTransaction,
        "DECLARE CURSOR can only be used in transaction blocks",
      );
    case "fetch":
    case "move":
      return noCursor(kind.cursor);
    case "closeCursor":
      return kind.name === undefined ? undefined : noCursor(kind.name);
    default:
      // It stands in an EXPLAIN, or in what else the text does not begin with.
      return noCursor("");
  }
}

function noCursor(name: string): PgError {
  return new PgError(sqlstate.invalidCursorName, `cursor "${name}" does not exist`);
}
