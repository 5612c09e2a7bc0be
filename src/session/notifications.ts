/**
 * LISTEN and NOTIFY for upstreams that have none: a broker carries notifications from session to session. What a session
 * keeps of it, and what waits for the end of a transaction, is in channels.ts. The broker is an interface, since on
 * isolates the sessions of a database live in many places; this one serves a single process.
 */

export interface Notification {
  readonly channel: string;
  readonly payload: string;
  /** Of the session that sent it. */
  readonly processId: number;
}

/** A session, as a broker sees it. */
export interface BrokerMember {
  /** Notifications stay in their database. */
  readonly database: string;
  readonly processId: number;
  /** Takes what another session has sent to a channel that this one listens to. */
  deliver(notification: Notification): void;
}

/** What a session has of a broker. */
export interface Membership {
  /** All the channels that the session listens to from now on. */
  listen(channels: readonly string[]): void | Promise<void>;
  /** Sends to all other sessions, in this order: what a session sends to itself needs no broker. */
  notify(notifications: readonly Notification[]): void | Promise<void>;
  /** The session has ended. */
  leave(): void;
  /**
   * The session is suspended, and what is sent to it is kept, or wakes it. Its membership is over; it joins again, with
   * the same process id. Without this method a session that listens is not suspended.
   */
  suspend?(): void;
}

export interface NotificationBroker {
  /** Called once for each session, when it first listens or notifies. */
  join(member: BrokerMember): Membership | Promise<Membership>;
}

/** A broker for the sessions of one process. */
export function memoryNotificationBroker(): NotificationBroker & { readonly listeners: number } {
  /** By database and channel. */
  const listeners = new Map<string, Set<BrokerMember>>();
  const keyOf = ({ database }: BrokerMember, channel: string): string => JSON.stringify([database, channel]);

  return {
    /** Channels, each as often as it is listened to. */
    get listeners(): number {
      return [...listeners.values()].reduce((count, members) => count + members.size, 0);
    },
    join(member) {
      let keys: readonly string[] = [];
      const listen = (channels: readonly string[]): void => {
        for (const key of keys) {
          const members = listeners.get(key);
          members?.delete(member);
          if (members?.size === 0) listeners.delete(key);
        }
        keys = channels.map((channel) => keyOf(member, channel));
        for (const key of keys) listeners.set(key, (listeners.get(key) ?? new Set()).add(member));
      };
      return {
        listen,
        notify(notifications) {
          for (const notification of notifications) {
            for (const other of listeners.get(keyOf(member, notification.channel)) ?? []) {
              if (other !== member) other.deliver(notification);
            }
          }
        },
        leave: () => listen([]),
      };
    },
  };
}
