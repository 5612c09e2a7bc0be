// The TCP listener with real drivers and with sockets that close half of themselves.

import pg from "pg";
import postgres from "postgres";
import { afterEach, expect, test } from "vitest";
import { type Listener, listen } from "../../../adapters/node/listen.ts";
import { type ServeOptions, serve } from "../../../adapters/node/serve.ts";
import { trustAuthSource } from "../../../src/auth/mod.ts";
import { type CountingUpstream, countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, RawClient, startup } from "./raw-client.ts";

const listeners: Listener[] = [];

afterEach(async () => {
  destroyClients();
  await Promise.all(listeners.splice(0).map((listener) => listener.close(100)));
});

async function start(
  options: Partial<ServeOptions> = {},
): Promise<{ listener: Listener; upstream: CountingUpstream }> {
  const upstream = countingUpstream();
  const listener = await serve({ upstream, ...options });
  listeners.push(listener);
  return { listener, upstream };
}

test("serves pg", async () => {
  const { listener } = await start();
  const client = new pg.Client({ host: listener.host, port: listener.port, user: "tester", database: "any" });
  await client.connect();
  const result = await client.query("select 1");
  expect(result.rows).toEqual([{ sql: "select 1" }]);
  await client.end();
});

test("serves postgres.js", async () => {
  const { listener } = await start();
  const sql = postgres({
    host: listener.host,
    port: listener.port,
    user: "tester",
    max: 2,
    fetch_types: false,
  });
  expect(await sql.unsafe("select 1")).toEqual([{ sql: "select 1" }]);
  await sql.end();
});

test("takes a query function for an upstream", async () => {
  const { listener } = await start({
    upstream: ({ sql }) => ({ type: "rows", columns: [{ name: "you sent" }], rows: [[sql]] }),
  });
  const client = await (await RawClient.connect(listener)).login();
  expect(await client.query("hello")).toEqual(["RowDescription", "hello", "SELECT 1", "ready I"]);
  client.destroy();
});

test("tells the session the peer's address", async () => {
  const upstream = countingUpstream();
  const { listener } = await start({ upstream });
  const client = await (await RawClient.connect(listener)).login();
  expect([...upstream.clients].map(({ login }) => login.address)).toEqual(["127.0.0.1"]);
  client.destroy();
});

test("listens on IPv6", async ({ skip }) => {
  const upstream = countingUpstream();
  let listener: Listener;
  try {
    ({ listener } = await start({ upstream, host: "::1" }));
  } catch (error) {
    return skip(`this machine has no IPv6: ${error}`);
  }
  const client = await (await RawClient.connect(listener)).login();
  expect([...upstream.clients].map(({ login }) => login.address)).toEqual(["::1"]);
  client.destroy();
});

test("rejects with Node's error when the port is taken", async () => {
  const { listener } = await start();
  await expect(start({ port: listener.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test("serves CancelRequest without a registry being given", async () => {
  const upstream = countingUpstream();
  const listener = await listen({ auth: trustAuthSource(), upstream: () => upstream });
  listeners.push(listener);
  const client = new pg.Client({ host: listener.host, port: listener.port, user: "tester" });
  await client.connect();
  const waiting = client.query("wait");
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const canceller = await RawClient.connect(listener);
  const request = Buffer.alloc(16);
  for (const [at, word] of [16, 80877102, processID].entries()) request.writeInt32BE(word, at * 4);
  request.writeInt32BE(secretKey | 0, 12);
  canceller.send(request);
  await expect(waiting).rejects.toMatchObject({ code: "57014" });
  expect(await canceller.end()).toEqual([]);
  await client.end();
});

/** What a client still gets after it closed its own side. PostgreSQL 15 gives the same. */
const halfClosed: [string, Uint8Array[], string[]][] = [
  ["nothing", [], []],
  ["half a startup packet", [startup().subarray(0, 7)], []],
  ["a startup packet", [startup()], ["ready I"]],
  [
    "a query",
    [startup(), query("select 1")],
    ["ready I", "RowDescription", "select 1", "SELECT 1", "ready I"],
  ],
  [
    "two queries, the first one slow",
    [startup(), query("wait 50"), query("select 2")],
    ["ready I", "WAIT", "ready I", "RowDescription", "select 2", "SELECT 1", "ready I"],
  ],
  ["half a query", [startup(), query("select 1").subarray(0, 8)], ["ready I"]],
  ["the beginning of a transaction", [startup(), query("begin")], ["ready I", "BEGIN", "ready T"]],
];

test.each(halfClosed)("answers a client that half-closes after %s", async (_, sent, answers) => {
  const { listener, upstream } = await start();
  const client = await RawClient.connect(listener);
  client.send(...sent);
  client.half();
  const got = await client.end();
  const ready = got.findIndex((text) => text.startsWith("ready"));
  expect(ready < 0 ? got : got.slice(ready)).toEqual(answers);
  await client.closed;
  await expect.poll(() => upstream.counts.closed).toBe(upstream.counts.opened);
  expect(upstream.counts.rolledBack).toBe(upstream.counts.begun);
  expect(listener.size).toBe(0);
});

test("cancels the statement of a client that closed its side and did not wait", async () => {
  const upstream = countingUpstream();
  const { listener } = await start({ upstream, lostClientGrace: 50 });
  const client = await (await RawClient.connect(listener)).login();
  client.send(query("wait"));
  await expect.poll(() => upstream.counts.running).toBe(1);
  client.half();
  await expect.poll(() => upstream.counts.aborted).toBe(1);
  expect(await client.end()).toEqual([]);
  await expect.poll(() => listener.size).toBe(0);
});

test("cancels the statement of a client whose connection was reset, at once", async () => {
  const upstream = countingUpstream();
  const { listener } = await start({ upstream, lostClientGrace: 60_000 });
  const client = await (await RawClient.connect(listener)).login();
  client.send(query("begin"), query("wait"));
  await expect.poll(() => upstream.counts.running).toBe(1);
  client.socket.resetAndDestroy();
  await expect.poll(() => upstream.counts.closed).toBe(1);
  expect(upstream.counts).toMatchObject({ aborted: 1, rolledBack: 1, running: 0 });
});

test("ends a client that does not speak the protocol", async () => {
  const { listener } = await start();
  const client = await RawClient.connect(listener);
  client.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await client.end();
  await expect.poll(() => listener.size).toBe(0);
});
