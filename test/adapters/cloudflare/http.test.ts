// The Worker's `fetch` handler in workerd: SQL over HTTP, health and readiness, and WebSockets, with Durable Objects for
// their sessions and without.
import { setTimeout } from "node:timers/promises";
import { type Client, neon, neonConfig, Pool } from "@neondatabase/serverless";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { connectUrl } from "../../../adapters/node/connect-url.ts";
import { openSocket } from "../../../adapters/node/socket-stream.ts";
import { scramVerifier } from "../../../src/auth/mod.ts";
import { cancel, query } from "../../../src/client/mod.ts";
import { startUpstream, type UpstreamServer } from "./upstream.ts";
import { type RunningWorker, startWorker, withoutObjects } from "./wrangler-dev.ts";

let upstream: UpstreamServer;

beforeAll(async () => {
  upstream = await startUpstream();
});

afterAll(() => upstream?.stop());

describe.each([
  ["with Durable Objects", undefined],
  ["without them", withoutObjects],
])("%s", (_, config) => {
  let worker: RunningWorker;

  beforeAll(async () => {
    worker = await startWorker({
      vars: {
        EDGEWIRE_DATABASES: `app=postgres://gateway@127.0.0.1:${upstream.port}/postgres?sslmode=disable`,
        EDGEWIRE_ORIGINS: "https://app.example.com",
      },
      secrets: { EDGEWIRE_USERS: `alice:${await scramVerifier("wonder")}` },
      ...(config && { config }),
    });
    const { host } = new URL(worker.url);
    neonConfig.webSocketConstructor = WebSocket;
    neonConfig.wsProxy = () => `${host}/v2`;
    neonConfig.useSecureWebSocket = false;
    neonConfig.fetchEndpoint = `${worker.url}/sql`;
  });

  afterAll(() => worker?.stop());

  const url = (user = "alice:wonder", database = "app"): string =>
    `postgresql://${user}@db.example.com/${database}`;

  describe("a WebSocket", () => {
    test("serves the driver of Neon, which sends all it can at once", async () => {
      const pool = new Pool({ connectionString: url(), max: 3 });
      const results = await Promise.all([1, 2, 3].map((n) => pool.query("select $1::int * 2 as n", [n])));
      expect(results.map(({ rows }) => rows[0].n)).toEqual([2, 4, 6]);
      const client = await pool.connect();
      await client.query("begin");
      await client.query("create temp table kept (a int) on commit drop");
      await expect(client.query("select 1/0")).rejects.toMatchObject({ code: "22012" });
      await client.query("rollback");
      client.release();
      await pool.end();
      await expect.poll(() => upstream.size).toBe(0);
    });

    test("is refused to a wrong password, and to an unknown database", async () => {
      const failing = new Pool({ connectionString: url("alice:wrong") });
      await expect(failing.query("select 1")).rejects.toMatchObject({ code: "28P01" });
      const lost = new Pool({ connectionString: url(undefined, "nowhere") });
      await expect(lost.query("select 1")).rejects.toMatchObject({ code: "3D000" });
    });

    test("carries a result of many frames", async () => {
      const pool = new Pool({ connectionString: url() });
      const { rows } = await pool.query("select repeat('x', 100000) as x from generate_series(1, 100)");
      expect(rows).toHaveLength(100);
      expect(rows.every(({ x }) => x.length === 100_000)).toBe(true);
      await pool.end();
    });

    test("carries notifications between clients", async () => {
      const pool = new Pool({ connectionString: url(), max: 2 });
      const [listener, sender] = [await pool.connect(), await pool.connect()];
      const received: (string | undefined)[] = [];
      (listener as unknown as Client).on("notification", ({ payload }) => received.push(payload));
      await listener.query("listen news");
      await sender.query("notify news, 'hello'");
      await expect.poll(() => received).toEqual(["hello"]);
      listener.release(true);
      sender.release();
      await pool.end();
    });

    test("is refused to pages of other origins", async () => {
      const outcome = (origin?: string): Promise<string> =>
        new Promise((resolve) => {
          const socket = new WebSocket(`${worker.url.replace("http", "ws")}/v2`, origin ? { origin } : {});
          socket.on("error", ({ message }) => resolve(message));
          socket.on("open", () => {
            socket.terminate();
            resolve("open");
          });
        });
      expect(await outcome()).toBe("open");
      expect(await outcome("https://app.example.com")).toBe("open");
      expect(await outcome("https://elsewhere.example.com")).toContain("403");
    });
  });

  describe("SQL over HTTP", () => {
    test("serves the driver of Neon", async () => {
      const sql = neon(url());
      expect(await sql`select ${"text"} as text, ${1}::int + 1 as two`).toEqual([{ text: "text", two: 2 }]);
      const [first, second] = await sql.transaction([sql`select 1 as one`, sql`select 2 as two`]);
      expect([first, second]).toEqual([[{ one: 1 }], [{ two: 2 }]]);
      await expect(sql`select 1/0`).rejects.toMatchObject({ code: "22012" });
    });

    test("serves requests one after the other and at the same time", async () => {
      const sql = neon(url());
      for (const n of [1, 2]) expect(await sql`select ${n}::int as n`).toEqual([{ n }]);
      const answers = await Promise.all([1, 2, 3, 4].map((n) => sql`select ${n}::int as n`));
      expect(answers).toEqual([1, 2, 3, 4].map((n) => [{ n }]));
      await expect.poll(() => upstream.size).toBe(0);
    });

    test("is refused to a wrong password", async () => {
      await expect(neon(url("alice:wrong"))`select 1`).rejects.toThrow(/password/);
    });
  });

  test("a CancelRequest finds its session in another invocation", async () => {
    const connection = await connectUrl(`postgres://alice:wonder@127.0.0.1:${worker.tcpPort}/app`);
    const answer = query(connection, "select pg_sleep(60)").catch((error: unknown) => error);
    await setTimeout(200);
    const address = {
      host: "127.0.0.1",
      port: worker.tcpPort,
      rootCertificate: undefined,
      certificate: undefined,
      key: undefined,
    };
    await cancel(await openSocket(address), connection);
    expect(await answer).toMatchObject({ code: "57014" });
    connection.close();
  });

  test("health, readiness, metrics and the status page", async () => {
    const get = async (path: string): Promise<[number, string]> => {
      const response = await fetch(worker.url + path);
      return [response.status, await response.text()];
    };
    expect(await get("/health")).toEqual([200, '{"status":"ok"}']);
    expect(await get("/ready")).toEqual([200, expect.stringContaining('"ready":true')]);
    expect(await get("/metrics")).toEqual([200, expect.stringContaining("edgewire_sessions_total")]);
    expect(await get("/")).toEqual([200, expect.stringContaining("<html")]);
    expect((await get("/nothing"))[0]).toBe(404);
    expect(worker.harness.getLogs().map(({ message }) => message)).toEqual([]);
  });
});
