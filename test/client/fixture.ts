/** What the parts of the suite share: one connection that every test finds idle, and others that it opens. */
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Connection, connect, type Events, type OpenStream, query } from "../../src/client/mod.ts";

export interface Target {
  readonly open: OpenStream;
  close(): Promise<void>;
}

export const login = { user: "postgres", sslMode: "disable" } as const;

export class Fixture {
  #target: Target | undefined;
  #connection: Connection | undefined;

  /** Call it inside of `describe`. */
  constructor(start: () => Promise<Target>) {
    beforeAll(async () => {
      this.#target = await start();
      this.#connection = await this.another();
    });
    // One test's failure is not the next one's.
    afterEach(async () => {
      if (this.connection.closed || !this.connection.idle) {
        this.connection.destroy();
        this.#connection = await this.another();
      } else if (this.connection.status !== "I") await query(this.connection, "ROLLBACK");
    });
    afterAll(async () => {
      this.#connection?.close();
      await this.#target?.close();
    });
  }

  get connection(): Connection {
    if (!this.#connection) throw new Error("there is no connection yet");
    return this.#connection;
  }

  readonly open: OpenStream = async () => {
    if (!this.#target) throw new Error("there is no server yet");
    return this.#target.open();
  };

  async another(events: Events = {}): Promise<Connection> {
    return connect(await this.open(), login, events);
  }

  /** The connection has come through: it is idle, and the next query is answered with its own answer. */
  async works(): Promise<void> {
    const [result] = await query(this.connection, "SELECT 'still here'");
    expect(result?.rows).toEqual([["still here"]]);
    expect(this.connection).toMatchObject({ status: "I", idle: true, closed: false });
  }
}
