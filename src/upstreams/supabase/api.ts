/**
 * The client of the two APIs, which are one: postgres-meta's `/query`, and the Management API's `/database/query` before
 * it. A text of SQL goes out, the rows of its last statement that has any come back.
 */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { Fetch } from "../fetch.ts";
import { connectionError, neverSent } from "../http-failure.ts";
import { wait } from "../wait.ts";
import { badAnswer, type Refusal, readError } from "./errors.ts";
import { column } from "./script.ts";

export interface SupabaseApiOptions {
  /** `https://api.supabase.com/v1/projects/{ref}/database/query`, or a postgres-meta's `http://host:port/query`. */
  readonly endpoint: string;
  /** An access token, sent as a bearer's; or the key of a gateway before postgres-meta, sent as `apikey`, too. */
  readonly token?: string | undefined;
  /** Further headers, such as postgres-meta's `pg`, which names the database. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** By the Management API's own user that may only read. */
  readonly readOnly?: boolean | undefined;
  /** Bytes that a request may have. Default 3 MiB, which is postgres-meta's. */
  readonly maxRequestBytes?: number | undefined;
  /** Default: the global one. */
  readonly fetch?: Fetch | undefined;
  /** Milliseconds until an answer must be complete. Default 120,000; 0 waits for ever. */
  readonly timeout?: number | undefined;
  /** Milliseconds before each further try of what the API is too busy for. Default: about 40 seconds in all. */
  readonly retryDelays?: readonly number[] | undefined;
}

const maxRequestBytes = 3 * 1024 * 1024;
const encoder = new TextEncoder();
/** The same where it was not reached. */
const connectDelays = [100, 400];
const retryDelays = [200, 1_000, 3_000, 9_000, 27_000];

export class SupabaseApi {
  readonly #options: SupabaseApiOptions;
  readonly #headers: Record<string, string>;

  constructor(options: SupabaseApiOptions) {
    this.#options = options;
    const { token } = options;
    this.#headers = {
      "content-type": "application/json",
      ...(token !== undefined && { authorization: `Bearer ${token}`, apikey: token }),
      ...options.headers,
    };
  }

  /** Runs a text, and gives the cells of the one column in it. @throws PgError */
  async run(query: string, signal: AbortSignal): Promise<string[]> {
    const rows = await this.raw(query, signal);
    return rows.map((row) => {
      const cell = row[column];
      if (typeof cell !== "string") throw badAnswer("a row has no text");
      return cell;
    });
  }

  /** Runs a text, and gives rows as the API has them. @throws PgError */
  async raw(query: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>[]> {
    const body = JSON.stringify(this.#options.readOnly ? { query, read_only: true } : { query });
    // A server that refuses it may do so by ending the connection, and then who knows what has run.
    const most = this.#options.maxRequestBytes ?? maxRequestBytes;
    // A character is at most three bytes.
    if (body.length * 3 > most && encoder.encode(body).length > most) throw tooLargeRequest(most);
    signal.throwIfAborted();
    const limited = new AbortController();
    const abort = (): void => limited.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const { timeout = 120_000 } = this.#options;
    const timer = timeout > 0 ? setTimeout(() => limited.abort(timedOut()), timeout) : undefined;
    try {
      return readRows(await this.#post(body, query, limited.signal));
    } catch (error) {
      // Runtimes wrap an abort, or not.
      if (limited.signal.aborted) throw limited.signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  async #post(body: string, query: string, signal: AbortSignal): Promise<string> {
    const delays = {
      never: [],
      soon: [...connectDelays],
      later: [...(this.#options.retryDelays ?? retryDelays)],
    };
    for (;;) {
      const { text, refusal } = await this.#send(body, query, signal);
      if (!refusal) return text;
      const delay = delays[refusal.retry].shift();
      if (delay === undefined) throw refusal.error;
      await wait(delay, signal);
    }
  }

  async #send(
    body: string,
    query: string,
    signal: AbortSignal,
  ): Promise<{ text: string; refusal: Refusal | undefined }> {
    const { endpoint, fetch: send = (url, init) => fetch(url, init) } = this.#options;
    try {
      const response = await send(endpoint, { method: "POST", headers: this.#headers, body, signal });
      const text = await response.text();
      const { status } = response;
      return { text, refusal: status === 200 || status === 201 ? undefined : readError(status, text, query) };
    } catch (error) {
      if (signal.aborted) throw error;
      return {
        text: "",
        refusal: { error: connectionError(error, endpoint), retry: neverSent(error) ? "soon" : "never" },
      };
    }
  }
}

function readRows(text: string): Readonly<Record<string, unknown>>[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    throw badAnswer("it is not JSON");
  }
  if (!Array.isArray(rows)) throw badAnswer("it has no rows");
  return rows;
}

function tooLargeRequest(most: number): PgError {
  return new PgError(sqlstate.programLimitExceeded, "the statement is too large for the API", {
    detail: `A request has ${most} bytes at the most, its parameters included.`,
  });
}

function timedOut(): PgError {
  return new PgError(sqlstate.connectionFailure, "the API did not answer in time", {
    detail: "Whether the statement has run is not known.",
  });
}
