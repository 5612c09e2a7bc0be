/** When bytes are sent and read: batching, back-pressure both ways, and turns of requests. */
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  type ByteStream,
  type Connection,
  cancel,
  connect,
  copyIn,
  copyOut,
  execute,
  type FrameReceiver,
  query,
  rows,
} from "../../src/client/mod.ts";
import type { BackendInput } from "../../src/wire/mod.ts";
import { backendBytes, concat } from "../wire/bytes.ts";
import { errorOf } from "./outcome.ts";
import { ScriptedServer } from "./scripted-server.ts";

const ready = backendBytes({ type: "ReadyForQuery", status: "I" });
const started = concat(
  backendBytes({ type: "AuthenticationOk" }),
  backendBytes({ type: "BackendKeyData", processId: 1, secretKey: new Uint8Array(4) }),
  ready,
);
const complete = backendBytes({ type: "CommandComplete", tag: "SELECT 0" });

/** A stream whose every write is seen, and which is full when the test says so. */
class WatchedStream implements ByteStream {
  onData: ByteStream["onData"] = () => {};
  onClose: ByteStream["onClose"] = () => {};
  readonly writes: Uint8Array[] = [];
  full: Promise<void> | undefined;
  destroyed = false;

  write(bytes: Uint8Array): void | Promise<void> {
    this.writes.push(bytes);
    return this.full;
  }

  end(): void {}

  destroy(): void {
    this.destroyed = true;
  }

  /** The types of the messages of each write since the last call. */
  sent(): string[] {
    return this.writes.splice(0).map((bytes) => {
      let types = "";
      for (let at = 0; at < bytes.length; ) {
        types += String.fromCharCode(bytes[at] ?? 0);
        at += 1 + new DataView(bytes.buffer, bytes.byteOffset + at + 1).getInt32(0);
      }
      return types;
    });
  }
}

async function watched(): Promise<{ stream: WatchedStream; connection: Connection }> {
  const stream = new WatchedStream();
  const connecting = connect(stream, { user: "u", sslMode: "disable" });
  await setTimeout(1);
  stream.onData(started.slice());
  const connection = await connecting;
  stream.writes.length = 0;
  return { stream, connection };
}

describe("sending", () => {
  test("calls of one turn leave in one write", async () => {
    const { stream, connection } = await watched();
    const calls = [query(connection, "a"), execute(connection, { sql: "b" }), query(connection, "c")];
    expect(stream.sent()).toEqual([]);
    await Promise.resolve();
    expect(stream.sent()).toEqual(["QPBDESQ"]);
    stream.onData(concat(complete, ready, complete, ready, complete, ready));
    expect((await Promise.all(calls)).length).toBe(3);
  });

  test("nothing is sent behind an exclusive request", async () => {
    const { stream, connection } = await watched();
    const before = query(connection, "a");
    const copying = copyIn(connection, "copy", ["x"]);
    const after = query(connection, "b");
    await setTimeout(1);
    expect(stream.sent()).toEqual(["Q"]);
    stream.onData(concat(complete, ready));
    await before;
    expect(stream.sent()).toEqual(["Q"]);
    stream.onData(backendBytes({ type: "CopyInResponse", format: 0, columnFormats: [] }));
    await setTimeout(1);
    expect(stream.sent()).toEqual(["dc"]);
    stream.onData(concat(complete, ready));
    expect(await copying).toBe("SELECT 0");
    expect(stream.sent()).toEqual(["Q"]);
    stream.onData(concat(complete, ready));
    await after;
  });

  test("a full stream is waited for", async () => {
    const { stream, connection } = await watched();
    const full = Promise.withResolvers<void>();
    stream.full = full.promise;
    const calls = [query(connection, "a")];
    await setTimeout(1);
    calls.push(query(connection, "b"), query(connection, "c"));
    await setTimeout(1);
    expect(stream.sent()).toEqual(["Q"]);
    stream.full = undefined;
    full.resolve();
    await setTimeout(1);
    expect(stream.sent()).toEqual(["QQ"]);
    stream.onData(concat(complete, ready, complete, ready, complete, ready));
    await Promise.all(calls);
  });

  test("much at once goes in pieces", async () => {
    const { stream, connection } = await watched();
    const text = "x".repeat(40_000);
    const calls = Array.from({ length: 5 }, () => query(connection, text));
    await Promise.resolve();
    expect(stream.sent()).toEqual(["QQ", "QQ", "Q"]);
    stream.onData(concat(...Array.from({ length: 5 }, () => concat(complete, ready))));
    await Promise.all(calls);
  });

  test("COPY collects rows, and waits for a full stream", async () => {
    const { stream, connection } = await watched();
    let taken = 0;
    function* source() {
      for (; taken < 10_000; taken++) yield "0123456789\n";
    }
    const copying = copyIn(connection, "copy", source());
    await setTimeout(1);
    const full = Promise.withResolvers<void>();
    stream.full = full.promise;
    stream.sent();
    stream.onData(backendBytes({ type: "CopyInResponse", format: 0, columnFormats: [] }));
    await setTimeout(20);
    expect(stream.writes.length).toBe(1);
    // 32 KiB of rows, and not the rest.
    expect(taken).toBeLessThan(3_100);
    stream.full = undefined;
    full.resolve();
    await setTimeout(50);
    expect(taken).toBe(10_000);
    expect(stream.sent().join("")).toBe(`${"d".repeat(10_000)}c`);
    stream.onData(concat(complete, ready));
    await copying;
  });

  test("what is written to a connection that is over is dropped", async () => {
    const { stream, connection } = await watched();
    connection.destroy();
    expect(stream.destroyed).toBe(true);
    expect(connection.write(Uint8Array.of(1))).toBeUndefined();
    expect(stream.sent()).toEqual([]);
    connection.close();
    connection.destroy();
  });
});

