/** The bounds of one session: sizes, counts and times. PostgreSQL's own numbers where it has them. */

import { largeMessageLimit } from "../wire/limits.ts";

export interface SessionLimits {
  /** Milliseconds from connect to the end of authentication (authentication_timeout, 60 s). */
  readonly authenticationTimeout: number;
  /** Milliseconds a client may be idle outside a transaction; 0 never ends it (idle_session_timeout). */
  readonly idleTimeout: number;
  /** Milliseconds a client may be idle in a transaction; 0 never ends it (idle_in_transaction_session_timeout). */
  readonly idleInTransactionTimeout: number;
  /** Milliseconds a statement may run; 0 never cancels it (statement_timeout). */
  readonly statementTimeout: number;
  /** Bytes of a Query, Parse, Bind, CopyData or FunctionCall message. */
  readonly messageBytes: number;
  /** Prepared statements of one session, the unnamed one not counted. */
  readonly statements: number;
  /** Characters of SQL text that the prepared statements of one session may hold. */
  readonly statementText: number;
  /** Portals of one session, the unnamed one not counted. */
  readonly portals: number;
  /** Bytes of parameters that the portals of one session may hold, the unnamed one not counted. */
  readonly portalBytes: number;
  /** Messages that may wait for Sync or Flush; more, or those of `inputHighWater`, are run as if a Flush had come. */
  readonly pipeline: number;
  /** Bytes that may wait in the session before the adapter is told to stop reading. */
  readonly inputHighWater: number;
  /** Bytes of output that are collected before they are handed to the transport. */
  readonly outputHighWater: number;
}

export const defaultLimits: SessionLimits = {
  authenticationTimeout: 60_000,
  idleTimeout: 0,
  idleInTransactionTimeout: 0,
  statementTimeout: 0,
  messageBytes: largeMessageLimit,
  statements: 10_000,
  statementText: 64 * 1024 * 1024,
  portals: 1_000,
  portalBytes: 64 * 1024 * 1024,
  pipeline: 10_000,
  inputHighWater: 256 * 1024,
  outputHighWater: 64 * 1024,
};
