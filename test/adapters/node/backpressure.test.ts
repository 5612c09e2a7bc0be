// Back-pressure both ways: a client that does not read holds the upstream back, a slow upstream holds the client back, and
// neither makes memory grow.
import type { Socket } from "node:net";
import { setImmediate, setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { Listener } from "../../../adapters/node/listen.ts";
import { serve } from "../../../adapters/node/serve.ts";
import { concat, frontendBytes } from "../../wire/bytes.ts";
import { certificateFolder, makeCertificate } from "./certificates.ts";
import { type CountingUpstream, countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, RawClient } from "./raw-client.ts";

const certificates = certificateFolder();
const tls = certificates.write("server", makeCertificate({ names: ["localhost"] }));
const listeners: Listener[] = [];

/** What the kernel's buffers of both ends, and the high-water marks above them, may hold. */
const slack = 20 * 1024 * 1024;

/** Rows, or lines, of 1,000 characters that are well beyond that. */
const many = 40_000;

afterEach(async () => {
  destroyClients();
  await Promise.all(listeners.splice(0).map((listener) => listener.close(100)));
});

interface Started {
  upstream: CountingUpstream;
  client: RawClient;
  listener: Listener;
}

async function start(secure: boolean): Promise<Started> {
  const upstream = countingUpstream();
  const listener = await serve({ upstream, tls });
  listeners.push(listener);
  const connected = await RawClient.connect(listener);
  const client = await (secure ? await connected.upgrade() : connected).login();
  return { upstream, client, listener };
}

/** Waits until a number stands still, and gives it. */
async function settled(value: () => number): Promise<number> {
  for (let last = -1, same = 0; ; last = value()) {
    await setTimeout(50);
    same = value() === last ? same + 1 : 0;
    if (same === 4) return last;
  }
}

/** Memory outside of the JavaScript heap, where the bytes of sockets are. */
function external(): number {
  globalThis.gc?.();
  return process.memoryUsage().external;
}

/** Bytes that left the process. */
const sent = (socket: Socket): number => socket.bytesWritten - socket.writableLength;

/** Reads on, and gives the number of bytes up to the end of `marker`. */
function readUntil(client: RawClient, marker: string): Promise<number> {
  const { socket } = client;
  return new Promise((resolve, reject) => {
    let count = 0;
    let tail = Buffer.alloc(0);
    socket.removeAllListeners("data");
    socket.on("data", (chunk: Buffer) => {
      count += chunk.length;
      tail = Buffer.concat([tail, chunk]).subarray(-200);
      if (tail.includes(marker)) resolve(count);
    });
    socket.once("close", () => reject(new Error(`closed after ${count} bytes`)));
    socket.resume();
  });
}

describe.each([
  ["plain", false],
  ["TLS", true],
])("%s", (_, secure) => {
  test.each(["rows", "copy out"])("a client that does not read holds back %s", async (verb) => {
    const { upstream, client } = await start(secure);
    const before = external();
    client.socket.pause();
    client.send(query(`${verb} ${many}`));
    const made = await settled(() => upstream.counts.rows);
    expect(made).toBeGreaterThan(0);
    expect(made * 1_000).toBeLessThan(slack);
    expect(external() - before).toBeLessThan(slack);
    const tag = verb === "rows" ? `SELECT ${many}` : `COPY ${many}`;
    expect(await readUntil(client, tag)).toBeGreaterThan(many * 1_000);
    expect(upstream.counts.rows).toBe(many);
  });

  test("a client that does not read any more and vanishes ends the statement", async () => {
    const { upstream, client, listener } = await start(secure);
    client.socket.pause();
    client.send(query("begin"), query(`rows ${many}`));
    await settled(() => upstream.counts.rows);
    expect(upstream.counts.running).toBe(1);
    client.destroy();
    await expect.poll(() => listener.size).toBe(0);
    expect(upstream.counts).toMatchObject({ running: 0, rolledBack: 1, closed: 1 });
    expect(upstream.counts.rows).toBeLessThan(many);
  });

  test("a client that floods COPY FROM STDIN waits for the upstream, and gets all in", async () => {
    const { upstream, client } = await start(secure);
    const data = frontendBytes({ type: "CopyData", data: new Uint8Array(64_000) });
    client.send(query("copy in slowly"));
    await client.until("CopyInResponse");
    const before = sent(client.socket);
    for (let at = 0; at < 400; at++) client.send(data);
    client.send(frontendBytes({ type: "CopyDone" }));
    for (let at = 0; at < 5; at++) {
      await setTimeout(20);
      expect(sent(client.socket) - before - upstream.counts.copied).toBeLessThan(slack);
    }
    await client.until("ReadyForQuery");
    expect(upstream.counts.copied).toBe(400 * 64_000);
  });
});

test("a statement whose rows nobody reads can be cancelled by its time-out", async () => {
  const { upstream, client } = await start(false);
  await client.query("set statement_timeout = 300");
  client.socket.pause();
  client.send(query(`rows ${many}`));
  await expect.poll(() => upstream.counts.running, { timeout: 5_000 }).toBe(1);
  await expect.poll(() => upstream.counts.running, { timeout: 5_000 }).toBe(0);
  await readUntil(client, "C57014");
  expect(upstream.counts.rows).toBeLessThan(many);
});

test("a client that floods a waiting session with queries is not read from", async () => {
  const { upstream, client } = await start(false);
  const flood = concat(...Array.from({ length: 1_000 }, () => query(`select ${"x".repeat(1_000)}`)));
  client.send(query("wait 1500"));
  await expect.poll(() => upstream.counts.running).toBe(1);
  const before = sent(client.socket);
  for (let at = 0; at < 40; at++) client.send(flood);
  const taken = (await settled(() => sent(client.socket))) - before;
  expect(taken).toBeLessThan(slack);
  expect(taken).toBeLessThan(40 * flood.length);
  client.destroy();
  // As in PostgreSQL, nobody sees that it is gone before its statement ends and the next message is to be read.
  await expect.poll(() => upstream.counts.closed, { timeout: 10_000 }).toBe(1);
});

test("a client that pipelines queries and does not read is not read from", async () => {
  const { upstream, client } = await start(false);
  const flood = concat(...Array.from({ length: 1_000 }, () => query("rows 10")));
  client.socket.pause();
  for (let at = 0; at < 4; at++) client.send(flood);
  const made = await settled(() => upstream.counts.rows);
  expect(made * 1_000).toBeLessThan(slack);
  client.send(query("select last"));
  await readUntil(client, "select last");
  expect(upstream.counts.rows).toBe(many);
});

/** Notifications of a size, each in a turn of its own or many in one. */
const pushed: [string, number, number][] = [
  ["much", 8_000, 100],
  ["little at a time", 1_000, 1],
];

test.each(pushed)(
  "an idle client that does not read what is pushed to it is cut off (%s)",
  async (_, size, each) => {
    const { upstream, client, listener } = await start(false);
    client.socket.pause();
    const [context] = upstream.clients;
    const before = external();
    const payload = "x".repeat(size);
    for (let at = 0; at * size < 160_000_000 && listener.size > 0; at++) {
      context?.notify("news", payload);
      if (at % each === 0) await setImmediate();
    }
    expect(external() - before).toBeLessThan(2 * slack);
    await expect.poll(() => listener.size).toBe(0);
    await expect.poll(() => upstream.counts.closed).toBe(1);
  },
);

test("an idle client that reads gets everything that is pushed to it", async () => {
  const { upstream, client } = await start(false);
  const [context] = upstream.clients;
  const payload = "x".repeat(8_000);
  for (let at = 0; at < 5_000; at++) {
    context?.notify("news", payload);
    if (at % 100 === 0) await setTimeout(0);
  }
  expect(await client.query("select 1")).toHaveLength(5_000 + 4);
});
