/**
 * A session of the server, reached through the WebSocket tunnel: statements of one client while it needs a session. What
 * arrives without having been asked for (notices, notifications, settings) is the client's, too.
 */
import {
  type ClientRequest,
  type Connection,
  cancel,
  type OpenStream,
  prepare,
  query,
  type TlsOptions,
} from "../../client/mod.ts";
import { writeBind, writeParse } from "../../client/query.ts";
import type {
  ClientContext,
  Description,
  Result,
  Row,
  Statement,
  StatementText,
} from "../../session/upstream.ts";
import { fatal, PgError } from "../../wire/error.ts";
import { constantFrames, encodeFrontend } from "../../wire/mod.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { Writer } from "../../wire/writer.ts";
import type { Pool } from "../wire/pool.ts";
import type { Plan } from "./plan.ts";
import { CopyStatement } from "./tunnel-copy.ts";
import { columnOf, RowsRequest } from "./tunnel-rows.ts";

/** How a cancel request reaches the server. */
export interface CancelRoute extends TlsOptions {
  readonly open: OpenStream;
}

/** Rows that a portal is asked for at first; then as many as make up the bytes. */
const firstBatch = 1_000;
const batchBytes = 1024 * 1024;
const maxBatch = 20_000;

/** Whether a session holds what cannot be made anew in another one. */
const holds = `
  SELECT NULL, (EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = pg_catalog.pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = pg_catalog.pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)
    OR EXISTS (SELECT FROM pg_catalog.pg_prepared_statements)
    OR EXISTS (SELECT FROM pg_catalog.pg_listening_channels())
    OR EXISTS (SELECT FROM pg_catalog.pg_locks
      WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid())
    OR pg_catalog.current_setting('role') <> 'none'
    OR session_user <> $USER$)::pg_catalog.text`;

/** What can: its settings. */
const settings = `
  SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings
    WHERE source = 'session' AND setting IS DISTINCT FROM reset_val
      AND name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')`;

/** What a session holds beyond what a fresh one has. */
export interface Held {
  /** It cannot be given up. */
  readonly pinned: boolean;
  /** By name. */
  readonly settings: ReadonlyMap<string, string>;
}

interface Running {
  readonly over: Promise<void>;
  readonly ended: boolean;
  abandon(): void;
  unbind?(): void;
}

export class Tunnel {
  readonly #connection: Connection;
  readonly #pool: Pool;
  readonly #route: CancelRoute;
  readonly #cancels: Set<Promise<void>> = new Set();
  /** Portals of this transaction that are at their end: closed with the next request. */
  #ended: string[] = [];
  #portals = 0;
  #running: Running | undefined;

  private constructor(connection: Connection, pool: Pool, route: CancelRoute) {
    this.#connection = connection;
    this.#pool = pool;
    this.#route = route;
  }

  /** @throws PgError, never FATAL: the client's own session goes on without */
  static async open(
    pool: Pool,
    route: CancelRoute,
    settings: Readonly<Record<string, string>>,
    client: ClientContext,
    signal: AbortSignal,
  ): Promise<Tunnel> {
    let connection: Connection | undefined;
    const own = (): number | undefined => connection?.processId;
    try {
      connection = await pool.acquire(settings, signal, {
        onNotice: ({ message, ...fields }) => client.notice(message, fields),
        onNotification: (channel, payload, processId) =>
          client.notify(channel, payload, processId === own() ? client.processId : processId),
        onParameter: (name, value) => client.setParameter(name, value),
      });
    } catch (error) {
      throw forClient(PgError.from(error));
    }
    return new Tunnel(connection, pool, route);
  }

  get parameters(): ReadonlyMap<string, string> {
    return this.#connection.parameters;
  }

  /** The server, or the way to it, is gone, and the session with all that it held. */
  get closed(): boolean {
    return this.#connection.closed;
  }

  /** The server's session is in a transaction, be it a failed one. */
  get inTransaction(): boolean {
    return this.#connection.status !== "I";
  }

  /** Settles when the last statement is over: its rows taken, or not wanted any more. */
  get over(): Promise<void> {
    return this.#running?.over ?? Promise.resolve();
  }

