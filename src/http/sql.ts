/**
 * POST /sql, compatible with Neon's SQL over HTTP: the body is one statement with its parameters, or a list of them that
 * is one transaction. Each request is a session of its own, so nothing is left behind: what a session keeps (LISTEN, an
 * open transaction) is refused.
 */
import { connect } from "../client/mod.ts";
import { writeBind, writeParse } from "../client/query.ts";
import type { Gateway, SessionHooks } from "../gateway/mod.ts";
import type { SessionOptions } from "../session/mod.ts";
import { fatal, PgError } from "../wire/error.ts";
import { constantFrames, encodeFrontend } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { Writer } from "../wire/writer.ts";
import { CheckedLogins } from "./checked-logins.ts";
import { openInProcess } from "./in-process.ts";
import { mayPass } from "./origins.ts";
import { type Credentials, readCredentials } from "./sql-credentials.ts";
import { jsonOfError, RequestError } from "./sql-error.ts";
import {
  beginStatement,
  modeHeaders,
  parseRequest,
  readBody,
  readModes,
  type SqlModes,
  type SqlRequest,
} from "./sql-request.ts";
import { SqlResults } from "./sql-results.ts";

export interface SqlOptions extends SessionHooks {
  readonly gateway: Gateway;
  /** Whose pages may ask; undefined: everybody's. */
  readonly origins?: readonly string[] | undefined;
  readonly maxRequestBytes?: number | undefined;
  readonly maxResponseBytes?: number | undefined;
  readonly maxConnections?: number | undefined;
}

const defaultMaxBytes = 10 * 1024 * 1024;
const defaultMaxConnections = 1_000;

/** The handler of /sql. */
export function sqlHandler(options: SqlOptions): (request: Request, address?: string) => Promise<Response> {
  const { gateway, limits, trace, onError, maxRequestBytes = defaultMaxBytes } = options;
  const { metrics } = gateway;
  const session = gateway.sessionsOver("http", { limits, trace, onError });
  const logins = new CheckedLogins(session.auth);
  let running = 0;

  async function run(request: Request, address: string | undefined): Promise<Response> {
    const header = (name: string): string | null => request.headers.get(name);
    const modes = readModes(header);
    const credentials = readCredentials(header);
    const statements = parseRequest(await readBody(request, maxRequestBytes), modes);
    metrics.statements(statements.statements.length);
    const { maxResponseBytes: maxBytes = defaultMaxBytes } = options;
    const { signal } = request;
    const body = await runStatements(
      { ...session, logins },
      { credentials, statements, modes, maxBytes, signal, address },
    );
    return answer(200, body, statements.batch ? modeHeaders(modes) : {});
  }

  return async (request, address) => {
    if (request.method === "OPTIONS") return preflight();
    if (request.method !== "POST") {
      return answer(405, jsonOfError({ message: "query is not supported: POST it" }), { allow });
    }
    const origin = request.headers.get("origin");
    if (!mayPass(options.origins, origin)) {
      return answer(403, jsonOfError({ message: `pages of ${origin} may not use this gateway` }));
    }
    try {
      if (++running > (options.maxConnections ?? defaultMaxConnections)) throw tooManyClients();
      return await run(request, address);
    } catch (cause) {
      if (request.signal.aborted) return answer(400, jsonOfError(hungUp));
      if (cause instanceof RequestError) return answer(cause.status, jsonOfError(cause));
      const { fields } =
        cause instanceof PgError ? cause : new PgError(sqlstate.internalError, "internal error");
      if (!(cause instanceof PgError)) onError?.(PgError.from(cause), cause);
      metrics.sqlError(fields.code);
      return answer(statusOf(fields.code), jsonOfError(fields));
    } finally {
      running--;
    }
  };
}

/** What nobody reads any more, in the words of Neon's proxy. */
const hungUp = { message: "Query cancelled, connection was terminated", code: sqlstate.protocolViolation };

