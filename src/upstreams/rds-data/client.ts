/** The client of the RDS Data API: five routes, JSON both ways. Signing is the caller's. */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { connectionError } from "../http-failure.ts";
import { wait } from "../wait.ts";
import type { DataApiResponse, ExecuteResponse, Route, SignedFetch, SqlParameter } from "./api.ts";
import { type ApiError, readError } from "./errors.ts";

export interface DataApiOptions {
  /** `https://rds-data.eu-west-1.amazonaws.com` */
  readonly endpoint: string;
  readonly resourceArn: string;
  readonly secretArn: string;
  readonly database?: string | undefined;
  readonly signedFetch: SignedFetch;
  /**
   * Milliseconds before each further try while a cluster that was scaled to zero wakes up. Default: about 40 seconds in
   * all.
   */
  readonly resumeDelays?: readonly number[] | undefined;
  /** Milliseconds until an answer must be there. Default 60,000: the API itself ends a statement after 45 seconds. */
  readonly timeout?: number | undefined;
}

/** A result, or the API's refusal of it. */
export type Answer =
  | { readonly type: "result"; readonly result: ExecuteResponse }
  | ({ readonly type: "refused" } & ApiError);

const resumeDelays = [500, 1_000, 2_000, 4_000, 8_000, 12_000, 12_000];
/** The API's limit of a request, headers included. */
const maxRequestBytes = 4 * 1024 * 1024 - 16 * 1024;

const encoder = new TextEncoder();

export class DataApi {
  readonly #options: DataApiOptions;

  constructor(options: DataApiOptions) {
    this.#options = options;
  }

  /** Runs one statement; without a transaction it is committed by itself. @throws PgError where no answer came */
  async execute(
    sql: string,
    parameters: readonly SqlParameter[],
    transactionId: string | undefined,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { database } = this.#options;
    const answer = await this.#post<ExecuteResponse>(
      "Execute",
      {
        ...(database !== undefined && { database }),
        sql,
        includeResultMetadata: true,
        // A JSON number has no room for every int8, nor for any numeric.
        resultSetOptions: { decimalReturnType: "STRING", longReturnType: "STRING" },
        ...(parameters.length > 0 && { parameters }),
        ...(transactionId !== undefined && { transactionId }),
      },
      signal,
    );
    return answer;
  }

  async begin(signal: AbortSignal): Promise<string> {
    const { database } = this.#options;
    const body = database === undefined ? {} : { database };
    const answer = await this.#post<{ transactionId?: unknown }>("BeginTransaction", body, signal);
    if (answer.type === "refused") throw answer.error;
    const { transactionId } = answer.result as { transactionId?: unknown };
    if (typeof transactionId !== "string") throw badAnswer("A transaction has no id.");
    return transactionId;
  }

  end(
    route: "CommitTransaction" | "RollbackTransaction",
    transactionId: string,
    signal: AbortSignal,
  ): Promise<Answer> {
    return this.#post(route, { transactionId }, signal);
  }

  async #post<Result>(
    route: Route,
    fields: object,
    signal: AbortSignal,
  ): Promise<{ type: "result"; result: Result } | ({ type: "refused" } & ApiError)> {
    const { endpoint, resourceArn, secretArn } = this.#options;
    const body = JSON.stringify({ resourceArn, secretArn, ...fields });
    // A character is at most three bytes.
    if (body.length * 3 > maxRequestBytes && encoder.encode(body).length > maxRequestBytes) {
      throw new PgError(sqlstate.programLimitExceeded, "the statement is too large for the RDS Data API", {
        detail: "A request has 4 MiB at the most, its parameters included.",
      });
    }
    const delays = this.#options.resumeDelays ?? resumeDelays;
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      const { status, type, text } = await this.#send(`${endpoint}/${route}`, body, signal);
      if (status === 200) return { type: "result", result: readJson(text) as Result };
      const refused = readError(status, type, text);
      const delay = delays[attempt];
      if (refused.refusal !== "resuming" || delay === undefined) return { type: "refused", ...refused };
      await wait(delay, signal);
    }
  }

  async #send(
    url: string,
    body: string,
    signal: AbortSignal,
  ): Promise<{ status: number; type: string | null; text: string }> {
    const limited = new AbortController();
    const abort = (): void => limited.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const timer = setTimeout(() => limited.abort(timedOut()), this.#options.timeout ?? 60_000);
    try {
      const headers = { "content-type": "application/json" };
      const request = { url, method: "POST", headers, body, signal: limited.signal } as const;
      const response: DataApiResponse = await this.#options.signedFetch(request);
      const text = await response.text();
      return { status: response.status, type: response.headers.get("x-amzn-errortype"), text };
    } catch (cause) {
      // Runtimes wrap an abort, or not.
      if (limited.signal.aborted) throw limited.signal.reason;
      throw connectionError(cause, url);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }
}

/** An integer beyond what a double can hold is left as its digits. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(/\d{16}/.test(text) ? text.replace(longNumbers, quoteNumber) : text);
  } catch {
    throw badAnswer("It is not JSON.");
  }
}

/** Strings, which are left alone, and numbers of many digits. */
const longNumbers = /"(?:[^"\\]|\\.)*"|(?<![\d.])-?\d{16,}(?![\d.eE])/g;

function quoteNumber(token: string): string {
  return token.startsWith('"') ? token : `"${token}"`;
}

function timedOut(): PgError {
  return new PgError(sqlstate.connectionFailure, "the RDS Data API did not answer in time", {
    detail: "Whether the statement has run is not known.",
  });
}

export function badAnswer(detail: string): PgError {
  return new PgError(sqlstate.systemError, "the RDS Data API gave an answer that cannot be read", { detail });
}
