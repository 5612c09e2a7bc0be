import { afterEach, describe, expect, test, vi } from "vitest";
import { memoryCancelRegistry, type RelayPeer, type Upstream } from "../../src/session/mod.ts";
import { type BackendInput, encodeStartup, type Frame, fatal, PgError, Writer } from "../../src/wire/mod.ts";
import { backendBytes, concat } from "../wire/bytes.ts";
import {
  bytesOf,
  connect,
  copyData,
  flush,
  parse,
  query,
  settled,
  startup,
  sync,
  TestClient,
} from "./test-client.ts";

/** A relay that notes what it gets, and whose answers are the test's. */
class Recorder {
  readonly calls: string[] = [];
  peer!: RelayPeer;
  frames: Frame[] = [];
  pressure: void | Promise<void> = undefined;
  closing: Promise<void> | undefined;
  greeting: BackendInput | undefined;
  settled: Promise<void> | undefined;
  waiting = false;
  readonly upstream: Upstream = {
    connect: () => ({
      parameters: [["server_version", "16.4"]],
      relay: (peer) => {
        this.peer = peer;
        if (this.greeting) void peer.send(backendBytes(this.greeting));
        const recorder = this;
        return {
          get waiting() {
            return recorder.waiting;
          },
          send: (frame) => {
            this.calls.push(`send ${String.fromCharCode(frame.code)}`);
            this.frames.push(frame);
          },
          flush: () => {
            this.calls.push("flush");
            return this.pressure;
          },
          settle: () => this.settled,
          cancel: () => this.calls.push("cancel"),
          close: () => {
            this.calls.push("close relay");
            return this.closing;
          },
        };
      },
      close: () => {
        this.calls.push("close session");
      },
    }),
  };

  answer(...messages: readonly BackendInput[]): void | Promise<void> {
    const sent = this.peer.send(concat(...messages.map(backendBytes)));
    const last = messages.at(-1);
    if (last?.type === "ReadyForQuery") this.peer.ready(last.status);
    return sent;
  }
}

async function relayed(options = {}) {
  const relay = new Recorder();
  const client = await connect({ upstream: relay.upstream, ...options });
  relay.calls.length = 0;
  return { relay, client };
}

const done: BackendInput = { type: "CommandComplete", tag: "OK" };
const ready: BackendInput = { type: "ReadyForQuery", status: "I" };

test("the startup's settings are the upstream's, and nothing else", async () => {
  const relay = new Recorder();
  const client = new TestClient({ upstream: relay.upstream });
  void client.sendBytes(startup({ nosuch: "the upstream's to refuse" }));
  await client.until("ReadyForQuery");
  expect(client.take()).toEqual([
    "AuthenticationOk",
    "ParameterStatus server_version=16.4",
    "BackendKeyData",
    "ReadyForQuery I",
  ]);
});

test("what a relay sends when it is made comes before the ReadyForQuery", async () => {
  const relay = new Recorder();
  relay.greeting = { type: "NoticeResponse", fields: { severity: "NOTICE", code: "00000", message: "hi" } };
  const client = new TestClient({ upstream: relay.upstream });
  void client.sendBytes(startup());
  await client.until("ReadyForQuery");
  expect(client.take().slice(-2)).toEqual(["NoticeResponse NOTICE 00000 hi", "ReadyForQuery I"]);
});

