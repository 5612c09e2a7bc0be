/**
 * The client of SQL over HTTP, as Neon's proxy speaks it, and Xata, Vercel and edgewire's own /sql after it: a statement
 * or a batch of them in one POST, values as PostgreSQL's text, rows as arrays (which keep columns of equal names).
 */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { Fetch } from "../fetch.ts";
import { connectionError, neverSent } from "../http-failure.ts";
import { answerError, badAnswer, type Refusal, tooLargeRequest } from "./http-error.ts";

export interface SqlHttpOptions {
  /** Where to post: `https://api.region.aws.neon.tech/sql`. */
  readonly url: string;
  /** Who asks, and for which database; the endpoint takes nothing else of it. */
  readonly connectionString: string;
  /** Default: the global one. */
  readonly fetch?: Fetch | undefined;
  /** Milliseconds until an answer must be complete. Default 300,000; 0 waits for ever. */
  readonly timeout?: number | undefined;
}

export interface SqlHttpStatement {
  readonly sql: string;
  /** As text; their types are what the server makes of them. */
  readonly parameters: readonly (string | null)[];
}

export interface SqlHttpField {
  readonly name: string;
  readonly dataTypeID: number;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeSize: number;
  readonly dataTypeModifier: number;
}

export interface SqlHttpResult {
  readonly fields: readonly SqlHttpField[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** Of the command tag, where that has one. */
  readonly rowCount: number | undefined;
}

/** Results are those of all statements of the request, which are committed. */
export type SqlHttpAnswer =
  | { readonly type: "results"; readonly results: readonly SqlHttpResult[] }
  | Refusal;

/** What the endpoints take by default, in bytes. */
const maxRequestBytes = 10 * 1024 * 1024;

/** Milliseconds before each further try to reach an endpoint that nothing has been sent to. */
const retryDelays = [100, 400];

const encoder = new TextEncoder();

export class SqlHttp {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #fetch: Fetch;
  readonly #timeout: number;

  constructor(options: SqlHttpOptions) {
    this.#url = options.url;
    this.#headers = {
      "content-type": "application/json",
      "neon-connection-string": options.connectionString,
      "neon-raw-text-output": "true",
      "neon-array-mode": "true",
    };
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init));
    this.#timeout = options.timeout ?? 300_000;
  }

  /** The result of one statement, committed by itself. @throws PgError */
  async query(statement: SqlHttpStatement, signal: AbortSignal): Promise<SqlHttpResult> {
    const answer = await this.run([statement], signal);
    if (answer.type === "results") return answer.results[0] as SqlHttpResult;
    throw answer.error;
  }

  /** Runs statements, several as one transaction. @throws PgError where what has become of them is not known */
  run(statements: readonly SqlHttpStatement[], signal: AbortSignal): Promise<SqlHttpAnswer> {
    const bodies = statements.map(bodyOf);
    const body = bodies.length === 1 ? (bodies[0] as string) : `{"queries":[${bodies.join(",")}]}`;
    return this.#post(body, statements.length, signal);
  }

  async #post(body: string, count: number, signal: AbortSignal): Promise<SqlHttpAnswer> {
    // A character is at most three bytes.
    if (body.length * 3 > maxRequestBytes && encoder.encode(body).length > maxRequestBytes) {
      const detail = `A request has ${maxRequestBytes} bytes at the most, its parameters included.`;
      return { type: "tooLarge", part: "request", error: tooLargeRequest(detail) };
    }
    signal.throwIfAborted();
    const limited = new AbortController();
    const abort = (): void => limited.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const timer = this.#timeout > 0 ? setTimeout(() => limited.abort(timedOut()), this.#timeout) : undefined;
    try {
      const { status, text } = await this.#send(body, limited.signal);
      return readAnswer(status, text, count);
    } catch (error) {
      // Runtimes wrap an abort, or not.
      if (limited.signal.aborted) throw limited.signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  async #send(body: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
    for (let attempt = 0; ; attempt++) {
      try {
        const init = { method: "POST", headers: this.#headers, body, signal } as const;
        const response = await this.#fetch(this.#url, init);
        return { status: response.status, text: await response.text() };
      } catch (error) {
        const delay = retryDelays[attempt];
        if (signal.aborted || delay === undefined || !neverSent(error))
          throw connectionError(error, this.#url);
        await new Promise<void>((resolve) => setTimeout(resolve, delay));
        signal.throwIfAborted();
      }
    }
  }
}

function bodyOf({ sql, parameters }: SqlHttpStatement): string {
  return JSON.stringify({ query: sql, params: parameters });
}

function timedOut(): PgError {
  return new PgError(sqlstate.connectionFailure, "the database's HTTP endpoint did not answer in time", {
    detail: "Whether the statement has run is not known.",
  });
}

/** @throws PgError for what is no answer of a database */
function readAnswer(status: number, text: string, count: number): SqlHttpAnswer {
  if (status !== 200) return answerError(status, text);
  const value = parse(text);
  const results = isObject(value) && Array.isArray(value.results) ? value.results : [value];
  if (results.length !== count) throw badAnswer(`${results.length} results for ${count} statements`);
  return { type: "results", results: results.map(readResult) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badAnswer("it is not JSON");
  }
}

function readResult(value: unknown): SqlHttpResult {
  if (!isObject(value) || !Array.isArray(value.fields) || !Array.isArray(value.rows)) {
    throw badAnswer("it has no fields or no rows");
  }
  const { fields, rows, rowCount } = value;
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== fields.length)
      throw badAnswer("a row is no array of its fields");
    for (const cell of row) {
      if (cell !== null && typeof cell !== "string") throw badAnswer("a value is no text");
    }
  }
  return {
    fields: fields.map(readField),
    rows,
    rowCount: typeof rowCount === "number" ? rowCount : undefined,
  };
}

/** Xata's and older endpoints leave some of it out. */
function readField(value: unknown): SqlHttpField {
  if (!isObject(value) || typeof value.name !== "string") throw badAnswer("a field has no name");
  const number = (name: string, missing: number): number => {
    const found = value[name];
    return typeof found === "number" ? found : missing;
  };
  return {
    name: value.name,
    dataTypeID: number("dataTypeID", 25),
    tableID: number("tableID", 0),
    columnID: number("columnID", 0),
    dataTypeSize: number("dataTypeSize", -1),
    dataTypeModifier: number("dataTypeModifier", -1),
  };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
