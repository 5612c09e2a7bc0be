/**
 * What goes wrong with SQL over HTTP, as PostgreSQL's errors. The proxy answers a database's error with 400 and the
 * fields of its ErrorResponse, its own with other shapes, and what stands before it with anything at all.
 */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { databaseError, refusedLogin } from "../database-error.ts";
import { fieldsOf, textOf } from "../http-failure.ts";

const largeResultHint =
  "Read it in parts by a cursor in a transaction, or add fetch=tunnel to the database's URL: neither goes by HTTP.";

/**
 * `refused`: the database did, and nothing of the request has happened. `tooLarge`: a request of which nothing has
 * happened, or a result; then a statement that stood alone may have.
 */
export type Refusal =
  | { readonly type: "refused"; readonly error: PgError }
  | { readonly type: "tooLarge"; readonly part: "request" | "result"; readonly error: PgError };

/** An answer that is not 200. @throws PgError for anything but a refusal */
export function answerError(status: number, text: string): Refusal {
  const said = fieldsOf(text);
  const message = textOf(said.message) ?? textOf(said.msg) ?? textOf(said.error);
  const code = textOf(said.code);
  if (status === 400 && message !== undefined && code !== undefined && /^[0-9A-Z]{5}$/.test(code)) {
    return { type: "refused", error: databaseError(code, message, said) };
  }
  const reason = message ?? text.trim().slice(0, 200);
  const detail = `Status ${status}${reason === "" ? "" : `: ${reason}`}`;
  if (status === 507) return { type: "tooLarge", part: "result", error: tooLargeResult(detail) };
  if (status === 413) return { type: "tooLarge", part: "request", error: tooLargeRequest(detail) };
  throw endpointError(status, reason, detail);
}

/** Errors of the proxy, and of what stands before it. */
function endpointError(status: number, message: string, detail: string): PgError {
  if (status === 401 || status === 403 || /password authentication failed/i.test(message)) {
    return refusedLogin(detail);
  }
  if (status === 429) {
    return new PgError(sqlstate.insufficientResources, "the database's HTTP endpoint has too much to do", {
      detail,
    });
  }
  return new PgError(sqlstate.systemError, "the database's HTTP endpoint refused the request", { detail });
}

function tooLargeResult(detail: string): PgError {
  return new PgError(sqlstate.programLimitExceeded, "the result is too large for SQL over HTTP", {
    detail,
    hint: largeResultHint,
  });
}

export function tooLargeRequest(detail: string): PgError {
  return new PgError(sqlstate.programLimitExceeded, "the statement is too large for SQL over HTTP", {
    detail,
    hint: "Send it in a transaction, or as COPY: neither goes by HTTP.",
  });
}

export function badAnswer(what: string): PgError {
  return new PgError(
    sqlstate.systemError,
    "the database's HTTP endpoint gave an answer that cannot be read",
    {
      detail: `${what[0]?.toUpperCase()}${what.slice(1)}.`,
    },
  );
}
