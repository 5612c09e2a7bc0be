// Errors of the scanner, worded and positioned as PostgreSQL's scanner_yyerror does.

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** ERROR 42601 `message at or near "..."` that quotes sql[start, end), or `message at end of input`. */
export function lexicalError(sql: string, start: number, end: number, message: string): PgError {
  const where = start < sql.length ? `at or near "${sql.slice(start, end)}"` : "at end of input";
  return new PgError(sqlstate.syntaxError, `${message} ${where}`, {
    position: characterPosition(sql, start),
  });
}

/** The position an ErrorResponse gives for an index into the text: it counts characters (code points), from 1. */
export function characterPosition(sql: string, index: number): number {
  let position = 1;
  for (let at = 0; at < index; at++) {
    // The second half of a surrogate pair belongs to the character already counted.
    if ((sql.charCodeAt(at) & 0xfc00) !== 0xdc00) position++;
  }
  return position;
}
