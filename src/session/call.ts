/**
 * One run of statements, from a Query or Sync to its ReadyForQuery: what CancelRequest and time-outs abort. The client
 * is answered at once even if the upstream does not heed the signal.
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { Call, ClientContext } from "./upstream.ts";

export class RunningCall implements Call {
  readonly client: ClientContext;
  #controller: AbortController | undefined;
  #reason: PgError | undefined;
  #rejectRace: ((reason: PgError) => void) | undefined;
  #done = false;

  constructor(client: ClientContext) {
    this.client = client;
  }

  /** Made when it is first asked for: most upstream calls of a process-local upstream never do. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  cancel(reason: "user" | "timeout"): void {
    if (this.#done) return;
    this.abort(
      new PgError(
        sqlstate.queryCanceled,
        reason === "user"
          ? "canceling statement due to user request"
          : "canceling statement due to statement timeout",
      ),
    );
  }

  abort(reason: PgError): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#rejectRace?.(reason);
  }

  /** What it ran is committed, and its results are at hand: a cancel comes too late to say that it did not happen. */
  done(): void {
    this.#done = true;
  }

  /** Throws if the call was aborted. */
  check(): void {
    if (this.#reason) throw this.#reason;
  }

  /** The value of an upstream's promise, or the reason why the call was aborted, whichever comes first. */
  race<Value>(promise: PromiseLike<Value>): Promise<Value> {
    if (this.#reason) {
      // Nobody waits for it any more; without this its failure would be an unhandled rejection.
      promise.then(undefined, () => {});
      throw this.#reason;
    }
    return new Promise((resolve, reject) => {
      this.#rejectRace = reject;
      promise.then(resolve, reject);
    });
  }
}

/**
 * Goes on with a value: at once if it is there, else when it comes. Most upstream calls of a process-local upstream are
 * answered at once, and a promise for each step of each message would cost more than the rest of the session.
 */
export function after<Value, Next>(
  value: Value | Promise<Value>,
  next: (value: Value) => Next | Promise<Next>,
): Next | Promise<Next> {
  return isPromise(value) ? (value as Promise<Value>).then(next) : next(value);
}

/** Runs work that may wait; its error, thrown now or later, goes to `failed`, which throws in its place. */
export function guard<Value>(
  work: () => Value | Promise<Value>,
  failed: (error: unknown) => never,
): Value | Promise<Value> {
  try {
    const value = work();
    return isPromise(value) ? (value as Promise<Value>).catch(failed) : value;
  } catch (error) {
    return failed(error);
  }
}

/** Whether an upstream answered with a promise: only then is anything awaited. */
export function isPromise<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as { then?: unknown } | undefined)?.then === "function";
}
