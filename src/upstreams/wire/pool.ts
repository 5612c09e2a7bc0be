/**
 * Connections to one server: each client session has one for itself while it lives, and leaves it clean for the next
 * one (DISCARD ALL), as PgBouncer's session pooling does.
 */
import { type ClientOptions, type Connection, connect, type OpenStream, query } from "../../client/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";

export interface PoolOptions {
  /** Connections at a time. Default 20. */
  readonly size?: number | undefined;
  /** Milliseconds that a client waits for one before 53300. Default 10,000. */
  readonly waitTimeout?: number | undefined;
  /** Milliseconds until a connection that nobody uses is closed. Default 30,000. */
  readonly idleTimeout?: number | undefined;
}

interface Idle {
  readonly connection: Connection;
  readonly timer: ReturnType<typeof setTimeout>;
}

interface Waiter {
  readonly wake: () => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

export class Pool {
  readonly #open: OpenStream;
  readonly #client: ClientOptions;
  readonly #size: number;
  readonly #waitTimeout: number;
  readonly #idleTimeout: number;
  readonly #idle: Idle[] = [];
  readonly #waiters: Set<Waiter> = new Set();
  #taken = 0;
  #closed = false;

  constructor(open: OpenStream, client: ClientOptions, options: PoolOptions) {
    this.#open = open;
    this.#client = client;
    this.#size = options.size ?? 20;
    this.#waitTimeout = options.waitTimeout ?? 10_000;
    this.#idleTimeout = options.idleTimeout ?? 30_000;
  }

  /** A connection that is the caller's until `release`. @throws PgError 53300, or what connecting throws */
  async acquire(): Promise<Connection> {
    while (this.#taken >= this.#size) await this.#wait();
    this.#taken++;
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      clearTimeout(idle.timer);
      if (!idle.connection.closed) return idle.connection;
    }
    try {
      return await connect(await this.#open(), this.#client);
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  /** Takes a connection back; one that is not `clean` (a transaction, something under way) is closed. */
  async release(connection: Connection, clean: boolean): Promise<void> {
    if (clean && !connection.closed && !this.#closed) {
      try {
        await query(connection, "DISCARD ALL");
        this.#keep(connection);
      } catch {
        connection.destroy();
      }
    } else connection.destroy();
    this.#free();
  }

  close(): void {
    this.#closed = true;
    for (const { connection, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      connection.close();
    }
  }

  #keep(connection: Connection): void {
    const timer = setTimeout(() => {
      const at = this.#idle.findIndex((idle) => idle.connection === connection);
      if (at >= 0) this.#idle.splice(at, 1);
      connection.close();
    }, this.#idleTimeout);
    this.#idle.push({ connection, timer });
  }

  #free(): void {
    this.#taken--;
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      clearTimeout(waiter.timer);
      waiter.wake();
      return;
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        wake: resolve,
        timer: setTimeout(() => {
          this.#waiters.delete(waiter);
          reject(
            new PgError(sqlstate.tooManyConnections, "all connections to the database are in use", {
              severity: "FATAL",
              hint: `At most ${this.#size} clients have one at a time; raise pool_size in the database's URL.`,
            }),
          );
        }, this.#waitTimeout),
      };
      this.#waiters.add(waiter);
    });
  }
}
