/**
 * What goes wrong with Supabase's APIs, as PostgreSQL's errors. postgres-meta answers an error of the database with 400
 * and the fields of its ErrorResponse; the Management API with a message that has them as text, as psql prints them.
 */
import { type ErrorFields, PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { databaseError, refusedLogin } from "../database-error.ts";
import { fieldsOf, textOf } from "../http-failure.ts";

/** What is no answer of a database's. */
export interface Refusal {
  readonly error: PgError;
  /** Nothing has run, and another try may fare better: soon, or when the API is less busy. */
  readonly retry: "soon" | "later" | "never";
}

/** Reads an answer that is not 200 or 201. */
export function readError(status: number, text: string, query: string): Refusal {
  const said = fieldsOf(text);
  const message = textOf(said.message) ?? textOf(said.error) ?? text.trim().slice(0, 200);
  const code = textOf(said.code);
  const ofDatabase =
    code !== undefined && /^[0-9A-Z]{5}$/.test(code) && textOf(said.severity) !== undefined
      ? databaseError(code, message, said)
      : readFormatted(message, query);
  if (ofDatabase) return { error: ofDatabase, retry: "never" };
  return apiError(status, code, message);
}

/**
 * `Failed to run sql query: ERROR:  42601: syntax error at or near "selec"`, and then on lines of their own `LINE 1: …`
 * with a caret below, `DETAIL:`, `HINT:`, `QUERY:` and `CONTEXT:`.
 */
function readFormatted(message: string, query: string): PgError | undefined {
  const match = /(?:^|: )(?:ERROR|FATAL|PANIC): {2}([0-9A-Z]{5}): ([\s\S]*)$/.exec(message);
  if (!match) return undefined;
  const [, code = "", rest = ""] = match;
  const parts: { name: string; text: string }[] = [{ name: "MESSAGE", text: "" }];
  for (const line of rest.split("\n")) {
    const head = /^(LINE \d+|DETAIL|HINT|QUERY|CONTEXT): {1,2}/.exec(line);
    if (head) parts.push({ name: head[1] as string, text: line.slice(head[0].length) });
    else {
      const last = parts.at(-1) as { text: string };
      last.text += last.text === "" && parts.length === 1 ? line : `\n${line}`;
    }
  }
  const part = (name: string): string | undefined =>
    parts.find((found) => found.name === name)?.text.trimEnd();
  if (code.startsWith("28")) return refusedLogin(part("MESSAGE") ?? "");
  const fields: Partial<ErrorFields> = {};
  for (const [name, field] of formatted) {
    const text = part(name);
    if (text !== undefined) fields[field] = text;
  }
  const line = parts.find(({ name }) => name.startsWith("LINE "));
  const position = line && positionOf(Number(line.name.slice(5)), line.name.length + 2, line.text, query);
  if (position !== undefined) fields.position = position;
  return new PgError(code, part("MESSAGE") ?? "", fields);
}

const formatted = [
  ["DETAIL", "detail"],
  ["HINT", "hint"],
  ["QUERY", "internalQuery"],
  ["CONTEXT", "where"],
] as const;

/** The position that a caret below a line points at. */
function positionOf(line: number, head: number, text: string, query: string): number | undefined {
  const caret = /\n( *)\^/.exec(text)?.[1]?.length;
  const lines = query.split("\n");
  if (caret === undefined || line < 1 || line > lines.length) return undefined;
  const before = lines.slice(0, line - 1).reduce((length, one) => length + [...one].length + 1, 0);
  return before + Math.max(caret - head, 0) + 1;
}

/** Errors of the API, of its connection to the database, and of what stands before it. */
function apiError(status: number, code: string | undefined, message: string): Refusal {
  const detail = `Status ${status}${message === "" ? "" : `: ${message}`}`;
  const final = (error: PgError): Refusal => ({ error, retry: "never" });
  if (code === "RESULT_SIZE_EXCEEDED") {
    return final(
      new PgError(sqlstate.programLimitExceeded, "the result is too large for the API", {
        detail,
        hint: "Select fewer rows or columns. Whether a change of data has taken effect is not known.",
      }),
    );
  }
  if (status === 413 || /request body is too large/i.test(message)) {
    return final(
      new PgError(sqlstate.programLimitExceeded, "the statement is too large for the API", { detail }),
    );
  }
  if (status === 401 || status === 403) return final(refusedLogin(detail));
  if (status === 404) {
    return final(
      new PgError(
        sqlstate.sqlclientUnableToEstablishSqlconnection,
        "the API knows no such project or address",
        { detail },
      ),
    );
  }
  if (/sorry, too many clients already|remaining connection slots are reserved/i.test(message)) {
    return { error: new PgError(sqlstate.tooManyConnections, message), retry: "later" };
  }
  if (status === 429) {
    return {
      error: new PgError(sqlstate.insufficientResources, "the API takes no more requests for now", {
        detail,
        hint: "Supabase's Management API takes 60 requests a minute.",
      }),
      retry: "later",
    };
  }
  if (status === 408 || /query read timeout/i.test(message)) {
    return final(
      new PgError(sqlstate.queryCanceled, "canceling statement due to the API's time limit", {
        detail: "Whether the statement has run is not known.",
      }),
    );
  }
  if (unreachable.test(message) || (code !== undefined && unreachable.test(code))) {
    return final(
      new PgError(
        sqlstate.sqlclientUnableToEstablishSqlconnection,
        "the API could not reach the database server",
        { detail },
      ),
    );
  }
  return final(new PgError(sqlstate.systemError, "the API refused the request", { detail }));
}

const unreachable =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$|connect (ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)|getaddrinfo|terminated due to connection timeout|password authentication failed/i;

export function badAnswer(what: string): PgError {
  return new PgError(sqlstate.systemError, "the API gave an answer that cannot be read", {
    detail: `${what[0]?.toUpperCase()}${what.slice(1)}.`,
  });
}
