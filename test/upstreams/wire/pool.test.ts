import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Pool, type PoolOptions } from "../../../src/upstreams/wire/pool.ts";
import { fatal } from "../../../src/wire/mod.ts";
import { errorOf } from "../../client/outcome.ts";
import { discard, ScriptedServers } from "./scripted-servers.ts";

function started(options: PoolOptions = {}): { pool: Pool; servers: ScriptedServers } {
  const servers = new ScriptedServers();
  const client = {
    user: "u",
    sslMode: "disable",
    parameters: { application_name: "pool", TimeZone: "UTC" },
  } as const;
  return { pool: new Pool(servers.open, client, options), servers };
}

const shutDown = "FATAL 57P01 terminating connection due to administrator command";

describe("reuse", () => {
  test("a clean connection serves the next client, after DISCARD ALL", async () => {
    const { pool, servers } = started();
    const acquiring = pool.acquire({});
    const server = await servers.accepted();
    const first = await acquiring;
    expect([pool.taken, pool.idle]).toEqual([1, 0]);
    const releasing = pool.release(first, true);
    await discard(server);
    await releasing;
    expect([pool.taken, pool.idle]).toEqual([0, 1]);
    expect(await pool.acquire({})).toBe(first);
    expect([pool.taken, pool.idle]).toEqual([1, 0]);
    expect(servers.opened).toBe(1);
    pool.close();
  });

  test("settings go into the startup packet, on top of the pool's own", async () => {
    const { pool, servers } = started();
    pool.acquire({ application_name: "mine", search_path: "a" });
    const { parameters } = await (await servers.next()).accept();
    expect(Object.fromEntries(parameters)).toEqual({
      user: "u",
      database: "u",
      client_encoding: "UTF8",
      application_name: "mine",
      TimeZone: "UTC",
      search_path: "a",
    });
  });

  test("a connection serves clients with the same settings, in any order of them", async () => {
    const { pool, servers } = started();
    const acquiring = pool.acquire({ a: "1", b: "2" });
    const server = await servers.accepted();
    const first = await acquiring;
    const releasing = pool.release(first, true);
    await discard(server);
    await releasing;
    const other = pool.acquire({ a: "1", b: "3" });
    await servers.accepted();
    expect(await other).not.toBe(first);
    expect(await pool.acquire({ b: "2", a: "1" })).toBe(first);
    expect(servers.opened).toBe(2);
  });

  test("the one used last is taken first", async () => {
    const { pool, servers } = started();
    const both = [pool.acquire({}), pool.acquire({})];
    const [one, two] = [await servers.accepted(), await servers.accepted()];
    const [first, second] = await Promise.all(both);
    for (const [connection, server] of [
      [first, one],
      [second, two],
    ] as const) {
      if (!connection) throw new Error("no connection");
      const releasing = pool.release(connection, true);
      await discard(server);
      await releasing;
    }
    expect(await pool.acquire({})).toBe(second);
  });

  test("a dirty one is closed, without a word", async () => {
    const { pool, servers } = started();
    const acquiring = pool.acquire({});
    const server = await servers.accepted();
    await pool.release(await acquiring, false);
    await server.expectClose();
    expect([pool.taken, pool.idle]).toEqual([0, 0]);
  });

  test("one that cannot be cleaned is closed", async () => {
    const { pool, servers } = started({ resetTimeout: 20 });
    const acquiring = [pool.acquire({}), pool.acquire({}), pool.acquire({})];
    const [refusing, hanging, dying] = [
      await servers.accepted(),
      await servers.accepted(),
      await servers.accepted(),
    ];
    const releasing = acquiring.map(async (connection) => pool.release(await connection, true));
    await refusing.expect("Query");
    refusing.send(
      { type: "ErrorResponse", fields: { severity: "ERROR", code: "42601", message: "no such command" } },
      { type: "ReadyForQuery", status: "I" },
    );
    await hanging.expect("Query");
    await dying.expect("Query");
    dying.close();
    await Promise.all(releasing);
    await refusing.expectClose();
    await hanging.expectClose();
    expect([pool.taken, pool.idle]).toEqual([0, 0]);
  });
});