describe("receiving", () => {
  const data: BackendInput = { type: "CopyData", data: new Uint8Array(40_000) };

  test("a slow reader of COPY stops the stream, and sees everything in order", async () => {
    const { stream, connection } = await watched();
    const copy = copyOut(connection, "copy");
    const first = copy.next();
    await setTimeout(1);
    const out = backendBytes({ type: "CopyOutResponse", format: 0, columnFormats: [] });
    expect(stream.onData(concat(out, backendBytes(data)))).toBeUndefined();
    const pressure = stream.onData(backendBytes(data));
    expect(pressure).toBeInstanceOf(Promise);
    // A stream that had more under way already: it waits its turn, and keeps its order.
    const done = concat(backendBytes({ type: "CopyDone" }), complete, ready);
    expect(stream.onData(concat(backendBytes({ ...data, data: Uint8Array.of(7) }), done))).toBeInstanceOf(
      Promise,
    );
    expect((await first).value).toHaveLength(40_000);
    expect(await copy.next()).toMatchObject({ value: { length: 40_000 } });
    expect((await copy.next()).value).toEqual(Uint8Array.of(7));
    expect(await copy.next()).toEqual({ done: true, value: "SELECT 0" });
    await pressure;
  });

  test("rows are asked for a batch at a time", async () => {
    const { stream, connection } = await watched();
    const iterator = rows(connection, { sql: "x" }, 1);
    const first = iterator.next();
    await setTimeout(1);
    expect(stream.sent()).toEqual(["PBDEH"]);
    const field = {
      name: "a",
      tableOid: 0,
      columnAttribute: 0,
      typeOid: 25,
      typeSize: -1,
      typeModifier: -1,
      format: 0,
    };
    stream.onData(
      concat(
        backendBytes({ type: "RowDescription", fields: [field] }),
        backendBytes({ type: "DataRow", values: ["1"] }),
        backendBytes({ type: "PortalSuspended" }),
      ),
    );
    expect((await first).value).toEqual([["1"]]);
    await setTimeout(1);
    expect(stream.sent()).toEqual([]);
    const second = iterator.next();
    await setTimeout(1);
    expect(stream.sent()).toEqual(["EH"]);
    stream.onData(complete.slice());
    await setTimeout(1);
    expect(stream.sent()).toEqual(["S"]);
    stream.onData(ready.slice());
    expect((await second).done).toBe(true);
  });
});

