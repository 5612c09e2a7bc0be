// close(): idle clients are told, running statements finish, and nobody is waited for for ever.
import { connect } from "node:net";
import pg from "pg";
import { afterEach, expect, test } from "vitest";
import type { Listener } from "../../../adapters/node/listen.ts";
import { type ServeOptions, serve } from "../../../adapters/node/serve.ts";
import { frontendBytes } from "../../wire/bytes.ts";
import { type CountingUpstream, countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, RawClient, startup } from "./raw-client.ts";

const goodbye = "FATAL 57P01: terminating connection due to administrator command";
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

const login = async (listener: Listener) => (await RawClient.connect(listener)).login();

/** Milliseconds that something takes. */
async function timed(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work;
  return performance.now() - start;
}

test("tells idle clients at once", async () => {
  const { listener, upstream } = await start();
  const clients = await Promise.all([login(listener), login(listener)]);
  const closed = timed(listener.close());
  for (const client of clients) {
    expect(await client.end()).toEqual([goodbye]);
    client.half();
  }
  expect(await closed).toBeLessThan(900);
  expect(upstream.counts).toMatchObject({ opened: 2, closed: 2 });
});

test("tells pg", async () => {
  const { listener } = await start();
  const client = new pg.Client({ host: listener.host, port: listener.port, user: "tester" });
  await client.connect();
  const errors: unknown[] = [];
  client.on("error", (error) => errors.push(error));
  await listener.close();
  await expect.poll(() => errors[0]).toMatchObject({ code: "57P01", severity: "FATAL" });
});

test("takes no more connections", async () => {
  const { listener } = await start();
  const standing = await login(listener);
  standing.send(query("wait 300"));
  const closed = listener.close();
  const late = connect(listener.port, listener.host);
  expect(
    await new Promise((resolve) => late.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code))),
  ).toBe("ECONNREFUSED");
  standing.half();
  await closed;
});

test("lets a running statement finish", async () => {
  const { listener, upstream } = await start();
  const client = await login(listener);
  client.send(query("wait 200"), query("select 2"));
  await expect.poll(() => upstream.counts.running).toBe(1);
  const closed = listener.close();
  expect(await client.end()).toEqual(["WAIT", "ready I", goodbye]);
  client.half();
  await closed;
  expect(upstream.counts).toMatchObject({ aborted: 0, closed: 1 });
});

test("rolls back a transaction that is open", async () => {
  const { listener, upstream } = await start();
  const client = await login(listener);
  await client.query("begin");
  const closed = listener.close();
  expect(await client.end()).toEqual([goodbye]);
  client.half();
  await closed;
  expect(upstream.counts).toMatchObject({ begun: 1, rolledBack: 1, committed: 0 });
});

test("ends a statement that does not finish in the time given", async () => {
  const { listener, upstream } = await start();
  const client = await login(listener);
  client.send(query("wait"));
  await expect.poll(() => upstream.counts.running).toBe(1);
  const closed = timed(listener.close(100));
  expect(await client.end()).toEqual([goodbye]);
  client.half();
  expect(await closed).toBeLessThan(900);
  expect(upstream.counts).toMatchObject({ aborted: 1, running: 0, closed: 1 });
});

test("ends a COPY that goes on, and a pipeline without its Sync", async () => {
  const { listener, upstream } = await start();
  const copying = await login(listener);
  copying.send(query("copy in"));
  await copying.until("CopyInResponse");
  const piping = await login(listener);
  piping.send(frontendBytes({ type: "Parse", statement: "", query: "select 1", parameterTypes: [] }));
  const closed = timed(listener.close(200));
  expect((await copying.end()).at(-1)).toBe(goodbye);
  expect((await piping.end()).at(-1)).toBe(goodbye);
  copying.half();
  piping.half();
  expect(await closed).toBeLessThan(1_000);
  expect(upstream.counts).toMatchObject({ closed: 2, running: 0 });
});

test("ends clients that have not logged in", async () => {
  const { listener } = await start({ auth: { find: () => ({ method: "password" }) } });
  const silent = await RawClient.connect(listener);
  const asked = await RawClient.connect(listener);
  asked.send(startup());
  await asked.until("AuthenticationCleartextPassword");
  const closed = timed(listener.close());
  expect(await asked.end()).toEqual([goodbye]);
  await silent.end();
  asked.half();
  silent.half();
  expect(await closed).toBeLessThan(900);
});

test("does not wait for clients that do not hang up", async () => {
  const { listener } = await start();
  const client = await login(listener);
  expect(await timed(listener.close())).toBeLessThan(2_500);
  expect(await client.end()).toEqual([goodbye]);
});

test("does not wait for clients that do not read", async () => {
  const { listener, upstream } = await start();
  const client = await login(listener);
  client.socket.pause();
  client.send(query("rows 100000"));
  await expect.poll(() => upstream.counts.rows).toBeGreaterThan(100);
  expect(await timed(listener.close(100))).toBeLessThan(4_000);
  expect(upstream.counts).toMatchObject({ running: 0, closed: 1 });
});

test("does not wait for ever for an upstream that does not let go", { timeout: 20_000 }, async () => {
  const never = new Promise<void>(() => {});
  const listener = await serve({
    upstream: { connect: () => ({ query: () => never as never, close: () => never }) },
  });
  const client = await login(listener);
  client.send(query("select 1"));
  expect(await timed(listener.close(50))).toBeLessThan(8_000);
});

test("closes the upstream behind the last session, once", async () => {
  const steps: string[] = [];
  const listener = await serve({
    upstream: {
      connect: () => ({
        query: () => ({ type: "command", tag: "OK" }),
        close: () => void steps.push("session"),
      }),
      close: () => void steps.push("upstream"),
    },
  });
  const clients = await Promise.all([login(listener), login(listener)]);
  const closed = Promise.all([listener.close(), listener.close()]);
  for (const client of clients) client.half();
  await closed;
  expect(steps).toEqual(["session", "session", "upstream"]);
});
