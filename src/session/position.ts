/**
 * Error positions count characters from the start of the text that the client sent (PostgreSQL documentation, 53.8
 * Error and Notice Message Fields, `P`); an upstream sees one statement of it.
 */
import { characterPosition } from "../sql/position.ts";
import { PgError } from "../wire/error.ts";
import { guard } from "./call.ts";

/** Runs work on a statement; the positions of its errors are those in `query`. */
export function inStatement<Value>(
  query: string,
  start: number,
  work: () => Value | Promise<Value>,
): Value | Promise<Value> {
  return guard(work, (error) => {
    throw fromStatement(error, query, start);
  });
}

/** The error as seen from `query`, in which the statement began at the UTF-16 index `start`. */
function fromStatement(cause: unknown, query: string, start: number): unknown {
  if (!(cause instanceof PgError) || cause.fields.position === undefined || start === 0) return cause;
  const { code, message, ...fields } = cause.fields;
  const position = cause.fields.position + characterPosition(query, start) - 1;
  return new PgError(code, message, { ...fields, position });
}
