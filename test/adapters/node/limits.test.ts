// The cap on connections, and what counts towards it.

import pg from "pg";
import { afterEach, expect, test } from "vitest";
import type { Listener } from "../../../adapters/node/listen.ts";
import { type ServeOptions, serve } from "../../../adapters/node/serve.ts";
import { protocol30, type StartupPacket } from "../../../src/wire/mod.ts";
import { certificateFolder, makeCertificate } from "./certificates.ts";
import { type CountingUpstream, countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, RawClient, startup, startupBytes } from "./raw-client.ts";

const listeners: Listener[] = [];
const certificates = certificateFolder();
const tls = certificates.write("server", makeCertificate({ names: ["localhost"] }));
const tooMany = ["FATAL 53300: sorry, too many clients already"];

afterEach(async () => {
  destroyClients();
  await Promise.all(listeners.splice(0).map((listener) => listener.close(100)));
});

async function start(
  options: Partial<ServeOptions> = {},
): Promise<{ listener: Listener; upstream: CountingUpstream }> {
  const upstream = countingUpstream();
  const listener = await serve({ upstream, maxConnections: 2, ...options });
  listeners.push(listener);
  return { listener, upstream };
}

const login = async (listener: Listener) => (await RawClient.connect(listener)).login();

test("tells the client that is one too many so, and lets the next one in when there is room", async () => {
  const { listener } = await start();
  const first = await login(listener);
  const second = await login(listener);
  const third = await RawClient.connect(listener);
  third.send(startup());
  expect(await third.end()).toEqual(tooMany);
  expect(listener.size).toBe(2);
  expect(await second.query("select 1")).toContain("select 1");
  first.destroy();
  await expect.poll(() => listener.size).toBe(1);
  await login(listener);
});

test("counts those who came by other ways", async () => {
  let others = 1;
  const { listener } = await start({ others: () => others });
  const [, second] = [await login(listener), await RawClient.connect(listener)];
  second.send(startup());
  expect(await second.end()).toEqual(tooMany);
  others = 0;
  await login(listener);
});

test("tells pg so", async () => {
  const { listener } = await start({ maxConnections: 0 });
  const client = new pg.Client({ host: listener.host, port: listener.port, user: "tester" });
  await expect(client.connect()).rejects.toMatchObject({ code: "53300", severity: "FATAL" });
});

test("tells so over TLS", async () => {
  const { listener } = await start({ maxConnections: 0, tls });
  for (const kind of ["upgrade", "direct"] as const) {
    const client = await (await RawClient.connect(listener))[kind]();
    client.send(startup());
    expect(await client.end()).toEqual(tooMany);
  }
});

test("does not ask for a password first", async () => {
  const { listener } = await start({
    maxConnections: 0,
    auth: { find: () => Promise.reject(new Error("not asked")) },
  });
  const client = await RawClient.connect(listener);
  client.send(startup());
  expect(await client.end()).toEqual(tooMany);
});

test("counts those that have not said anything yet", async () => {
  const { listener } = await start({ tls });
  await RawClient.connect(listener);
  await RawClient.connect(listener);
  await expect.poll(() => listener.size).toBe(2);
  const third = await RawClient.connect(listener);
  third.send(startup());
  expect(await third.end()).toEqual(tooMany);
});

test("ends those that say nothing when the time for authentication is over, without a word", async () => {
  const { listener } = await start({ tls, limits: { authenticationTimeout: 50 } });
  const silent = await RawClient.connect(listener);
  const half = await RawClient.connect(listener);
  half.send(startup().subarray(0, 10));
  expect(await silent.end()).toEqual([]);
  expect(await half.end()).toEqual([]);
  await expect.poll(() => listener.size).toBe(0);
});

test("ends those that do not give their password in time, with an error", async () => {
  const { listener } = await start({
    auth: { find: () => ({ method: "password" }) },
    limits: { authenticationTimeout: 50 },
  });
  const client = await RawClient.connect(listener);
  client.send(startup());
  expect(await client.end()).toEqual([
    "AuthenticationCleartextPassword",
    "FATAL 57014: canceling authentication due to timeout",
  ]);
});

test("serves CancelRequest when it is full", async () => {
  const { listener, upstream } = await start({ maxConnections: 1 });
  const client = await RawClient.connect(listener);
  client.send(startup());
  const key = (await client.until("BackendKeyData")).at(-1);
  await client.until("ReadyForQuery");
  client.send(query("wait"));
  await expect.poll(() => upstream.counts.running).toBe(1);
  const canceller = await RawClient.connect(listener);
  canceller.send(startupBytes({ ...key, type: "CancelRequest" } as StartupPacket));
  expect(await canceller.end()).toEqual([]);
  expect((await client.until("ReadyForQuery")).map(({ type }) => type)).toEqual([
    "ErrorResponse",
    "ReadyForQuery",
  ]);
});

test("does not keep any number of those that it turns away", async () => {
  const { listener } = await start({ maxConnections: 0 });
  const waiting = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(listener)));
  const beyond = await RawClient.connect(listener);
  expect(await beyond.end()).toEqual([]);
  for (const client of waiting) client.send(startup());
  expect(await Promise.all(waiting.map((client) => client.end()))).toEqual(waiting.map(() => tooMany));
  destroyClients();
  await expect.poll(() => tellsSo(listener)).toBe(true);
});

async function tellsSo(listener: Listener): Promise<boolean> {
  const client = await RawClient.connect(listener);
  client.send(startup());
  return (await client.end()).length > 0;
}

test("refuses messages beyond the limit", async () => {
  const { listener } = await start({ limits: { messageBytes: 1_000 } });
  const client = await login(listener);
  client.send(query("x".repeat(2_000)));
  const [error] = await client.end();
  expect(error).toMatch(/^FATAL (08P01|54000)/);
  const stranger = await RawClient.connect(listener);
  stranger.send(
    startupBytes({
      type: "StartupMessage",
      version: protocol30,
      parameters: new Map([["user", "x".repeat(20_000)]]),
    }),
  );
  await stranger.end();
  await expect.poll(() => listener.size).toBe(0);
});
