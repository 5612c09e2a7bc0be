/**
 * The server half of the PostgreSQL protocol, sans I/O: a `Session` for each connection, over an `Upstream` that you
 * write or take from edgewire/upstreams.
 */
export { type CancelKey, type CancelRegistry, type CancelTarget, memoryCancelRegistry } from "./cancel.ts";
export { defaultLimits, type SessionLimits } from "./limits.ts";
export { Session, type SessionOptions } from "./session.ts";
export { startupSettings } from "./startup-options.ts";
export type { Transport } from "./transport.ts";
export type * from "./upstream.ts";
