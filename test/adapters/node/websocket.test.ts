// WebSockets on Node, over real sockets: what the session is told in memory (test/http), the `ws` package does here.
import { setTimeout } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { frontendBytes } from "../../wire/bytes.ts";
import { countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, sslRequest, startup } from "./raw-client.ts";
import { closeWebSocketServers, connectWebSocket, serveWebSockets } from "./websocket-server.ts";

const goodbye = "FATAL 57P01: terminating connection due to administrator command";

afterEach(async () => {
  destroyClients();
  await closeWebSocketServers();
});

/** Waits until a number stands still, and gives it. */
async function settled(value: () => number): Promise<number> {
  for (let last = -1, same = 0; ; last = value()) {
    await setTimeout(50);
    same = value() === last ? same + 1 : 0;
    if (same === 4) return last;
  }
}

for (const path of ["/v2", "/", "/v1?address=db.example.com:5432"]) {
  test(`serves ${path}`, async () => {
    const { url } = await serveWebSockets(countingUpstream());
    const { client, closed } = await connectWebSocket(url + path);
    await client.login();
    expect(await client.query("select 1")).toEqual(["RowDescription", "select 1", "SELECT 1", "ready I"]);
    client.send(frontendBytes({ type: "Terminate" }));
    expect(await closed).toEqual({ code: 1000, reason: "" });
  });
}

test("answers SSLRequest with N, and goes on in clear", async () => {
  const { url } = await serveWebSockets(countingUpstream());
  const { client } = await connectWebSocket(url);
  client.send(sslRequest);
  expect(await client.bytes(1)).toEqual(Uint8Array.of(0x4e));
  await client.login();
});

test("keeps origins out that are not in the list, and lets tools in", async () => {
  const { url } = await serveWebSockets(countingUpstream(), { origins: ["https://app.example.com"] });
  await expect(connectWebSocket(url, { origin: "https://evil.test" })).rejects.toThrow("403");
  await (await connectWebSocket(url, { origin: "https://app.example.com" })).client.login();
  await (await connectWebSocket(url)).client.login();
});

test("takes WebSockets only, and of version 13", async () => {
  const { url, port } = await serveWebSockets(countingUpstream());
  await expect(connectWebSocket(url, { protocolVersion: 8 })).rejects.toThrow("426");
  const response = await fetch(`http://127.0.0.1:${port}/v2`);
  expect(response.status).toBe(404);
});

test("closes with 1003 over a text frame", async () => {
  const { url } = await serveWebSockets(countingUpstream());
  const { socket, client, closed } = await connectWebSocket(url);
  await client.login();
  socket.send("select 1");
  expect(await closed).toEqual({
    code: 1003,
    reason: "text frames are not understood: send binary frames",
  });
  expect(await client.end()).toEqual(["FATAL 08P01: text frames are not understood: send binary frames"]);
});

test("closes with 1009 over a frame that is too long", async () => {
  const upstream = countingUpstream();
  const { url } = await serveWebSockets(upstream, { maxFrameBytes: 1_000 });
  const { client, closed } = await connectWebSocket(url);
  await client.login();
  client.send(query("x".repeat(1_000)));
  expect((await closed).code).toBe(1009);
  await expect.poll(() => upstream.counts.closed).toBe(1);
});

