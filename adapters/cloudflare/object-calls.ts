// What the Durable Objects and the Worker ask each other (remote procedure calls), and how they name places.
//
// A place is where a session lives: `object:<id>`, a SessionObject, or `socket:<broker>:<uuid>`, an invocation, which is
// reached by the WebSocket that it holds open to that BrokerObject (named for cancel requests only).
import type { Notification, SessionKey } from "../../src/session/mod.ts";

export interface SessionCalls extends Rpc.DurableObjectBranded {
  /** Serves the WebSocket of an upgrade. */
  fetch(request: Request): Response | Promise<Response>;
  /** A CancelRequest for this object's session. */
  cancel(key: SessionKey): void;
  /** Whether this object's session, in memory or suspended, has that key. */
  holds(key: SessionKey): boolean;
  /** Notifications for this object's session. False: it does not listen any more. */
  notified(notifications: readonly Notification[]): boolean;
}

/**
 * One class for three tasks, each in objects of its own (see broker.ts for their names): the deployment's secret, the keys
 * of protocol 3.0, and the channels of a database.
 */
export interface BrokerCalls extends Rpc.DurableObjectBranded {
  /** Opens the WebSocket by which `?place=` is reached. */
  fetch(request: Request): Response | Promise<Response>;
  /** Random, and the same for ever. */
  secret(): Uint8Array;
  addKey(key: SessionKey, route: Uint8Array): void;
  removeKey(key: SessionKey): void;
  findKey(key: SessionKey): Uint8Array | undefined;
  /** Passes a CancelRequest on to an invocation. */
  cancel(place: string, key: SessionKey): void;
  /** All the channels that a place listens to from now on. */
  listen(place: string, channels: readonly string[]): void;
  /** Sends to all places but one. */
  notify(from: string, notifications: readonly Notification[]): void;
}

/** What a BrokerObject says over an invocation's WebSocket, as JSON. */
export type BrokerMessage =
  | { readonly type: "cancel"; readonly processId: number /** In base64. */; readonly secretKey: string }
  | { readonly type: "notify"; readonly notifications: readonly Notification[] };

/** The bindings of the objects. */
export interface ObjectBindings {
  /** Serves each WebSocket in an object of its own, which may sleep while its client is idle. */
  readonly EDGEWIRE_SESSIONS?: DurableObjectNamespace<SessionCalls>;
  /** Takes CancelRequests and notifications from isolate to isolate. */
  readonly EDGEWIRE_BROKER?: DurableObjectNamespace<BrokerCalls>;
  /** What cancel keys are signed with; without it the broker makes one. */
  readonly EDGEWIRE_SECRET?: string;
  /** Seconds of idleness until a session in an object of its own is suspended. Default 5. */
  readonly EDGEWIRE_SUSPEND_AFTER?: string;
}