describe("messages", () => {
  test("pass whole and unchanged, with a flush when no more are at hand", async () => {
    const { relay, client } = await relayed();
    const sent = bytesOf([parse("not even SQL"), query("x"), sync, copyData("y"), flush]);
    void client.sendBytes(sent.slice(0, 20));
    void client.sendBytes(sent.slice(20));
    expect(relay.calls.filter((call) => call !== "flush")).toEqual([
      "send P",
      "send Q",
      "send S",
      "send d",
      "send H",
    ]);
    expect(relay.calls.at(-1)).toBe("flush");
    expect(concat(...relay.frames.map(({ bytes }) => bytes))).toEqual(sent);
    void relay.answer(done, ready);
    expect(client.take()).toEqual(["CommandComplete OK", "ReadyForQuery I"]);
  });

  test("Terminate does not", async () => {
    const { relay, client } = await relayed();
    void client.send({ type: "Terminate" });
    await client.untilClosed();
    expect(relay.calls).toEqual(["close relay", "close session"]);
  });

  test("those of an unknown type or over the limit do not", async () => {
    const { relay, client } = await relayed();
    void client.sendBytes(Uint8Array.of(0x7a));
    await client.untilClosed();
    expect(client.take()).toEqual(["ErrorResponse FATAL 08P01 invalid frontend message type 122"]);
    expect(relay.calls.filter((call) => call.startsWith("send"))).toEqual([]);
  });

  test("a framing error comes after the answers to the messages before it", async () => {
    const { relay, client } = await relayed();
    const answered = Promise.withResolvers<void>();
    relay.settled = answered.promise;
    void client.sendBytes(concat(bytesOf([query("x")]), Uint8Array.of(0x7a)));
    await settled();
    void relay.answer(done, ready);
    answered.resolve();
    await client.untilClosed();
    expect(client.take()).toEqual([
      "CommandComplete OK",
      "ReadyForQuery I",
      "ErrorResponse FATAL 08P01 invalid frontend message type 122",
    ]);
  });
});

describe("back-pressure", () => {
  test("of the upstream holds the client back", async () => {
    const { relay, client } = await relayed({ limits: { inputHighWater: 10 } });
    const gate = Promise.withResolvers<void>();
    relay.pressure = gate.promise;
    void client.send(query("x"));
    const pressure = client.send(query("a longer one"));
    expect(pressure).toBeInstanceOf(Promise);
    expect(relay.calls).toEqual(["send Q", "flush"]);
    relay.pressure = undefined;
    gate.resolve();
    await pressure;
    expect(relay.calls).toEqual(["send Q", "flush", "send Q", "flush"]);
    await client.vanish();
  });

  test("of the client is told to the upstream", async () => {
    const { relay, client } = await relayed();
    client.transport.full = true;
    void client.send(query("x"));
    const pressure = relay.answer(done);
    expect(pressure).toBeInstanceOf(Promise);
    client.transport.drain();
    await pressure;
    expect(relay.answer(done)).toBeUndefined();
  });
});

describe("cancel", () => {
  async function cancellable() {
    const cancels = memoryCancelRegistry();
    const relay = new Recorder();
    const client = new TestClient({ upstream: relay.upstream, cancels });
    void client.sendBytes(startup());
    await client.until("ReadyForQuery");
    const { processId, secretKey } = client.last("BackendKeyData");
    client.take();
    const cancel = async () => {
      const other = new TestClient({ upstream: relay.upstream, cancels });
      const writer = new Writer();
      encodeStartup(writer, { type: "CancelRequest", processId, secretKey });
      void other.sendBytes(writer.take());
      await other.untilClosed();
    };
    return { relay, client, cancel };
  }

  test("reaches the upstream while something runs", async () => {
    const { relay, client, cancel } = await cancellable();
    void client.send(query("x"));
    await cancel();
    expect(relay.calls.at(-1)).toBe("cancel");
  });

  test("does not while the client is idle", async () => {
    const { relay, client, cancel } = await cancellable();
    await cancel();
    expect(relay.calls).not.toContain("cancel");
    void client.send(query("x"));
    void relay.answer(done, ready);
    await cancel();
    expect(relay.calls).not.toContain("cancel");
  });
});

