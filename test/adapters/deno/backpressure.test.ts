// Back-pressure both ways on Deno: a client that does not read holds the upstream back, a slow upstream holds the client
// back, and neither makes memory grow.
import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { concat, frontendBytes } from "../../wire/bytes.ts";
import { certificateFolder, makeCertificate } from "../node/certificates.ts";
import { destroyClients, query, RawClient } from "../node/raw-client.ts";
import { DenoServer, type Remote } from "./deno-process.ts";

const certificates = certificateFolder();
const tls = certificates.write("server", makeCertificate({ names: ["localhost"] }));
const deno = new DenoServer();

/** What the kernel's buffers of both ends, and the high-water marks above them, may hold. */
const slack = 20 * 1024 * 1024;

/** Rows, or lines, of 1,000 characters that are well beyond that. */
const many = 40_000;

afterEach(async () => {
  destroyClients();
  await deno.reset();
});

afterAll(async () => {
  await deno.stop();
  certificates.remove();
});

async function start(secure: boolean): Promise<{ remote: Remote; client: RawClient }> {
  const remote = await deno.start({ tls });
  const connected = await RawClient.connect(remote);
  const client = await (secure ? await connected.upgrade() : connected).login();
  return { remote, client };
}

/** Waits until a number stands still, and gives it. */
async function settled(value: () => number | Promise<number>): Promise<number> {
  for (let last = -1, same = 0; ; ) {
    await setTimeout(50);
    const now = await value();
    same = now === last ? same + 1 : 0;
    if (same === 4) return now;
    last = now;
  }
}

/** Memory outside of the JavaScript heap, where the bytes of sockets are. */
const external = async (): Promise<number> => (await deno.call("memory")).external;

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
    const { remote, client } = await start(secure);
    const before = await external();
    client.socket.pause();
    client.send(query(`${verb} ${many}`));
    const made = await settled(async () => (await remote.counts()).rows);
    expect(made).toBeGreaterThan(0);
    expect(made * 1_000).toBeLessThan(slack);
    expect((await external()) - before).toBeLessThan(slack);
    const tag = verb === "rows" ? `SELECT ${many}` : `COPY ${many}`;
    expect(await readUntil(client, tag)).toBeGreaterThan(many * 1_000);
    expect((await remote.counts()).rows).toBe(many);
  });

  test("a client that does not read any more and vanishes ends the statement", async () => {
    const { remote, client } = await start(secure);
    client.socket.pause();
    client.send(query("begin"), query(`rows ${many}`));
    await settled(async () => (await remote.counts()).rows);
    client.destroy();
    await expect.poll(() => remote.size()).toBe(0);
    const counts = await remote.counts();
    expect(counts).toMatchObject({ running: 0, rolledBack: 1, closed: 1 });
    expect(counts.rows).toBeLessThan(many);
  });

  test("a client that floods COPY FROM STDIN waits for the upstream, and gets all in", async () => {
    const { remote, client } = await start(secure);
    const data = frontendBytes({ type: "CopyData", data: new Uint8Array(64_000) });
    client.send(query("copy in slowly"));
    await client.until("CopyInResponse");
    const before = await external();
    for (let at = 0; at < 500; at++) client.send(data);
    client.send(frontendBytes({ type: "CopyDone" }));
    for (let at = 0; at < 5; at++) {
      await setTimeout(50);
      expect((await external()) - before).toBeLessThan(slack);
    }
    expect((await remote.counts()).copied).toBeLessThan(500 * 64_000);
    await client.until("ReadyForQuery");
    expect((await remote.counts()).copied).toBe(500 * 64_000);
  });
});

test("a client that floods a waiting session with queries is not read from", async () => {
  const { remote, client } = await start(false);
  const flood = concat(...Array.from({ length: 1_000 }, () => query(`select ${"x".repeat(1_000)}`)));
  client.send(query("wait 1500"));
  await expect.poll(async () => (await remote.counts()).running).toBe(1);
  const before = sent(client.socket);
  for (let at = 0; at < 40; at++) client.send(flood);
  const taken = (await settled(() => sent(client.socket))) - before;
  expect(taken).toBeLessThan(slack);
  client.destroy();
  await expect.poll(async () => (await remote.counts()).closed, { timeout: 10_000 }).toBe(1);
});

test("an idle client that does not read what is pushed to it is cut off", async () => {
  const { remote, client } = await start(false);
  client.socket.pause();
  const before = await external();
  for (let at = 0; at < 200 && (await remote.size()) > 0; at++) await remote.notify(8_000, 100);
  expect((await external()) - before).toBeLessThan(2 * slack);
  await expect.poll(() => remote.size()).toBe(0);
  expect((await remote.counts()).closed).toBe(1);
});

test("an idle client that reads gets everything that is pushed to it", async () => {
  const { remote, client } = await start(false);
  for (let at = 0; at < 50; at++) await remote.notify(8_000, 100);
  expect(await client.query("select 1")).toHaveLength(5_000 + 4);
});
