/**
 * A session's time-outs: authentication_timeout, idle_session_timeout, idle_in_transaction_session_timeout and
 * statement_timeout (PostgreSQL documentation, 19.3 and 19.11), with PostgreSQL's SQLSTATEs and texts.
 */
import { fatal, type PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { SessionLimits } from "./limits.ts";
import { milliseconds } from "./setting-values.ts";
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
  #deadline = 0;

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

  /** When the client will have been idle for too long, in milliseconds of the clock. */
  get deadline(): number | undefined {
    return this.#timer === undefined ? undefined : this.#deadline;
  }

  /** A message came. */
  busy(): void {
    if (this.#timer !== undefined) this.#disarm();
    if (this.#statementTimeout > 0 && this.#statementTimer === undefined) {
      this.#statementTimer = setTimeout(
        () => {
          // What comes behind a Flush, before the Sync, has a time of its own.
          this.#statementTimer = undefined;
          this.#target.cancel();
        },
        Math.min(this.#statementTimeout, maxTime),
      );
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
      this.#arm(time, () => this.#target.end(idleTooLong()));
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

  #arm(time: number, expired: () => void): void {
    this.#disarm();
    if (time <= 0) return;
    this.#timer = setTimeout(expired, Math.min(time, maxTime));
    this.#deadline = Date.now() + time;
  }

  #disarm(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

export function idleTooLong(): PgError {
  return fatal(sqlstate.idleSessionTimeout, "terminating connection due to idle-session timeout");
}

/** Timers that are set to more run out at once. */
const maxTime = 0x7fffffff;

/** The client may shorten the operator's limit, not lengthen it. */
function effective(limit: number, setting: string | undefined): number {
  // "0", the default, is what nearly every session has at every ReadyForQuery.
  const asked = setting === undefined || setting === "0" ? 0 : (milliseconds(setting) ?? 0);
  if (asked === 0 || limit === 0) return asked || limit;
  return Math.min(asked, limit);
}
