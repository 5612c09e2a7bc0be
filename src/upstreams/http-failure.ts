/** What any API over HTTP fails with: a connection that breaks, an answer of any shape. */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** What Node and its undici say before a connection stands; Deno's fetch says it in words. */
const refusals: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_SOCKET_CONNECTION_TIMEOUT",
]);

/** Whether an error of fetch came before anything was sent, so that another try cannot run a statement twice. */
export function neverSent(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === "string" && refusals.has(code)) return true;
    if (/client error \(Connect\)/.test(at.message)) return true;
  }
  return false;
}

/** The error that the client is told for one of fetch. */
export function connectionError(cause: unknown, url: string): PgError {
  if (cause instanceof PgError) return cause;
  const { host } = new URL(url);
  return neverSent(cause)
    ? new PgError(sqlstate.sqlclientUnableToEstablishSqlconnection, `could not reach ${host}`, {}, { cause })
    : new PgError(
        sqlstate.connectionFailure,
        `the connection to ${host} failed`,
        { detail: "Whether the statement has run is not known." },
        { cause },
      );
}

/** The fields of an answer that should be a JSON object; none of one that is not. */
export function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
