/**
 * Connections to one server: each client session has one for itself while it lives, and leaves it clean for the next
 * one (DISCARD ALL), as PgBouncer's session pooling does. A client's settings are those of the connection's startup
 * packet, so that RESET and DISCARD come back to them: a connection serves the next client with the same settings.
 */
import {
  type ClientOptions,
  type Connection,
  connect,
  type Events,
  type OpenStream,
  query,
} from "../../client/mod.ts";
import { fatal, type PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";

export interface PoolOptions {
  /** Connections at a time, those in use and idle ones. Default 20. */
  readonly size?: number | undefined;
  /** Milliseconds that a client waits for one before 53300. Default 10,000. */
  readonly waitTimeout?: number | undefined;
  /**
   * Milliseconds until a connection that nobody uses is closed. Default 30,000. 0: it ends with its client, as on runtimes
   * where one client's connection cannot serve another.
   */
  readonly idleTimeout?: number | undefined;
  /** Milliseconds that cleaning a connection may take before it is closed instead. Default 10,000. */
  readonly resetTimeout?: number | undefined;
}

type Settings = Readonly<Record<string, string>>;

interface Idle {
  readonly connection: Connection;
  readonly key: string;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** A client in the queue; it gets the place that another one leaves. */
interface Waiter {
  readonly serve: () => void;
  readonly refuse: (error: unknown) => void;
}

export class Pool {
  readonly #open: OpenStream;
  readonly #client: ClientOptions;
  readonly #size: number;
  readonly #waitTimeout: number;
  readonly #idleTimeout: number;
  readonly #resetTimeout: number;
  /** Least recently used first. */
  readonly #idle: Set<Idle> = new Set();
  readonly #keys: WeakMap<Connection, string> = new WeakMap();
  /** Of those who have the connections. */
  readonly #events: WeakMap<Connection, Events> = new WeakMap();
  /** In the order of their arrival. */
  readonly #waiters: Set<Waiter> = new Set();
  /** Connections in use, being made or being cleaned. */
  #taken = 0;
  #closed = false;

  constructor(open: OpenStream, client: ClientOptions, options: PoolOptions) {
    this.#open = open;
    this.#client = client;
    this.#size = options.size ?? 20;
    this.#waitTimeout = options.waitTimeout ?? 10_000;
    this.#idleTimeout = options.idleTimeout ?? 30_000;
    this.#resetTimeout = options.resetTimeout ?? 10_000;
  }

  /** Connections in use, being made, or being cleaned. */
  get taken(): number {
    return this.#taken;
  }

  /** Connections that wait for a client. */
  get idle(): number {
    return this.#idle.size;
  }

  /**
   * A connection that is the caller's until `release`, and so is what arrives on it without having been asked for.
   * @throws PgError 53300, what connecting throws, or what the signal was aborted with
   */
  async acquire(settings: Settings, signal?: AbortSignal, events: Events = {}): Promise<Connection> {
    if (this.#closed) throw shutDown();
    signal?.throwIfAborted();
    if (this.#taken < this.#size) this.#taken++;
    else await this.#wait(signal);
    const key = JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));
    const idle = [...this.#idle].findLast((idle) => idle.key === key);
    if (idle) {
      this.#forget(idle);
      this.#events.set(idle.connection, events);
      return idle.connection;
    }
    // Idle ones with other settings give way.
    if (this.#taken + this.#idle.size > this.#size) this.#evict();
    const died = (connection: Connection): void => this.#died(connection);
    try {
      const parameters = { ...this.#client.parameters, ...settings };
      // It may be over before this function has it: then it was never idle.
      let made: Connection | undefined;
      const owner = (): Events | undefined => made && this.#events.get(made);
      const all: Events = {
        onNotice: (fields) => owner()?.onNotice?.(fields),
        onNotification: (...notification) => owner()?.onNotification?.(...notification),
        onParameter: (name, value) => owner()?.onParameter?.(name, value),
        onClose(error) {
          owner()?.onClose?.(error);
          if (made) died(made);
        },
      };
      made = await connect(await this.#open(), { ...this.#client, parameters, signal }, all);
      this.#keys.set(made, key);
      this.#events.set(made, events);
      return made;
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  /** Takes a connection back; one that is not `clean` (in a transaction, something under way) is closed. */
  async release(connection: Connection, clean: boolean): Promise<void> {
    this.#events.delete(connection);
    const kept = this.#idleTimeout > 0 && !this.#closed;
    const reusable = clean && kept && !connection.closed && (await this.#reset(connection));
    // Closed is for ever: there may have been time for it.
    if (reusable && !this.#closed && !connection.closed) this.#keep(connection);
    else if (clean && !kept) connection.close();
    else connection.destroy();
    this.#free();
  }

  /** Closes what is idle; connections in use are closed when they come back. */
  close(): void {
    this.#closed = true;
    for (const idle of this.#idle) {
      this.#forget(idle);
      idle.connection.close();
    }
    for (const waiter of this.#waiters) waiter.refuse(shutDown());
  }

  async #reset(connection: Connection): Promise<boolean> {
    const timer = setTimeout(() => connection.destroy(), this.#resetTimeout);
    try {
      await query(connection, "DISCARD ALL");
      return connection.status === "I";
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  #keep(connection: Connection): void {
    const idle: Idle = {
      connection,
      key: this.#keys.get(connection) ?? "",
      timer: setTimeout(() => {
        this.#idle.delete(idle);
        connection.close();
      }, this.#idleTimeout),
    };
    this.#idle.add(idle);
  }

  #forget(idle: Idle): void {
    clearTimeout(idle.timer);
    this.#idle.delete(idle);
  }

  /** The server closed a connection: if that is idle, nobody gets it any more. */
  #died(connection: Connection): void {
    for (const idle of this.#idle) if (idle.connection === connection) this.#forget(idle);
  }

  #evict(): void {
    for (const idle of this.#idle) {
      this.#forget(idle);
      return idle.connection.close();
    }
  }

  /** A place is free: the first in the queue takes it. */
  #free(): void {
    for (const waiter of this.#waiters) return waiter.serve();
    this.#taken--;
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (settle: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        this.#waiters.delete(waiter);
        settle();
      };
      const waiter: Waiter = {
        serve: () => leave(resolve),
        refuse: (error) => leave(() => reject(error)),
      };
      const abort = (): void => waiter.refuse(signal?.reason);
      const timer = setTimeout(() => waiter.refuse(this.#full()), this.#waitTimeout);
      signal?.addEventListener("abort", abort);
      this.#waiters.add(waiter);
    });
  }

  #full(): PgError {
    return fatal(sqlstate.tooManyConnections, "all connections to the database are in use", {
      hint: `At most ${this.#size} clients have one at a time; raise pool_size in the database's URL.`,
    });
  }
}

function shutDown(): PgError {
  return fatal(sqlstate.adminShutdown, "terminating connection due to administrator command");
}