  /** Runs a statement whose result is not wanted, such as BEGIN. @throws PgError */
  async command(sql: string, signal: AbortSignal): Promise<void> {
    await this.#free();
    const done = query(this.#connection, sql);
    const over = done.then(
      () => {},
      () => {},
    );
    await this.#guarded(done, { over, ended: false, abandon() {} }, signal);
  }

  /** Runs a statement. In a transaction its result may be left half read while others run. @throws PgError */
  async run(statement: Statement, plan: Plan, inTransaction: boolean, signal: AbortSignal): Promise<Result> {
    await this.#free();
    signal.throwIfAborted();
    if (plan.kind.type === "copy" && plan.kind.direction !== "file") {
      const copy = new CopyStatement(this.#connection, statement.sql);
      return this.#guarded(copy.begun, copy, signal);
    }
    const portal = inTransaction && mayBeLong(plan) ? `edgewire_${++this.#portals}` : "";
    const request = this.#request(new RowsRequest(), (writer) => {
      writeParse(writer, "", statement);
      writeBind(writer, portal, "", statement);
      encodeFrontend(writer, { type: "Describe", kind: "P", name: portal });
      encodeFrontend(writer, { type: "Execute", portal, maxRows: portal === "" ? 0 : firstBatch });
    });
    await this.#guarded(request.begun, request, signal);
    // These are described by what they run: in a simple query, as most are, the error comes before that.
    const described = plan.kind.type !== "fetch" && plan.kind.type !== "execute";
    if (request.error && !described) throw request.error;
    return this.#resultOf(request, portal, plan, signal);
  }

