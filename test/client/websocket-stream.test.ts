import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket as PausingWebSocket, WebSocketServer } from "ws";
import {
  type ClientWebSocket,
  connect,
  openWebSocket,
  type WebSocketStreamOptions,
  webSocketStream,
} from "../../src/client/mod.ts";
import { PgError } from "../../src/wire/mod.ts";

/** A WebSocket that a test moves by hand. */
class ManualWebSocket implements ClientWebSocket {
  binaryType = "blob";
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: Uint8Array[] = [];
  readonly closes: (number | undefined)[] = [];
  readonly #listeners = new Map<string, (event: never) => void>();

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, listener);
  }

  emit(type: string, event: object): void {
    this.#listeners.get(type)?.(event as never);
  }

  /** A frame comes. */
  give(...bytes: number[]): void {
    this.emit("message", { data: Uint8Array.from(bytes).buffer });
  }

  send(data: Uint8Array): void {
    this.sent.push(data);
  }

  close(code?: number): void {
    this.closes.push(code);
  }
}

function streamed(options: WebSocketStreamOptions = {}) {
  const socket = new ManualWebSocket();
  const stream = webSocketStream(socket, options);
  const received: number[][] = [];
  const ends: (Error | undefined)[] = [];
  stream.onData = (chunk) => void received.push([...chunk]);
  stream.onClose = (error) => void ends.push(error);
  return { socket, stream, received, ends };
}

test("a frame is a chunk, both ways", () => {
  const { socket, stream, received } = streamed();
  expect(socket.binaryType).toBe("arraybuffer");
  socket.give(1, 2);
  stream.write(Uint8Array.of(3));
  expect([received, socket.sent]).toEqual([[[1, 2]], [Uint8Array.of(3)]]);
});

test("over wss: it counts as encrypted", () => {
  expect(streamed().stream.tls).toBeUndefined();
  expect(streamed({ secure: true }).stream.tls).toEqual({});
});

describe("back-pressure", () => {
  test("a writer waits until little is left", async () => {
    const { socket, stream } = streamed();
    expect(stream.write(new Uint8Array(1))).toBeUndefined();
    socket.bufferedAmount = 2_000_000;
    let drained = false;
    const writing = Promise.resolve(stream.write(new Uint8Array(1))).then(() => {
      drained = true;
    });
    await delay(20);
    expect(drained).toBe(false);
    socket.bufferedAmount = 0;
    await writing;
  });

  test("a writer does not wait for a connection that has ended", async () => {
    const { socket, stream } = streamed();
    socket.bufferedAmount = 2_000_000;
    const writing = stream.write(new Uint8Array(1));
    socket.emit("close", { code: 1006, reason: "", wasClean: false });
    await writing;
    expect(stream.write(new Uint8Array(1))).toBeUndefined();
    expect(socket.sent).toHaveLength(1);
  });

  test("what comes while the reader is busy waits for it, and so does the end", async () => {
    const { socket, stream, ends } = streamed();
    const chunks: number[] = [];
    const gates: PromiseWithResolvers<void>[] = [];
    stream.onData = ([first]) => {
      chunks.push(first as number);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      return gate.promise;
    };
    socket.give(1);
    socket.give(2);
    socket.give(3);
    socket.emit("close", { code: 1000, reason: "", wasClean: true });
    expect([chunks, ends]).toEqual([[1], []]);
    for (const count of [2, 3]) {
      gates.at(-1)?.resolve();
      await delay(0);
      expect([chunks.length, ends]).toEqual([count, []]);
    }
    gates.at(-1)?.resolve();
    await delay(0);
    expect([chunks, ends]).toEqual([[1, 2, 3], [undefined]]);
  });

  test("it does not wait without bounds", () => {
    const { socket, stream, ends } = streamed({ maxWaitingBytes: 3, where: "ws://db/v2" });
    stream.onData = () => new Promise(() => {});
    for (let count = 0; count < 5; count++) socket.give(1);
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({
      code: "08006",
      fields: { detail: "ws://db/v2: more than 3 bytes wait to be read, and a WebSocket cannot be paused" },
    });
    expect(socket.closes).toEqual([1000]);
  });

  test("a WebSocket that can be paused is", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await new Promise((resolve) => server.once("listening", resolve));
    server.on("connection", (socket) => {
      for (let count = 0; count < 100; count++) socket.send(new Uint8Array(1_000_000));
      socket.close(1000);
    });
    const socket = new PausingWebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = webSocketStream(socket, { maxWaitingBytes: 10_000_000 });
    let bytes = 0;
    const closed = new Promise((resolve) => {
      stream.onClose = resolve;
    });
    stream.onData = (chunk) => {
      bytes += chunk.length;
      return delay(1);
    };
    expect(await closed).toBeUndefined();
    expect(bytes).toBe(100_000_000);
    server.close();
  });
});