describe("idle connections", () => {
  async function idle(options: PoolOptions = {}) {
    const { pool, servers } = started(options);
    const acquiring = pool.acquire({ own: "1" });
    const server = await servers.accepted();
    const releasing = pool.release(await acquiring, true);
    await discard(server);
    await releasing;
    return { pool, servers, server };
  }

  test("are closed after a while", async () => {
    const { pool, server } = await idle({ idleTimeout: 20 });
    await server.expect("Terminate");
    await server.expectClose();
    expect(pool.idle).toBe(0);
  });

  test("are none where each ends with its client", async () => {
    const { pool, servers } = started({ idleTimeout: 0 });
    const acquiring = pool.acquire({ own: "1" });
    const server = await servers.accepted();
    await pool.release(await acquiring, true);
    await server.expect("Terminate");
    await server.expectClose();
    expect([pool.taken, pool.idle]).toEqual([0, 0]);
  });

  test("that the server has closed are not given out", async () => {
    const { pool, servers, server } = await idle();
    server.send({ type: "ErrorResponse", fields: { severity: "FATAL", code: "57P01", message: "restart" } });
    server.close();
    await setTimeout(5);
    expect(pool.idle).toBe(0);
    const acquiring = pool.acquire({ own: "1" });
    await servers.accepted();
    expect((await acquiring).closed).toBe(false);
  });

  test("may get notices and notifications", async () => {
    const { pool, server } = await idle();
    server.send(
      { type: "NotificationResponse", processId: 1, channel: "c", payload: "late" },
      { type: "ParameterStatus", name: "TimeZone", value: "CET" },
    );
    await setTimeout(5);
    expect((await pool.acquire({ own: "1" })).parameters.get("TimeZone")).toBe("CET");
  });

  test("give way to one with other settings", async () => {
    const { pool, servers, server } = await idle({ size: 1 });
    const acquiring = pool.acquire({ other: "1" });
    await server.expect("Terminate");
    await servers.accepted();
    await acquiring;
    expect([pool.taken, pool.idle]).toEqual([1, 0]);
  });

  test("count: no more are open than the size", async () => {
    const { pool, servers, server } = await idle({ size: 2 });
    pool.acquire({ other: "1" });
    await servers.accepted();
    expect(pool.idle).toBe(1);
    pool.acquire({ other: "2" });
    await server.expect("Terminate");
    expect(pool.idle).toBe(0);
  });
});

describe("a pool that is full", () => {
  test("serves in the order of arrival", async () => {
    const { pool, servers } = started({ size: 1 });
    const acquiring = pool.acquire({});
    const server = await servers.accepted();
    const connection = await acquiring;
    const served: string[] = [];
    const waiting = ["one", "two"].map(async (name) => {
      const connection = await pool.acquire({});
      served.push(name);
      const releasing = pool.release(connection, true);
      await discard(server);
      await releasing;
    });
    const releasing = pool.release(connection, true);
    await discard(server);
    await releasing;
    await Promise.all(waiting);
    expect(served).toEqual(["one", "two"]);
    expect([pool.taken, pool.idle, servers.opened]).toEqual([0, 1, 1]);
  });

  test("nobody goes before those that wait", async () => {
    const { pool, servers } = started({ size: 1 });
    const acquiring = pool.acquire({});
    await servers.accepted();
    const connection = await acquiring;
    const order: string[] = [];
    pool.acquire({}).then(() => order.push("waited"));
    await pool.release(connection, false);
    pool.acquire({}).then(() => order.push("came later"));
    await servers.accepted();
    await setTimeout(5);
    expect(order).toEqual(["waited"]);
    expect(pool.taken).toBe(1);
  });

  test("refuses after a while, with 53300", async () => {
    const { pool, servers } = started({ size: 1, waitTimeout: 20 });
    const acquiring = pool.acquire({});
    await servers.accepted();
    const connection = await acquiring;
    const refused = pool.acquire({});
    expect(await errorOf(refused)).toBe("FATAL 53300 all connections to the database are in use");
    await expect(refused).rejects.toMatchObject({ fields: { hint: expect.stringContaining("pool_size") } });
    await pool.release(connection, false);
    expect(pool.taken).toBe(0);
  });

  test("forgets who has gone", async () => {
    const { pool, servers } = started({ size: 1 });
    const acquiring = pool.acquire({});
    await servers.accepted();
    const connection = await acquiring;
    const leaving = new AbortController();
    const left = pool.acquire({}, leaving.signal);
    const stays = pool.acquire({});
    leaving.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    await pool.release(connection, false);
    await servers.accepted();
    await stays;
    expect(pool.taken).toBe(1);
  });
});

