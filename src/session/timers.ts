/**
 * A session's time-outs: authentication_timeout, idle_session_timeout, idle_in_transaction_session_timeout and
 * statement_timeout (PostgreSQL documentation, 19.3 and 19.11), with PostgreSQL's SQLSTATEs and texts.
 */
import { fatal, type PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { SessionLimits } from "./limits.ts";
import type { TransactionStatus } from "./upstream.ts";

export interface TimerTarget {
  /** Ends the session. */
  end(error: PgError): void;
  /** Cancels the running statement. */
  cancel(): void;
}

export class Timers {
  readonly #limits: SessionLimits;
  readonly #target: TimerTarget;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #statementTimer: ReturnType<typeof setTimeout> | undefined;
  #statementTimeout: number;

  constructor(limits: SessionLimits, target: TimerTarget) {
    this.#limits = limits;
    this.#target = target;
    this.#statementTimeout = limits.statementTimeout;
  }

  startup(expired: () => void): void {
    this.#arm(this.#limits.authenticationTimeout, expired);
  }

  /** Authentication is over. */
  started(): void {
    this.#disarm();
  }

  /** A message came. */
  busy(): void {
    if (this.#timer !== undefined) this.#disarm();
    if (this.#statementTimeout > 0 && this.#statementTimer === undefined) {
      this.#statementTimer = setTimeout(() => {
        // What comes behind a Flush, before the Sync, has a time of its own.
        this.#statementTimer = undefined;
        this.#target.cancel();
      }, this.#statementTimeout);
    }
  }

  /** ReadyForQuery was sent. `settings` may hold shorter times that the client has SET. */
  idle(status: TransactionStatus, settings?: ReadonlyMap<string, string>): void {
    if (this.#statementTimer !== undefined) clearTimeout(this.#statementTimer);
    this.#statementTimer = undefined;
    this.#statementTimeout = effective(this.#limits.statementTimeout, settings?.get("statement_timeout"));
    if (status === "I") {
      const time = effective(this.#limits.idleTimeout, settings?.get("idle_session_timeout"));
      if (time === 0) return this.#disarm();
      this.#arm(time, () =>
        this.#target.end(
          fatal(sqlstate.idleSessionTimeout, "terminating connection due to idle-session timeout"),
        ),
      );
    } else {
      const setting = settings?.get("idle_in_transaction_session_timeout");
      const time = effective(this.#limits.idleInTransactionTimeout, setting);
      if (time === 0) return this.#disarm();
      this.#arm(time, () =>
        this.#target.end(
          fatal(
            sqlstate.idleInTransactionSessionTimeout,
            "terminating connection due to idle-in-transaction timeout",
          ),
        ),
      );
    }
  }

  clear(): void {
    this.#disarm();
    if (this.#statementTimer !== undefined) clearTimeout(this.#statementTimer);
    this.#statementTimer = undefined;
  }

  #arm(milliseconds: number, expired: () => void): void {
    this.#disarm();
    if (milliseconds > 0) this.#timer = setTimeout(expired, milliseconds);
  }

  #disarm(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

const units: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of a time setting (`5s`, `1 min`, `250`), or undefined where it is none. */
export function milliseconds(value: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*$/.exec(value);
  if (!match) return undefined;
  return Math.round(Number(match[1]) * (units[match[2] ?? "ms"] ?? 1));
}

/** The client may shorten the operator's limit, not lengthen it. */
function effective(limit: number, setting: string | undefined): number {
  // "0", the default, is what nearly every session has at every ReadyForQuery.
  const asked = setting === undefined || setting === "0" ? 0 : (milliseconds(setting) ?? 0);
  if (asked === 0 || limit === 0) return asked || limit;
  return Math.min(asked, limit);
}