interface Run {
  readonly credentials: Credentials;
  readonly statements: SqlRequest;
  readonly modes: SqlModes;
  readonly maxBytes: number;
  /** The client has hung up: what runs is cancelled. */
  readonly signal: AbortSignal;
  readonly address: string | undefined;
}

/** Runs the statements in a session. The JSON of their results. @throws PgError, RequestError */
async function runStatements(
  { logins, ...options }: SessionOptions & { readonly logins: CheckedLogins },
  { credentials, statements, modes, maxBytes, signal, address }: Run,
): Promise<string> {
  const login = logins.login(credentials.password);
  const { stream, session } = openInProcess({ ...options, auth: login }, address);
  const abort = (): void => session.end();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const { password, ...client } = credentials;
    const connection = await connect(stream, {
      ...client,
      ...(password !== undefined && { password }),
      sslMode: "disable",
      // The limits of the session are the ones that count.
      connectTimeout: 0,
    });
    try {
      await login.succeeded();
      const results = new SqlResults(statements, {
        rawText: modes.rawText,
        maxBytes,
        stop: () => connection.destroy(),
      });
      connection.request((writer) => write(writer, statements, modes), results, { sync: true, copyIn: true });
      const body = await results.done;
      if (connection.status !== "I") throw leftOpen();
      return body;
    } finally {
      connection.close();
    }
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** All of it in one pipeline, which an upstream may take as one request. */
function write(writer: Writer, { statements, batch }: SqlRequest, modes: SqlModes): void {
  if (batch) writeStatement(writer, beginStatement(modes), []);
  for (const { sql, parameters } of statements) writeStatement(writer, sql, parameters);
  if (batch) writeStatement(writer, "COMMIT", []);
  writer.raw(constantFrames.sync);
}

function writeStatement(writer: Writer, sql: string, parameters: readonly (string | null)[]): void {
  writeParse(writer, "", { sql });
  writeBind(writer, "", "", { parameters });
  encodeFrontend(writer, { type: "Describe", kind: "P", name: "" });
  encodeFrontend(writer, { type: "Execute", portal: "", maxRows: 0 });
}

/** A lone BEGIN: there is no next statement for it. It is rolled back with the session. */
function leftOpen(): PgError {
  return new PgError(sqlstate.featureNotSupported, "a transaction cannot stay open over HTTP", {
    detail: "The transaction that the statement began was rolled back.",
    hint: 'Send all its statements as one batch, {"queries": […]}, or connect over a WebSocket or TCP.',
  });
}

/** Where no change to the request would help, because of what lies behind the gateway or is too busy, it is a 5xx. */
function statusOf(code: string): number {
  if (code.startsWith("53")) return 503;
  return /^(08|58|XX)/.test(code) && code !== sqlstate.protocolViolation ? 500 : 400;
}

function tooManyClients(): PgError {
  return fatal(sqlstate.tooManyConnections, "sorry, too many clients already");
}

const cors = { "access-control-allow-origin": "*" };
const allow = "OPTIONS, POST";

function answer(status: number, body: string, headers: Record<string, string> = {}): Response {
  const all = { ...cors, ...headers, "content-type": "application/json", "cache-control": "no-store" };
  return new Response(body, { status, headers: all });
}

/** What a browser asks before a page's request. Anybody's pages may ask: credentials are in headers, never in cookies. */
function preflight(): Response {
  return new Response(null, {
    status: 200,
    headers: {
      ...cors,
      allow,
      "access-control-allow-methods": allow,
      "access-control-allow-headers":
        "Authorization, Content-Type, Neon-Connection-String, Neon-Raw-Text-Output, Neon-Array-Mode, Neon-Pool-Opt-In, " +
        "Neon-Batch-Read-Only, Neon-Batch-Isolation-Level, Neon-Batch-Deferrable",
      "access-control-expose-headers":
        "Neon-Batch-Read-Only, Neon-Batch-Isolation-Level, Neon-Batch-Deferrable",
      "access-control-max-age": "86400",
    },
  });
}