describe("taking a connection over", () => {
  test("the receiver gets messages as they are, from where the last one ended", async () => {
    const { stream, connection } = await watched();
    const seen: string[] = [];
    const receiver: FrameReceiver = {
      frame: ({ code }) => void seen.push(String.fromCharCode(code)),
      received: () => void seen.push("."),
      lost: ({ code }) => void seen.push(code),
    };
    const notice = backendBytes({ type: "NotificationResponse", processId: 1, channel: "c", payload: "" });
    stream.onData(notice.slice(0, 7));
    connection.takeOver(receiver);
    expect(() => connection.takeOver(receiver)).toThrow("in use");
    expect(() => query(connection, "SELECT 1")).toThrow("taken over");
    stream.onData(concat(notice.slice(7), complete, ready.slice(0, 3)));
    expect(connection.betweenMessages).toBe(false);
    stream.onData(ready.slice(3));
    expect(connection.betweenMessages).toBe(true);
    connection.giveBack();
    const call = query(connection, "SELECT 1");
    await Promise.resolve();
    stream.onData(concat(complete, ready));
    await call;
    connection.takeOver(receiver);
    stream.onClose(undefined);
    expect(seen).toEqual(["A", "C", ".", "Z", ".", "08006"]);
  });

  test("of one that is over", async () => {
    const { stream, connection } = await watched();
    stream.onClose(new Error("cable cut"));
    const lost = await new Promise((resolve) =>
      connection.takeOver({ frame: () => {}, received: () => {}, lost: resolve }),
    );
    expect(lost).toMatchObject({ code: "08006", fields: { detail: "cable cut" } });
  });
});

describe("cancel", () => {
  const key = { processId: 5, secretKey: Uint8Array.of(1, 2, 3, 4) };
  const tls = { client: { alpn: "postgresql" }, server: {} };

  test("sends the key, and waits for the server to close", async () => {
    const server = new ScriptedServer();
    let settled = false;
    const cancelling = cancel(server.stream, key).then(() => {
      settled = true;
    });
    expect(await server.expect("CancelRequest")).toMatchObject(key);
    await setTimeout(5);
    expect(settled).toBe(false);
    server.close();
    await cancelling;
  });

  test("a long key, whatever the server says to it", async () => {
    const server = new ScriptedServer();
    const secretKey = new Uint8Array(256).fill(3);
    const cancelling = cancel(server.stream, { processId: -5, secretKey });
    expect(await server.expect("CancelRequest")).toMatchObject({ processId: -5, secretKey });
    server.sendRaw(...new Uint8Array(100_000));
    server.close();
    await cancelling;
  });

  test("over TLS, as the connection itself", async () => {
    const server = new ScriptedServer({ tls });
    const cancelling = cancel(server.stream, key, { sslMode: "require" });
    await server.expect("SSLRequest");
    server.sendRaw(0x53);
    await server.expect("CancelRequest");
    server.close();
    await cancelling;

    const direct = new ScriptedServer({ tls });
    const straight = cancel(direct.stream, key, { sslMode: "require", sslNegotiation: "direct" });
    await direct.expect("CancelRequest");
    direct.close();
    await straight;
  });

  test("does not send the key in the clear where TLS was wanted", async () => {
    const server = new ScriptedServer({ tls });
    const outcome = errorOf(cancel(server.stream, key, { sslMode: "require" }));
    await server.expect("SSLRequest");
    server.sendRaw(0x4e);
    expect(await outcome).toMatch(/^FATAL 08001 server does not support SSL/);
    await server.expectClose();
  });

  test("gives up on a server that does not close", async () => {
    const server = new ScriptedServer();
    expect(await errorOf(cancel(server.stream, key, { timeout: 20 }))).toBe("FATAL 08001 timeout expired");
    await server.expect("CancelRequest");
    await server.expectClose();
  });

  test("without a key", async () => {
    const server = new ScriptedServer();
    expect(await errorOf(cancel(server.stream, { processId: 0, secretKey: new Uint8Array(0) }))).toBe(
      "ERROR 0A000 the server gave no key to cancel with",
    );
  });
});

test("what a server sends while nobody reads is bounded", async () => {
  const stream = new WatchedStream();
  const never = new Promise<string>(() => {});
  const connecting = connect(stream, {
    user: "u",
    sslMode: "disable",
    password: () => never,
    connectTimeout: 100,
  });
  connecting.catch(() => {});
  await setTimeout(1);
  stream.onData(backendBytes({ type: "AuthenticationCleartextPassword" }));
  await setTimeout(1);
  expect(stream.onData(new Uint8Array(1_000))).toBeUndefined();
  expect(stream.onData(new Uint8Array(64 * 1024))).toBeInstanceOf(Promise);
  expect(await errorOf(connecting)).toBe("FATAL 08001 timeout expired");
});
