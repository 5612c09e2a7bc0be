/** What a session does with the next message depends on its phase: startup, or one of the two ways to serve queries. */
import type { Frame } from "../wire/framer.ts";
import type { PreparedSnapshot } from "./prepared.ts";

export interface Phase {
  /** Takes the next message. A promise: no further message is given before it settles. */
  receive(frame: Frame): void | Promise<void>;
  /** All messages at hand were given. A promise is back-pressure. */
  drained?(): void | Promise<void>;
  /** The next message is broken: answers those before it, as PostgreSQL does, before the session ends. */
  settle?(): void | Promise<void>;
  /** CancelRequest, or the statement time-out (`reason` says which). */
  cancel(reason?: "user" | "timeout"): void;
  /** The client is gone: roll back, let go of statements, portals, timers and the upstream. */
  close(): void | Promise<void>;
  /** Answers are still to come that no promise of `receive` or `drained` stands for. */
  readonly answering?: boolean;
  /** No statement is running and none is half received: a shutdown may end the session now. */
  readonly idle: boolean;
  /** Nothing is open, outside of a transaction: the session may be suspended. */
  readonly resting?: boolean;
  /** The prepared statements, where the session keeps them, for one that is suspended. */
  prepared?(): readonly PreparedSnapshot[];
}