describe("connecting fails", () => {
  test("and leaves its place to the next one", async () => {
    const { pool, servers } = started({ size: 1 });
    servers.failure = fatal("08001", "no route");
    const failing = pool.acquire({});
    const waiting = pool.acquire({});
    expect(await errorOf(failing)).toBe("FATAL 08001 no route");
    await servers.accepted();
    await waiting;
    expect(pool.taken).toBe(1);
  });

  test("with the server's error", async () => {
    const { pool, servers } = started();
    const failing = errorOf(pool.acquire({}));
    const server = await servers.next();
    await server.expect("StartupMessage");
    server.send({ type: "ErrorResponse", fields: { severity: "FATAL", code: "53300", message: "full" } });
    expect(await failing).toBe("FATAL 53300 full");
    expect(pool.taken).toBe(0);
  });

  test("because the client has gone", async () => {
    const { pool, servers } = started();
    const leaving = new AbortController();
    const left = pool.acquire({}, leaving.signal);
    left.catch(() => {});
    const server = await servers.next();
    await server.expect("StartupMessage");
    leaving.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    await server.expectClose();
    expect(pool.taken).toBe(0);
  });

  test("a moment after it has succeeded", async () => {
    const { pool, servers } = started();
    const acquiring = pool.acquire({});
    const server = await servers.next();
    await server.accept();
    server.close();
    const connection = await acquiring;
    await setTimeout(5);
    await pool.release(connection, true);
    expect([pool.taken, pool.idle]).toEqual([0, 0]);
  });
});

describe("closing", () => {
  test("says goodbye to what is idle, refuses who waits and who comes", async () => {
    const { pool, servers } = started({ size: 2 });
    const both = [pool.acquire({}), pool.acquire({})];
    const [one, two] = [await servers.accepted(), await servers.accepted()];
    const [first, second] = await Promise.all(both);
    if (!first || !second) throw new Error("no connections");
    const releasing = pool.release(first, true);
    await discard(one);
    await releasing;
    await pool.acquire({});
    const waiting = errorOf(pool.acquire({}));
    const again = pool.release(first, true);
    pool.close();
    expect(await waiting).toBe(shutDown);
    expect(await errorOf(pool.acquire({}))).toBe(shutDown);
    // Being cleaned when the pool closed: not kept.
    await discard(one);
    await again;
    await one.expectClose();
    await pool.release(second, true);
    await two.expectClose();
    expect([pool.taken, pool.idle]).toEqual([0, 0]);
  });

  test("an idle connection gets a Terminate", async () => {
    const { pool, servers } = started();
    const acquiring = pool.acquire({});
    const server = await servers.accepted();
    const releasing = pool.release(await acquiring, true);
    await discard(server);
    await releasing;
    pool.close();
    await server.expect("Terminate");
    await server.expectClose();
  });
});
