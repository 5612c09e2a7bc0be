/** An error of the database that an API passes on, with the fields of its ErrorResponse as those of a JSON object. */
import { type ErrorFields, PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { textOf } from "./http-failure.ts";

export function databaseError(
  code: string,
  message: string,
  said: Readonly<Record<string, unknown>>,
): PgError {
  // The gateway's own login is not the client's.
  if (code.startsWith("28")) return refusedLogin(message);
  const fields: Partial<ErrorFields> = {};
  for (const name of texts) {
    const value = textOf(said[name]);
    if (value !== undefined) fields[name] = value;
  }
  for (const name of numbers) {
    const value = Number(said[name] ?? 0);
    if (Number.isInteger(value) && value > 0) fields[name] = value;
  }
  // Severity is left out: a connection that ended there is not the client's.
  return new PgError(code, message, fields);
}

const texts = [
  "detail",
  "hint",
  "internalQuery",
  "where",
  "table",
  "column",
  "schema",
  "dataType",
  "constraint",
  "file",
  "routine",
] as const;
const numbers = ["position", "internalPosition", "line"] as const;

export function refusedLogin(reason: string): PgError {
  return new PgError(
    sqlstate.sqlclientUnableToEstablishSqlconnection,
    "the gateway could not log in to the database server",
    {},
    { cause: new Error(reason) },
  );
}