describe("the end", () => {
  test("by both sides is no error", () => {
    const { socket, stream, ends } = streamed();
    stream.end();
    expect(socket.closes).toEqual([1000]);
    socket.emit("close", { code: 1000, reason: "", wasClean: true });
    expect(ends).toEqual([undefined]);
  });

  test("by destroy() is told at once, and once", async () => {
    const { socket, stream, ends } = streamed();
    stream.destroy();
    expect(ends).toEqual([]);
    await delay(0);
    socket.emit("close", { code: 1006, reason: "", wasClean: false });
    expect(ends).toEqual([undefined]);
  });

  for (const [code, reason, wasClean, detail] of [
    [1006, "", false, "wss://db/v2: (WebSocket close code 1006)"],
    [1011, "out of order", true, "wss://db/v2: (WebSocket close code 1011: out of order)"],
  ] as const) {
    test(`by ${code} is 08006 that says so`, () => {
      const { socket, ends } = streamed({ where: "wss://db/v2" });
      socket.emit("close", { code, reason, wasClean });
      expect(ends[0]).toMatchObject({ code: "08006", fields: { severity: "FATAL", detail } });
    });
  }

  test("by an error tells what the platform tells of it", () => {
    const { socket, ends } = streamed();
    socket.emit("error", { message: "read ECONNRESET" });
    socket.emit("close", { code: 1006, reason: "", wasClean: false });
    expect((ends[0] as PgError).fields.detail).toBe("read ECONNRESET (WebSocket close code 1006)");
  });

  test("by a text frame, which is not the protocol", () => {
    const { socket, ends, received } = streamed();
    socket.emit("message", { data: "hello" });
    socket.give(1);
    expect(ends[0]).toMatchObject({ code: "08006" });
    expect(received).toEqual([]);
  });
});

describe("opening", () => {
  const servers: Server[] = [];
  let open: string;
  let silent: string;
  let closed: string;

  async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  beforeAll(async () => {
    const server = createServer((_, response) => response.writeHead(404).end());
    servers.push(server);
    const sockets = new WebSocketServer({ server, path: "/v2" });
    sockets.on("connection", (socket, { headers }) => {
      socket.on("message", () => {
        if (headers["x-door"] === "open") socket.close(1000);
        else socket.terminate();
      });
    });
    open = await listening(server);
    const mute = createTcpServer();
    servers.push(mute as unknown as Server);
    silent = await listening(mute);
    const gone = createTcpServer();
    closed = await listening(gone);
    gone.close();
  });

  afterAll(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections?.();
    }
  });

  async function refusal(...args: Parameters<typeof openWebSocket>): Promise<PgError> {
    const caught = await openWebSocket(...args).catch((error: unknown) => error);
    if (!(caught instanceof PgError)) throw new Error(`not refused: ${caught}`);
    expect(caught).toMatchObject({ code: "08001", fields: { severity: "FATAL" } });
    return caught;
  }

  test("fails with 08001 that says where, and nothing secret", async () => {
    const { message } = await refusal(`${closed.replace("//", "//me:secret@")}/v2?token=secret`);
    expect(message).toContain(`connection to server at ${closed}/v2 failed: `);
    expect(message).not.toContain("secret");
  });

  test("fails where there is no WebSocket, and for what is no URL of one", async () => {
    expect((await refusal(`${open}/nothing`)).message).toContain(`${open}/nothing failed: `);
    await refusal("ftp://127.0.0.1/");
    await refusal("nothing at all");
  });

  test("takes no longer than it may", async () => {
    expect((await refusal(`${silent}/v2`, { timeout: 50 })).message).toContain("timeout expired");
  });

  test("can be given up", async () => {
    const reason = new Error("enough");
    await expect(openWebSocket(`${silent}/v2`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const opening = openWebSocket(`${silent}/v2`, { signal: controller.signal });
    controller.abort(reason);
    await expect(opening).rejects.toBe(reason);
  });

  test("a server that hangs up during the start is 08006, by its own error", async () => {
    const stream = await openWebSocket(`${open}/v2`);
    await expect(connect(stream, { user: "me" })).rejects.toMatchObject({
      code: "08006",
      message: "server closed the connection unexpectedly",
      fields: { detail: expect.stringMatching(/^ws:.+\/v2: .*\(WebSocket close code 1006\)$/) },
    });
  });

  test("sends headers where the platform does", async () => {
    const stream = await openWebSocket(`${open}/v2`, { headers: { "x-door": "open" } });
    const ended = new Promise((resolve) => {
      stream.onClose = resolve;
    });
    stream.write(Uint8Array.of(1));
    expect(await ended).toBeUndefined();
  });
});
