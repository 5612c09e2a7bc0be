/**
 * Whose turn it is on a shared backend: from a client's first message until ReadyForQuery outside a transaction. First
 * come, first served, and nobody waits without end.
 */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";

interface Waiter {
  readonly grant: () => void;
  readonly refuse: (error: PgError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

export class Turns<Client extends object = object> {
  readonly #timeout: number;
  readonly #waiters: Map<Client, Waiter> = new Map();
  #holder: Client | undefined;

  /** `timeout` in milliseconds. */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  get holder(): Client | undefined {
    return this.#holder;
  }

  /** Nothing: the turn is taken. A promise: it will be, or is refused with 55P03 or what `refuse` said. */
  acquire(client: Client): void | Promise<void> {
    if (this.#holder === undefined || this.#holder === client) {
      this.#holder = client;
      return;
    }
    return new Promise((grant, refuse) => {
      const timer = setTimeout(() => this.refuse(client, lockTimeout(this.#timeout)), this.#timeout);
      this.#waiters.set(client, { grant, refuse, timer });
    });
  }

  /** Takes a waiting client out of the queue; false if it was not in it. */
  refuse(client: Client, error: PgError): boolean {
    const waiter = this.#waiters.get(client);
    if (!waiter) return false;
    clearTimeout(waiter.timer);
    this.#waiters.delete(client);
    waiter.refuse(error);
    return true;
  }

  /** Gives the holder's turn back to a client that may not have asked for one. */
  giveBack(holder: Client, to: Client): void {
    if (this.#holder === holder) this.#grant(to);
  }

  /** Ends the holder's turn: the one who has waited longest is next. */
  release(client: Client): void {
    if (this.#holder !== client) return;
    const [next] = this.#waiters.keys();
    this.#grant(next);
  }

  #grant(next: Client | undefined): void {
    this.#holder = next;
    const waiter = next && this.#waiters.get(next);
    if (!waiter) return;
    clearTimeout(waiter.timer);
    this.#waiters.delete(next);
    waiter.grant();
  }
}

function lockTimeout(milliseconds: number): PgError {
  return new PgError(sqlstate.lockNotAvailable, "canceling statement due to lock timeout", {
    detail: `Another client kept the shared database for more than ${milliseconds / 1000} s.`,
    hint: "The embedded database serves one transaction at a time: COMMIT, or drop temporary tables, in the other client.",
  });
}
