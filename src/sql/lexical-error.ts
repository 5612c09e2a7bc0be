// Errors of the scanner, worded and positioned as PostgreSQL's scanner_yyerror does.

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { characterPosition } from "./position.ts";

/** ERROR 42601 `message at or near "..."` that quotes sql[start, end), or `message at end of input`. */
export function lexicalError(sql: string, start: number, end: number, message: string): PgError {
  const where = start < sql.length ? `at or near "${sql.slice(start, end)}"` : "at end of input";
  return new PgError(sqlstate.syntaxError, `${message} ${where}`, {
    position: characterPosition(sql, start),
  });
}
