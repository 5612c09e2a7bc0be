/** What the parts of the suite share: one connection that every test finds idle, and others that it opens. */
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type Connection, connect, type Events, type OpenStream, query } from "../../src/client/mod.ts";

export interface Target {
  readonly open: OpenStream;
  close(): Promise<void>;
}

const login = { user: "postgres", sslMode: "disable" } as const;

export class Fixture {
  #target: Target | undefined;
  #connection: Connection | undefined;
  /** Those that a test has opened besides. */
  #others: Connection[] = [];

  /** Call it inside of `describe`. */
  constructor(start: () => Promise<Target>) {
    beforeAll(async () => {
      this.#target = await start();
      this.#connection = await this.#connect();
    });
    // One test's failure is not the next one's.
    afterEach(async () => {
      for (const other of this.#others.splice(0)) other.destroy();
      if (this.connection.closed || !this.connection.idle) {
        this.connection.destroy();
        this.#connection = await this.#connect();
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

  /** One more, which is cut off after the test if that leaves it open. */
  async another(events: Events = {}, parameters: Record<string, string> = {}): Promise<Connection> {
    const connection = await this.#connect(events, parameters);
    this.#others.push(connection);
    return connection;
  }

  /** The connection has come through: it is idle, and the next query is answered with its own answer. */
  async works(): Promise<void> {
    const [result] = await query(this.connection, "SELECT 'still here'");
    expect(result?.rows).toEqual([["still here"]]);
    expect(this.connection).toMatchObject({ status: "I", idle: true, closed: false });
  }

  async #connect(events: Events = {}, parameters: Record<string, string> = {}): Promise<Connection> {
    return connect(await this.open(), { ...login, parameters }, events);
  }
}
