/** What the query phases need of the session around them. */
import type { PgError } from "../wire/error.ts";
import type { Client } from "./client.ts";
import type { SessionLimits } from "./limits.ts";
import type { Output } from "./output.ts";
import type { TransactionStatus } from "./upstream.ts";

export interface PhaseHost {
  readonly output: Output;
  readonly client: Client;
  readonly limits: SessionLimits;
  /** A ReadyForQuery was written. `settings`: those that the session keeps itself, time-outs among them. */
  ready(status: TransactionStatus, settings?: ReadonlyMap<string, string>): void;
  /** Everything is answered that was sent whole. */
  waiting(): void;
  /** Ends the session with a FATAL error. */
  fail(error: unknown): void;
  /** Passes an error by the operator's hook. */
  error(cause: unknown): PgError;
}
