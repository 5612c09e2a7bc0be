/**
 * The server half of the PostgreSQL protocol, sans I/O: a `Session` for each connection, over an `Upstream` that you
 * write or take from edgewire/upstreams.
 */
export {
  type CancelKey,
  type CancelRegistry,
  type CancelTarget,
  type MemoryCancelRegistry,
  memoryCancelRegistry,
  type SessionKey,
} from "./cancel.ts";
export {
  type KeyDirectory,
  type RoutedCancelOptions,
  type RoutedCancelRegistry,
  routedCancelRegistry,
} from "./cancel-route.ts";
export { defaultLimits, type SessionLimits } from "./limits.ts";
export {
  type BrokerMember,
  type Membership,
  memoryNotificationBroker,
  type Notification,
  type NotificationBroker,
} from "./notifications.ts";
export type { SessionOptions } from "./options.ts";
export { Session } from "./session.ts";
export type { SessionSnapshot } from "./snapshot.ts";
export { startupSettings } from "./startup-options.ts";
export type { Transport } from "./transport.ts";
export type * from "./upstream.ts";