describe("the end", () => {
  test("of the client: the relay first, then the session, once; nothing more is sent", async () => {
    const { relay, client } = await relayed();
    void client.send(query("x"));
    relay.calls.length = 0;
    const gate = Promise.withResolvers<void>();
    relay.closing = gate.promise;
    client.session.end();
    await settled();
    expect(relay.calls).toEqual(["close relay"]);
    const sent = client.transport.writes.length;
    void relay.answer(done, ready);
    relay.peer.fail(new Error("too late"));
    expect(client.transport.writes.length).toBe(sent);
    gate.resolve();
    await client.untilClosed();
    expect(relay.calls).toEqual(["close relay", "close session"]);
  });

  test("of the upstream is a FATAL error", async () => {
    const { relay, client } = await relayed();
    relay.peer.fail(new PgError("08006", "the database ended unexpectedly"));
    await client.untilClosed();
    expect(client.take()).toEqual(["ErrorResponse FATAL 08006 the database ended unexpectedly"]);
    expect(relay.calls).toEqual(["close relay", "close session"]);
  });

  test("of the upstream in the middle of an answer", async () => {
    const { relay, client } = await relayed();
    void client.send(query("x"));
    void relay.answer({ type: "DataRow", values: ["1"] });
    relay.peer.fail(fatal("57P01", "gone"));
    await client.untilClosed();
    expect(client.take()).toEqual(["DataRow 1", "ErrorResponse FATAL 57P01 gone"]);
  });

  test("a close that fails lets the session close all the same", async () => {
    const { relay, client } = await relayed();
    relay.closing = Promise.reject(new Error("no"));
    await client.vanish();
    expect(relay.calls).toEqual(["close relay", "close session"]);
  });

  test("shutdown, idle and busy", async () => {
    const idle = await relayed();
    idle.client.session.shutdown();
    await idle.client.untilClosed();
    const shutdown = "ErrorResponse FATAL 57P01 terminating connection due to administrator command";
    expect(idle.client.take()).toEqual([shutdown]);

    const { relay, client } = await relayed();
    void client.send(query("x"));
    client.session.shutdown();
    await settled();
    expect(client.transport.ended).toBe(false);
    void relay.answer(done, ready);
    await client.untilClosed();
    expect(client.take()).toEqual(["CommandComplete OK", "ReadyForQuery I", shutdown]);
  });

  test("a client that closes its side gets its answers", async () => {
    const { relay, client } = await relayed();
    void client.send(query("x"));
    client.session.finish();
    await settled();
    expect(client.transport.ended).toBe(false);
    void relay.answer(done, ready);
    await client.untilClosed();
    expect(client.take()).toEqual(["CommandComplete OK", "ReadyForQuery I"]);
  });

  test.each(["before", "after"])(
    "a client that closes its side %s a COPY begins is waited for no more",
    async (when) => {
      const { relay, client } = await relayed();
      void client.send(query("copy x from stdin"));
      if (when === "before") client.session.finish();
      await settled();
      expect(client.transport.ended).toBe(false);
      relay.waiting = true;
      void relay.answer({ type: "CopyInResponse", format: 0, columnFormats: [0] });
      relay.peer.waiting();
      if (when === "after") client.session.finish();
      await client.untilClosed();
      expect(client.take()).toEqual(["CopyInResponse 0 0"]);
      expect(relay.calls).toEqual(["send Q", "flush", "close relay", "close session"]);
    },
  );
});

describe("time-outs", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test("of a statement cancels, of an idle client ends", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { relay, client } = await relayed({ limits: { statementTimeout: 1000, idleTimeout: 5000 } });
    void client.send(query("x"));
    vi.advanceTimersByTime(1000);
    expect(relay.calls.at(-1)).toBe("cancel");
    void relay.answer(done, ready);
    client.take();
    vi.advanceTimersByTime(5000);
    await client.untilClosed();
    expect(client.take()).toEqual([
      "ErrorResponse FATAL 57P05 terminating connection due to idle-session timeout",
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("in a transaction", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { relay, client } = await relayed({ limits: { idleInTransactionTimeout: 2000 } });
    void client.send(query("begin"));
    void relay.answer(done, { type: "ReadyForQuery", status: "T" });
    client.take();
    vi.advanceTimersByTime(2000);
    await client.untilClosed();
    expect(client.take()).toEqual([
      "ErrorResponse FATAL 25P03 terminating connection due to idle-in-transaction timeout",
    ]);
  });
});