describe("back-pressure", () => {
  /** What the kernel's buffers of both ends (Linux may let one grow to 32 MiB), and the marks above them, may hold. */
  const slack = 50 * 1024 * 1024;
  const many = 100_000;

  test("a client that does not read holds the upstream back", async () => {
    const upstream = countingUpstream();
    const { url } = await serveWebSockets(upstream);
    const { client, socket } = await connectWebSocket(url);
    await client.login();
    socket.pause();
    socket.send(query(`rows ${many}`));
    await expect.poll(() => upstream.counts.rows).toBeGreaterThan(0);
    expect((await settled(() => upstream.counts.rows)) * 1_000).toBeLessThan(slack);
    client.socket.removeAllListeners("data");
    let bytes = 0;
    client.socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    socket.resume();
    await expect.poll(() => bytes, { timeout: 20_000 }).toBeGreaterThan(many * 1_000);
    expect(upstream.counts.rows).toBe(many);
  });

  test("an upstream that is slow holds the client back", async () => {
    const upstream = countingUpstream();
    const { url } = await serveWebSockets(upstream);
    const { client, socket } = await connectWebSocket(url);
    await client.login();
    socket.send(query("copy in slowly"));
    await client.until("CopyInResponse");
    const chunk = frontendBytes({ type: "CopyData", data: new Uint8Array(1_000_000) });
    for (let count = 0; count < 100; count++) socket.send(chunk);
    const left = await settled(() => socket.bufferedAmount);
    expect(left).toBeGreaterThan(100_000_000 - slack);
    socket.terminate();
    await expect.poll(() => upstream.counts.running).toBe(0);
  });
});

test("says that it is full, whatever the others came by", async () => {
  let others = 0;
  const { url, listener } = await serveWebSockets(countingUpstream(), {
    maxConnections: 2,
    others: () => others,
  });
  const first = await connectWebSocket(url);
  await first.client.login();
  others = 1;
  const second = await connectWebSocket(url);
  second.client.send(startup());
  expect(await second.client.end()).toEqual(["FATAL 53300: sorry, too many clients already"]);
  expect(listener.size).toBe(1);
  others = 0;
  await (await connectWebSocket(url)).client.login();
});

test("says something now and then, for proxies that cut what is silent", async () => {
  const { url } = await serveWebSockets(countingUpstream(), { pingInterval: 20 });
  const { socket } = await connectWebSocket(url);
  let pings = 0;
  socket.on("ping", () => pings++);
  await expect.poll(() => pings).toBeGreaterThan(2);
});

test("a connection that is lost cancels what runs", async () => {
  const upstream = countingUpstream();
  const { url } = await serveWebSockets(upstream);
  const { client, socket } = await connectWebSocket(url);
  await client.login();
  socket.send(query("wait"));
  await expect.poll(() => upstream.counts.running).toBe(1);
  socket.terminate();
  await expect.poll(() => upstream.counts).toMatchObject({ aborted: 1, closed: 1, running: 0 });
});

test("what was asked before a goodbye is still done", async () => {
  const upstream = countingUpstream();
  const { url } = await serveWebSockets(upstream);
  const { client, socket } = await connectWebSocket(url);
  await client.login();
  socket.send(query("wait 200"));
  socket.close();
  await expect.poll(() => upstream.counts).toMatchObject({ aborted: 0, closed: 1, running: 0 });
});

describe("close()", () => {
  test("tells idle clients at once, and lets statements finish", async () => {
    const { url, close, listener } = await serveWebSockets(countingUpstream());
    const [idle, busy] = await Promise.all([connectWebSocket(url), connectWebSocket(url)]);
    await Promise.all([idle.client.login(), busy.client.login()]);
    busy.client.send(query("wait 300"));
    await setTimeout(50);
    const closed = close();
    expect(await idle.client.end()).toEqual([goodbye]);
    expect((await idle.closed).code).toBe(1001);
    expect(listener.size).toBe(1);
    expect(await busy.client.end()).toEqual(["WAIT", "ready I", goodbye]);
    expect((await busy.closed).code).toBe(1001);
    await closed;
  });

  test("refuses upgrades from then on", async () => {
    const { url, listener } = await serveWebSockets(countingUpstream());
    await listener.close();
    await expect(connectWebSocket(url)).rejects.toThrow("503");
  });

  test("does not wait for ever: not for a statement, not for a client", async () => {
    const upstream = countingUpstream();
    const { url, close } = await serveWebSockets(upstream);
    const socket = new WebSocket(url);
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send(startup());
    socket.send(query("wait"));
    await expect.poll(() => upstream.counts.running).toBe(1);
    socket.pause();
    const start = performance.now();
    await close(50);
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(upstream.counts).toMatchObject({ aborted: 1, closed: 1 });
    socket.terminate();
  });
});
