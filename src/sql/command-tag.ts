// The tag of CommandComplete (PostgreSQL documentation, section 55.7 "Message Formats", CommandComplete), for upstreams
// that have none.

import { classify } from "./classify.ts";
import type { StatementClass } from "./statement.ts";

/**
 * The tag PostgreSQL sends for a statement that succeeded. `rowCount` is the number of rows that were inserted, updated,
 * deleted, merged, selected, fetched, moved over or copied; it is ignored where the tag has none.
 *
 * Without a rowCount, CREATE TABLE AS gets the tag it has when IF NOT EXISTS found the table; other tags count 0.
 * EXECUTE has the tag of the prepared statement: give that one. COMMIT of a failed transaction is answered ROLLBACK,
 * which only the session knows.
 */
export function commandTag(statement: StatementClass | string, rowCount?: number | bigint): string {
  const found = typeof statement === "string" ? classify(statement) : statement;
  const count = rowCount ?? 0;
  switch (found.type) {
    case "begin":
      return found.verb;
    case "commit":
      return "COMMIT";
    case "rollback":
    case "rollbackTo":
      return "ROLLBACK";
    case "savepoint":
      return "SAVEPOINT";
    case "release":
      return "RELEASE";
    case "prepareTransaction":
      return "PREPARE TRANSACTION";
    case "commitPrepared":
      return "COMMIT PREPARED";
    case "rollbackPrepared":
      return "ROLLBACK PREPARED";
    case "set":
    case "setTransaction":
    case "setSessionCharacteristics":
      return "SET";
    case "reset":
      return "RESET";
    case "show":
      return "SHOW";
    case "discard":
      return `DISCARD ${found.what.toUpperCase()}`;
    case "prepare":
      return "PREPARE";
    case "execute":
      return "EXECUTE";
    case "deallocate":
      return found.name === undefined ? "DEALLOCATE ALL" : "DEALLOCATE";
    case "declare":
      return "DECLARE CURSOR";
    case "fetch":
      return `FETCH ${count}`;
    case "move":
      return `MOVE ${count}`;
    case "closeCursor":
      return found.name === undefined ? "CLOSE CURSOR ALL" : "CLOSE CURSOR";
    case "listen":
      return "LISTEN";
    case "unlisten":
      return "UNLISTEN";
    case "notify":
      return "NOTIFY";
    case "copy":
      return `COPY ${count}`;
    case "other":
      return otherTag(found.verb, found.countsRows, rowCount);
  }
}

function otherTag(verb: string, countsRows: boolean, rowCount: number | bigint | undefined): string {
  if (!countsRows) return verb;
  switch (verb) {
    case "INSERT":
      // The 0 was the OID of the row, when rows had one.
      return `INSERT 0 ${rowCount ?? 0}`;
    case "UPDATE":
    case "DELETE":
    case "MERGE":
      return `${verb} ${rowCount ?? 0}`;
    case "SELECT":
      return `SELECT ${rowCount ?? 0}`;
    default:
      // CREATE TABLE AS, CREATE MATERIALIZED VIEW, SELECT INTO.
      return rowCount === undefined ? verb : `SELECT ${rowCount}`;
  }
}
