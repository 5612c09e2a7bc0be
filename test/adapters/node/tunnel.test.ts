// The tunnel, between bare clients and a server of WebSockets that this file has under control.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { afterEach, describe, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { Listener } from "../../../adapters/node/listen.ts";
import { tlsServer } from "../../../adapters/node/tls.ts";
import { openTunnel, type TunnelOptions, tunnelUrl } from "../../../adapters/node/tunnel.ts";
import { constantFrames, type PgError } from "../../../src/wire/mod.ts";
import { backendBytes, concat, frontendBytes } from "../../wire/bytes.ts";
import { certificateFolder, makeCertificate } from "./certificates.ts";
import { countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, RawClient, sslRequest, startup, startupBytes } from "./raw-client.ts";
import { closeWebSocketServers, serveWebSockets } from "./websocket-server.ts";

const goodbye = "FATAL 57P01: terminating connection due to administrator command";
const tunnels: Listener[] = [];
const servers: Server[] = [];

afterEach(async () => {
  destroyClients();
  await Promise.all(tunnels.splice(0).map((tunnel) => tunnel.close(100)));
  await closeWebSocketServers();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function tunnelTo(url: string, options: Partial<TunnelOptions> = {}): Promise<Listener> {
  const tunnel = await openTunnel({ url, ...options });
  tunnels.push(tunnel);
  return tunnel;
}

async function tunnelled(options: Partial<TunnelOptions> = {}) {
  const upstream = countingUpstream();
  const server = await serveWebSockets(upstream);
  return { upstream, server, tunnel: await tunnelTo(server.url, options) };
}

/** A server that does with its WebSockets what a test says. */
async function scripted(accept: (socket: WebSocket, request: IncomingMessage) => void): Promise<string> {
  const server = createServer();
  servers.push(server);
  new WebSocketServer({ server }).on("connection", accept);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ready = concat(constantFrames.authenticationOk, constantFrames.readyForQueryIdle);

describe("carries", () => {
  test("a session of pg, with its end", async () => {
    const { tunnel, upstream } = await tunnelled();
    const client = new pg.Client({ host: tunnel.host, port: tunnel.port, user: "tester" });
    await client.connect();
    expect((await client.query("select $1", ["x"])).rows).toEqual([{ sql: "select $1" }]);
    await expect(client.query("fail")).rejects.toMatchObject({ code: "22012" });
    await client.end();
    await expect.poll(() => upstream.counts.closed).toBe(1);
    await expect.poll(() => tunnel.size).toBe(0);
  });

  test("what comes byte by byte, and what comes at once", async () => {
    const { tunnel } = await tunnelled();
    const client = await RawClient.connect(tunnel);
    for (const byte of startup()) {
      client.send(Uint8Array.of(byte));
      await setTimeout(1);
    }
    await client.until("ReadyForQuery");
    const hasty = await RawClient.connect(tunnel);
    hasty.send(concat(startup(), query("select 1")));
    await hasty.until("ReadyForQuery");
    await hasty.until("ReadyForQuery");
  });

  test("StartupMessage and what came with it in one frame, as a pipelined password needs it", async () => {
    const frames: Buffer[] = [];
    const url = await scripted((socket) => socket.on("message", (data) => frames.push(data as Buffer)));
    const client = await RawClient.connect(await tunnelTo(url));
    const sent = concat(
      startup(),
      frontendBytes({ type: "PasswordMessage", password: "secret" }),
      query("x"),
    );
    client.send(sent);
    await expect.poll(() => frames.length).toBe(1);
    expect(Buffer.compare(frames[0] as Buffer, sent)).toBe(0);
  });

  test("headers, in the handshake", async () => {
    const requests: IncomingMessage[] = [];
    const url = await scripted((socket, request) => {
      requests.push(request);
      socket.send(ready);
    });
    const headers = { authorization: "Bearer abc", "x-door": "open" };
    const client = await RawClient.connect(await tunnelTo(url, { headers }));
    await client.login();
    expect(requests[0]).toMatchObject({ url: "/v2", headers });
  });

  test("a cancel, on a WebSocket of its own", async () => {
    const { tunnel, upstream } = await tunnelled();
    const client = await RawClient.connect(tunnel);
    client.send(startup());
    const messages = await client.until("ReadyForQuery");
    const key = messages.find((message) => message.type === "BackendKeyData");
    if (key?.type !== "BackendKeyData") throw new Error("there is no key");
    client.send(query("wait"));
    await expect.poll(() => upstream.counts.running).toBe(1);
    const canceller = await RawClient.connect(tunnel);
    const { processId, secretKey } = key;
    canceller.send(startupBytes({ type: "CancelRequest", processId, secretKey }));
    expect(await canceller.end()).toEqual([]);
    await client.until("ErrorResponse");
    await client.until("ReadyForQuery");
    expect(upstream.counts.aborted).toBe(1);
  });

  test("the client's end: what it asked for is answered first", async () => {
    const { tunnel, upstream } = await tunnelled();
    const client = await (await RawClient.connect(tunnel)).login();
    client.send(query("wait 100"), query("select 1"));
    client.half();
    expect(await client.end()).toEqual([
      "WAIT",
      "ready I",
      "RowDescription",
      "select 1",
      "SELECT 1",
      "ready I",
    ]);
    await client.closed;
    expect(upstream.counts).toMatchObject({ aborted: 0, closed: 1 });
  });

  test("the loss of a client: what runs for it is cancelled", async () => {
    const { tunnel, upstream } = await tunnelled();
    const client = await (await RawClient.connect(tunnel)).login();
    client.send(query("wait"));
    await expect.poll(() => upstream.counts.running).toBe(1);
    client.socket.resetAndDestroy();
    await expect.poll(() => upstream.counts).toMatchObject({ aborted: 1, closed: 1 });
    await expect.poll(() => tunnel.size).toBe(0);
  });

  test("a client that goes in the middle of a message", async () => {
    const { tunnel, upstream } = await tunnelled();
    const client = await (await RawClient.connect(tunnel)).login();
    client.send(query("select 1").subarray(0, 7));
    client.half();
    expect(await client.end()).toEqual([]);
    expect(upstream.counts.closed).toBe(1);
  });

  test("the server's last word, and no other", async () => {
    const { tunnel, server } = await tunnelled();
    const client = await (await RawClient.connect(tunnel)).login();
    const closed = server.close();
    expect(await client.end()).toEqual([goodbye]);
    await closed;
  });
});

describe("back-pressure", () => {
  /** What the kernel's buffers of four sockets, and the high-water marks above them, may hold. */
  const slack = 30 * 1024 * 1024;
  const many = 60_000;

  async function settled(value: () => number): Promise<number> {
    for (let last = -1, same = 0; ; last = value()) {
      await setTimeout(50);
      same = value() === last ? same + 1 : 0;
      if (same === 4) return last;
    }
  }

  test("a client that does not read holds the upstream back", async () => {
    const { tunnel, upstream } = await tunnelled();
    const client = await (await RawClient.connect(tunnel)).login();
    client.socket.pause();
    client.send(query(`rows ${many}`));
    await expect.poll(() => upstream.counts.rows).toBeGreaterThan(0);
    expect((await settled(() => upstream.counts.rows)) * 1_000).toBeLessThan(slack);
    let bytes = 0;
    client.socket.removeAllListeners("data");
    client.socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    client.socket.resume();
    await expect.poll(() => bytes, { timeout: 20_000 }).toBeGreaterThan(many * 1_000);
  });

  test("an upstream that is slow holds the client back", async () => {
    const { tunnel, upstream } = await tunnelled();
    const client = await (await RawClient.connect(tunnel)).login();
    client.send(query("copy in slowly"));
    await client.until("CopyInResponse");
    const chunk = frontendBytes({ type: "CopyData", data: new Uint8Array(1_000_000) });
    for (let count = 0; count < 60; count++) client.socket.write(chunk);
    expect(await settled(() => client.socket.writableLength)).toBeGreaterThan(60_000_000 - slack);
    expect(upstream.counts.copied).toBeLessThan(slack);
    client.destroy();
  });
});

describe("a tunnel that cannot be opened is FATAL 08006", () => {
  async function refusal(url: string, options?: Partial<TunnelOptions>): Promise<Partial<PgError["fields"]>> {
    const errors: PgError[] = [];
    const tunnel = await tunnelTo(url, { ...options, onError: (error) => errors.push(error) });
    const client = await RawClient.connect(tunnel);
    client.send(startup());
    const [message] = await client.until("ErrorResponse");
    await client.end();
    if (message?.type !== "ErrorResponse") throw new Error(`${message?.type} in place of an error`);
    expect(message.fields).toMatchObject({ severity: "FATAL", code: "08006" });
    expect(errors.map((error) => error.fields.detail)).toEqual([message.fields.detail]);
    return message.fields;
  }

  async function unused(): Promise<number> {
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  test("where nobody listens", async () => {
    const port = await unused();
    expect(await refusal(`ws://me:secret@127.0.0.1:${port}/v2?token=secret`)).toMatchObject({
      message: `the tunnel to ws://127.0.0.1:${port}/v2 could not be opened`,
      detail: `connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });

  test("where the server refuses, with its status and words", async () => {
    const { url } = await serveWebSockets(countingUpstream(), { origins: ["https://app.example.com"] });
    expect(await refusal(url, { headers: { origin: "https://evil.test" } })).toMatchObject({
      detail: "HTTP 403 Forbidden: the origin https://evil.test may not connect",
    });
  });

  test("where the server has no WebSockets, or leads elsewhere", async () => {
    const server = createServer((_, response) =>
      response.writeHead(302, { location: "https://x.test/" }).end(),
    );
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    expect(await refusal(`ws://127.0.0.1:${port}`)).toMatchObject({
      detail: "HTTP 302 Found to https://x.test/",
    });
  });

  test("where nobody answers", async () => {
    const silent = createTcpServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    expect(await refusal(`ws://127.0.0.1:${port}`, { handshakeTimeout: 50 })).toMatchObject({
      detail: "Opening handshake has timed out",
    });
    silent.close();
  });

  test("and pg understands it", async () => {
    const tunnel = await tunnelTo(`ws://127.0.0.1:${await unused()}`);
    const client = new pg.Client({ host: tunnel.host, port: tunnel.port, user: "tester" });
    await expect(client.connect()).rejects.toMatchObject({ code: "08006", severity: "FATAL" });
  });
});

describe("a tunnel that breaks is FATAL 08006", () => {
  async function broken(end: (socket: WebSocket) => void): Promise<string[]> {
    const url = await scripted((socket) => {
      socket.send(ready);
      socket.on("message", (data) => {
        if ((data as Buffer)[0] === 0x51) end(socket);
      });
    });
    const client = await (await RawClient.connect(await tunnelTo(url))).login();
    client.send(query("select 1"));
    const messages = await client.end();
    return messages.map((line) => line.replace(/:\d+\//, ":port/"));
  }
  const error = "FATAL 08006: the tunnel to ws://127.0.0.1:port/v2 is broken";

  test("when the connection is cut", async () => {
    expect(await broken((socket) => socket.terminate())).toEqual([error]);
  });

  test("when it is closed without the protocol's last word", async () => {
    expect(await broken((socket) => socket.close(1001, "idle for too long"))).toEqual([error]);
  });

  test("behind a message that did not come to its end", async () => {
    const row = backendBytes({ type: "DataRow", values: [new TextEncoder().encode("x".repeat(100))] });
    expect(
      await broken((socket) => {
        socket.send(concat(row, row.subarray(0, 50)));
        socket.close();
      }),
    ).toEqual(["x".repeat(100), error]);
  });

  test("by a text frame", async () => {
    expect(await broken((socket) => socket.send("hello"))).toEqual([error]);
  });

  test("but not in the middle of a message that the client has the beginning of", async () => {
    const row = backendBytes({ type: "DataRow", values: [new Uint8Array(100_000)] });
    expect(
      await broken((socket) => {
        socket.send(row.subarray(0, 50_000));
        socket.close();
      }),
    ).toEqual([]);
  });

  test("when the gateway dies", async () => {
    const { tunnel, server } = await tunnelled();
    const client = new pg.Client({ host: tunnel.host, port: tunnel.port, user: "tester" });
    const errors: unknown[] = [];
    client.on("error", (caught) => errors.push(caught));
    await client.connect();
    const asked = client.query("wait").catch((caught: unknown) => caught);
    server.terminate();
    expect(await asked).toMatchObject({ code: "08006", severity: "FATAL" });
  });
});

describe("encryption", () => {
  const certificates = certificateFolder();
  const files = certificates.write("server", makeCertificate({ names: ["localhost"] }));

  test("is refused to those who only ask, without a certificate", async () => {
    const { tunnel } = await tunnelled();
    const client = await RawClient.connect(tunnel);
    client.send(sslRequest);
    expect(await client.bytes(1)).toEqual(Uint8Array.of(0x4e));
    client.send(startupBytes({ type: "GSSENCRequest" }));
    expect(await client.bytes(1)).toEqual(Uint8Array.of(0x4e));
    await client.login();
  });

  test("is given with one, after SSLRequest and direct", async () => {
    const { tunnel } = await tunnelled({ tls: tlsServer(files) });
    const asked = await (await RawClient.connect(tunnel)).upgrade();
    await asked.login();
    expect((await asked.query("select 1")).at(-1)).toBe("ready I");
    await (await (await RawClient.connect(tunnel)).direct()).login();
  });

  test("takes nothing that was sent before it", async () => {
    const { tunnel } = await tunnelled({ tls: tlsServer(files) });
    const client = await RawClient.connect(tunnel);
    client.send(concat(sslRequest, startup()));
    expect(await client.end()).toEqual(["FATAL 08P01: received unencrypted data after SSL request"]);
  });
});

test("listens on a Unix socket, too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "edgewire-tunnel-"));
  try {
    const { tunnel } = await tunnelled({ path: folder, port: 6432 });
    expect(tunnel.path).toBe(join(folder, ".s.PGSQL.6432"));
    await (await RawClient.connect(tunnel)).login();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("says that it is full", async () => {
  const { tunnel } = await tunnelled({ maxConnections: 1 });
  await (await RawClient.connect(tunnel)).login();
  const second = await RawClient.connect(tunnel);
  second.send(startup());
  expect(await second.end()).toEqual(["FATAL 53300: sorry, too many clients already"]);
});

test("what is no startup packet opens nothing", async () => {
  const { tunnel, upstream } = await tunnelled();
  const client = await RawClient.connect(tunnel);
  client.send(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  expect(await client.end()).toEqual(["FATAL 08P01: invalid length of startup packet"]);
  expect(upstream.counts.opened).toBe(0);
});

describe("close()", () => {
  test("tells idle clients at once, and lets statements finish", async () => {
    const { tunnel, upstream } = await tunnelled();
    const idle = await (await RawClient.connect(tunnel)).login();
    const busy = await (await RawClient.connect(tunnel)).login();
    busy.send(query("wait 300"));
    await expect.poll(() => upstream.counts.running).toBe(1);
    const closed = tunnel.close();
    expect(await idle.end()).toEqual([goodbye]);
    idle.half();
    expect(tunnel.size).toBe(1);
    expect(await busy.end()).toEqual(["WAIT", "ready I", goodbye]);
    busy.half();
    await closed;
    await expect.poll(() => upstream.counts).toMatchObject({ aborted: 0, closed: 2 });
  });

  test("does not wait for ever", async () => {
    const { tunnel, upstream } = await tunnelled();
    const client = await (await RawClient.connect(tunnel)).login();
    client.send(query("wait"));
    await expect.poll(() => upstream.counts.running).toBe(1);
    await tunnel.close(50);
    expect(await client.end()).toEqual([goodbye]);
  });
});

describe("the URL", () => {
  for (const [given, meant] of [
    ["wss://db.example.com/v2", "wss://db.example.com/v2"],
    ["wss://db.example.com/other?x=1#y", "wss://db.example.com/other?x=1"],
    ["https://db.example.com", "wss://db.example.com/v2"],
    ["http://db.example.com:8080/", "ws://db.example.com:8080/v2"],
    ["db.example.com", "wss://db.example.com/v2"],
    ["db.example.com:8443/path", "wss://db.example.com:8443/path"],
    ["localhost:8787", "ws://localhost:8787/v2"],
    ["127.0.0.1:8787", "ws://127.0.0.1:8787/v2"],
    ["[::1]:8787", "ws://[::1]:8787/v2"],
    ["localhost.example.com", "wss://localhost.example.com/v2"],
    ["wss://localhost", "wss://localhost/v2"],
  ] as const) {
    test(`${given} is ${meant}`, () => expect(tunnelUrl(given)).toBe(meant));
  }
  for (const wrong of ["", "postgres://u@h/d", "ftp://h", "a b", "wss://"]) {
    test(`"${wrong}" is none`, () => expect(() => tunnelUrl(wrong)).toThrow(TypeError));
  }
});

test("headers that cannot be sent are refused at the start", async () => {
  await expect(openTunnel({ url: "localhost", headers: { "a b": "x" } })).rejects.toThrow(TypeError);
  await expect(openTunnel({ url: "localhost", headers: { a: "x\r\ny" } })).rejects.toThrow(TypeError);
});
