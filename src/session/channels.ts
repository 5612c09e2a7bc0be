/**
 * A session's channels over a NotificationBroker, with PostgreSQL's rules (documentation of LISTEN and NOTIFY): all of it
 * takes effect when the transaction commits; equal notifications of one transaction are sent once; a session gets its
 * own, too; savepoints take back what was asked behind them.
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { BrokerMember, Membership, Notification, NotificationBroker } from "./notifications.ts";
import type { ClientContext } from "./upstream.ts";

type Action =
  | { readonly type: "listen"; readonly channel: string }
  /** Undefined: all. */
  | { readonly type: "unlisten"; readonly channel: string | undefined }
  | { readonly type: "notify"; readonly channel: string; readonly payload: string };

/** NAMEDATALEN, and NOTIFY_PAYLOAD_MAX_LENGTH of the server's async.c. */
const maxChannelBytes = 63;
const maxPayloadBytes = 7_999;

export class Channels {
  readonly #broker: NotificationBroker;
  readonly #client: ClientContext;
  #membership: Promise<Membership> | undefined;
  #listening: Set<string> = new Set();
  /** What waits for the commit. */
  #waiting: Action[] = [];
  /** Where the open savepoints stand in it, the innermost last. */
  #savepoints: { readonly name: string; readonly at: number }[] = [];
  #left = false;

  constructor(broker: NotificationBroker, client: ClientContext) {
    this.#broker = broker;
    this.#client = client;
  }

  get listening(): ReadonlySet<string> {
    return this.#listening;
  }

  /** The transaction has asked for something that its commit is to do. */
  get waiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** LISTEN, UNLISTEN or NOTIFY; outside a transaction it is done at once. @throws PgError 22023 */
  async ask(action: Action, inTransaction: boolean): Promise<void> {
    if (action.channel !== undefined) checkChannel(action.channel);
    if (action.type === "notify" && byteLength(action.payload) > maxPayloadBytes) {
      throw invalid("payload string too long");
    }
    this.#waiting.push(action);
    if (inTransaction) return;
    try {
      await this.prepare();
    } catch (error) {
      this.rollback();
      throw error;
    }
    await this.#act();
  }

  /** Before the commit: what may fail. Until `commit` nothing that arrives by it is passed on. */
  async prepare(): Promise<void> {
    const next = this.#next();
    const more = [...next].some((channel) => !this.#listening.has(channel));
    if (!more && !this.#waiting.some(({ type }) => type === "notify")) return;
    const membership = await this.#join();
    // Those that it is going to leave, too: a commit that fails must not have lost any.
    if (more) await membership.listen([...new Set([...this.#listening, ...next])]);
  }

  /** The transaction was committed: what cannot be done now any more is a WARNING, for no error could take that back. */
  async commit(): Promise<void> {
    if (!this.waiting) return this.#forget();
    try {
      await this.#act();
    } catch (error) {
      this.#client.notice(`notifications could not be sent: ${PgError.from(error).message}`, {
        severity: "WARNING",
        code: PgError.from(error).code,
      });
    }
  }

  rollback(): void {
    this.#forget();
  }

  savepoint(name: string): void {
    this.#savepoints.push({ name, at: this.#waiting.length });
  }

  release(name: string): void {
    this.#savepoints.length = Math.max(0, this.#levelOf(name));
  }

  rollbackTo(name: string): void {
    const level = this.#levelOf(name);
    this.#waiting.length = this.#savepoints[level]?.at ?? this.#waiting.length;
    this.#savepoints.length = level + 1;
  }

  /** Takes up the channels of a suspended session. */
  async resume(channels: readonly string[]): Promise<void> {
    this.#listening = new Set(channels);
    if (channels.length > 0) await (await this.#join()).listen(channels);
  }

  /** Whether a session with these channels can be suspended. */
  async suspendable(): Promise<boolean> {
    return this.#listening.size === 0 || (await this.#membership)?.suspend !== undefined;
  }

  /** The session has ended, or is `suspended`. */
  leave(suspended: boolean): void {
    this.#left = true;
    const over = (membership: Membership): void => {
      if (suspended && this.#listening.size > 0) membership.suspend?.();
      else membership.leave();
    };
    this.#membership?.then(over).catch(() => {});
  }

  #join(): Promise<Membership> {
    const { login, processId } = this.#client;
    const member: BrokerMember = {
      database: login.database,
      processId,
      deliver: (notification) => this.#deliver(notification),
    };
    if (!this.#membership) {
      const joining = Promise.resolve(this.#broker.join(member));
      this.#membership = joining;
      // A broker that could not be reached is asked anew the next time.
      joining.catch(() => {
        this.#membership = undefined;
      });
    }
    return this.#membership;
  }

  #deliver({ channel, payload, processId }: Notification): void {
    if (!this.#left && this.#listening.has(channel)) this.#client.notify(channel, payload, processId);
  }

  async #act(): Promise<void> {
    const next = this.#next();
    const fewer = [...this.#listening].some((channel) => !next.has(channel));
    const notifications = this.#notifications();
    this.#forget();
    this.#listening = next;
    for (const notification of notifications) this.#deliver(notification);
    if (!fewer && notifications.length === 0) return;
    const membership = await this.#join();
    if (fewer) await membership.listen([...next]);
    if (notifications.length > 0) await membership.notify(notifications);
  }

  /** The channels after a commit. */
  #next(): Set<string> {
    const next = new Set(this.#listening);
    for (const action of this.#waiting) {
      if (action.type === "listen") next.add(action.channel);
      else if (action.type === "unlisten") {
        if (action.channel === undefined) next.clear();
        else next.delete(action.channel);
      }
    }
    return next;
  }

  #notifications(): Notification[] {
    const { processId } = this.#client;
    const once = new Map<string, Notification>();
    for (const action of this.#waiting) {
      if (action.type !== "notify") continue;
      const { channel, payload } = action;
      const key = JSON.stringify([channel, payload]);
      if (!once.has(key)) once.set(key, { channel, payload, processId });
    }
    return [...once.values()];
  }

  #levelOf(savepoint: string): number {
    return this.#savepoints.findLastIndex(({ name }) => name === savepoint);
  }

  #forget(): void {
    this.#waiting = [];
    this.#savepoints = [];
  }
}

function checkChannel(channel: string): void {
  if (channel === "") throw invalid("channel name cannot be empty");
  if (byteLength(channel) > maxChannelBytes) throw invalid("channel name too long");
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.invalidParameterValue, message);
}