  /** Parses and describes a statement without running it. @throws PgError */
  async describe({ sql, parameterTypes }: StatementText): Promise<Description> {
    await this.#free();
    const { parameterTypes: types, fields } = await prepare(this.#connection, "", { sql, parameterTypes });
    return { parameterTypes: types, columns: fields?.map(columnOf) };
  }

  /** Sets settings, for the rest of the session. @throws PgError */
  async set(values: ReadonlyMap<string, string>, signal: AbortSignal): Promise<void> {
    const calls = [...values].map(
      ([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, false)`,
    );
    if (calls.length > 0) await this.command(`SELECT ${calls.join(", ")}`, signal);
  }

  /** Asks the server what the session holds; `custom`: settings that it does not list. */
  async held(user: string, custom: Iterable<string>): Promise<Held> {
    await this.#free();
    const unlisted = [...custom].map(
      (name) => `SELECT ${literal(name)}, pg_catalog.current_setting(${literal(name)}, true)`,
    );
    const parts = [holds.replace("$USER$", literal(user)), settings, ...unlisted];
    const [result] = await query(this.#connection, parts.join(" UNION ALL "));
    const [[, pinned] = [], ...values] = (result?.rows ?? []) as (string | null)[][];
    const found = new Map<string, string>();
    for (const [name, value] of values) if (name && typeof value === "string") found.set(name, value);
    return { pinned: pinned !== "false", settings: found };
  }

  /** Gives the connection to others; `clean` if there is nothing under way. */
  async release(clean: boolean): Promise<void> {
    const running = this.#running;
    if (running && !running.ended && !clean) this.#cancel();
    await Promise.all(this.#cancels);
    await this.#pool.release(this.#connection, clean && this.#connection.status === "I");
  }

  /** A transaction has ended, and its portals with it. */
  transactionEnded(): void {
    this.#ended = [];
  }

  // --- requests ---

  /** Before anything is sent: what may still wait for its reader shall not keep it waiting. */
  async #free(): Promise<void> {
    if (this.#connection.closed) throw lost();
    this.#running?.unbind?.();
    // A cancel request that is still on its way would hit the next statement.
    if (this.#cancels.size > 0) await Promise.all(this.#cancels);
  }

  #request<Made extends ClientRequest>(request: Made, send: (writer: Writer) => void): Made {
    const ended = this.#ended;
    this.#ended = [];
    this.#connection.request(
      (writer) => {
        for (const name of ended) encodeFrontend(writer, { type: "Close", kind: "P", name });
        send(writer);
        writer.raw(constantFrames.sync);
      },
      request,
      { sync: true },
    );
    return request;
  }

  /** What the promise gives. Where the call is given up, the server is told to stop, and nobody takes the result. */
  async #guarded<Value>(promise: Promise<Value>, running: Running, signal: AbortSignal): Promise<Value> {
    this.#running = running;
    const abort = (): void => {
      running.abandon();
      if (!running.ended) this.#cancel();
    };
    signal.addEventListener("abort", abort);
    running.over.then(() => signal.removeEventListener("abort", abort));
    if (signal.aborted) abort();
    return promise;
  }

  #resultOf(request: RowsRequest, portal: string, plan: Plan, signal: AbortSignal): Result {
    const { columns } = request;
    if (!columns) return { type: "command", tag: request.tag };
    const tag = (request.tag || guessedTag(plan)).replace(/ \d+$/, "");
    if (request.complete) {
      if (portal !== "") this.#ended.push(portal);
      return { type: "rows", columns, rows: request.all(), tag };
    }
    return { type: "rows", columns, rows: this.#batches(request, portal, plan, signal), tag };
  }

  /** The rows of a portal, a batch after the other; or those of one request. */
  #batches(first: RowsRequest, portal: string, plan: Plan, signal: AbortSignal): AsyncIterable<Row[]> {
    let request = first;
    let waiting = false;
    let closed = false;
    const close = (): void => {
      if (closed) return;
      closed = true;
      if (portal !== "") this.#ended.push(portal);
      if (request.ended) return;
      request.abandon();
      // Who gives up waiting was cancelled. Otherwise all is run to its end, unless it only reads.
      if (waiting || (portal === "" && plan.harmless)) this.#cancel();
    };
    const next = async (): Promise<IteratorResult<Row[]>> => {
      while (!closed) {
        const rows = await request.next();
        if (rows) return { done: false, value: rows };
        if (!request.suspended) break;
        await this.#free();
        request = this.#nextBatch(request, portal);
        this.#guarded(request.begun, request, signal).catch(() => {});
      }
      close();
      return { done: true, value: undefined };
    };
    const iterator: AsyncIterator<Row[]> = {
      async next() {
        waiting = true;
        try {
          return await next();
        } finally {
          waiting = false;
        }
      },
      async return() {
        close();
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  #nextBatch({ rowSize, columns }: RowsRequest, portal: string): RowsRequest {
    const fitting = Math.floor(batchBytes / Math.max(rowSize, 1));
    const maxRows = Math.min(maxBatch, Math.max(100, fitting));
    return this.#request(new RowsRequest(columns), (writer) =>
      encodeFrontend(writer, { type: "Execute", portal, maxRows }),
    );
  }

  #cancel(): void {
    if (this.#connection.closed) return;
    const sent = this.#sendCancel().catch(() => {});
    this.#cancels.add(sent);
    sent.then(() => this.#cancels.delete(sent));
  }

  async #sendCancel(): Promise<void> {
    const { open, ...tls } = this.#route;
    await cancel(await open(), this.#connection, tls);
  }
}

/** Whether a statement's result is read from a portal of its own, so that others can run in the meantime. */
function mayBeLong({ kind }: Plan): boolean {
  switch (kind.type) {
    case "other":
      return kind.returnsRows !== false;
    case "fetch":
    case "execute":
      return true;
    default:
      return false;
  }
}

/** The tag of a result that is handed on before its end. */
function guessedTag({ kind }: Plan): string {
  if (kind.type === "fetch") return "FETCH";
  if (kind.type === "show") return "SHOW";
  if (kind.type !== "other") return "SELECT";
  return kind.verb === "INSERT" ? "INSERT 0" : kind.verb || "SELECT";
}

function literal(text: string): string {
  // Whatever standard_conforming_strings is.
  return `E'${text.replaceAll(/['\\]/g, "$&$&")}'`;
}

function lost(): PgError {
  return fatal(sqlstate.connectionFailure, "the connection to the database was lost", {
    detail: "What the session held (a transaction, settings, temporary tables, LISTEN) is gone with it.",
  });
}

/** The gateway's own password is not the client's, and the client's session goes on. */
function forClient(error: PgError): PgError {
  const { code, message, ...fields } = error.fields;
  if (code.startsWith("28")) {
    return new PgError(
      sqlstate.sqlclientUnableToEstablishSqlconnection,
      "the gateway could not log in to the database server",
      {},
      { cause: error },
    );
  }
  return new PgError(code, message, { ...fields, severity: "ERROR" }, { cause: error });
}
