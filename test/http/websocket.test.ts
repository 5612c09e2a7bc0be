import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Row, StatementSession } from "../../src/session/mod.ts";
import { scripted, transactional } from "../session/scripted-upstream.ts";
import {
  bytesOf,
  copyData,
  copyDone,
  query,
  run,
  settled,
  startup,
  sync,
  turn,
} from "../session/test-client.ts";
import { MemoryWebSocket, type Served, serve } from "./memory-websocket.ts";

const answered = ["RowDescription a", "DataRow 1", "CommandComplete SELECT 1", "ReadyForQuery I"];
const terminated = "ErrorResponse FATAL 57P01 terminating connection due to administrator command";

async function started(...args: Parameters<typeof serve>): Promise<Served> {
  const client = serve(...args);
  await client.send(startup());
  client.socket.take();
  return client;
}

describe("frames", () => {
  test("are cut anywhere", async () => {
    const { socket, served } = serve(scripted().upstream);
    for (const byte of bytesOf([startup(), query("select 1")])) {
      served.message(Uint8Array.of(byte));
      await settled();
    }
    expect(socket.take().flat().slice(-4)).toEqual(answered);
  });

  test("may hold several messages, and come as an ArrayBuffer", async () => {
    const { socket, served } = serve(scripted().upstream);
    served.message(bytesOf([startup(), query("select 1"), ...run("select 1"), sync]).buffer as ArrayBuffer);
    await settled();
    expect(
      socket
        .take()
        .flat()
        .filter((line) => line === "ReadyForQuery I"),
    ).toHaveLength(3);
  });

  test("of one turn are one", async () => {
    const client = await started(scripted().upstream);
    await client.send(query("select 1"), query("select 1"), query("select 1"));
    const frames = client.socket.take();
    expect(frames.flat()).toEqual([...answered, ...answered, ...answered]);
    expect(frames.length).toBeLessThan(3);
  });

  test("at the end of a turn that the adapter tells", async () => {
    const turns: (() => void)[] = [];
    const client = await started(scripted().upstream, { atTurnEnd: (work) => turns.push(work) });
    await client.send(query("select 1"));
    await client.send(query("select 1"));
    expect(client.socket.take()).toEqual([]);
    for (const end of turns.splice(0)) end();
    expect(client.socket.take().at(-1)?.slice(-8)).toEqual([...answered, ...answered]);
  });

  test("large ones leave at once, behind the small ones", async () => {
    const turns: (() => void)[] = [];
    const client = await started(scripted().upstream, { atTurnEnd: (work) => turns.push(work) });
    for (const end of turns.splice(0)) end();
    client.socket.take();
    await client.send(query("select 1"), query("rows 1000"));
    const [small, large] = client.socket.take();
    expect(small).toEqual(answered);
    expect(large?.at(-1)).toBe("ReadyForQuery I");
  });

  test("of text are refused", async () => {
    const { socket, served } = await started(scripted().upstream);
    served.message("select 1");
    await served.session.closed;
    const message = "text frames are not understood: send binary frames";
    expect(socket.take()).toEqual([[`ErrorResponse FATAL 08P01 ${message}`]]);
    expect(socket.closed).toEqual({ code: 1003, reason: message });
  });

  test("that are too long are refused", async () => {
    const { socket, served, send } = await started(scripted().upstream, { maxFrameBytes: 100 });
    await send(query("x".repeat(94)));
    expect(socket.take()).toEqual([[`CommandComplete ${"X".repeat(94)}`, "ReadyForQuery I"]]);
    await send(query("x".repeat(95)));
    await served.session.closed;
    const message = "a frame of 101 bytes is too long: the limit is 100 bytes";
    expect(socket.take()).toEqual([[`ErrorResponse FATAL 54000 ${message}`]]);
    expect(socket.closed).toEqual({ code: 1009, reason: message });
  });
});

test("inside, SSLRequest is answered N", async () => {
  const { socket, served } = serve(scripted().upstream);
  served.message(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47));
  await settled();
  expect(socket.frames.map(String)).toEqual(["78"]);
  socket.frames = [];
  served.message(bytesOf([startup()]));
  await settled();
  expect(socket.take().flat().at(-1)).toBe("ReadyForQuery I");
});

describe("a WebSocket that is full makes the session wait", () => {
  /** A result without an end, whose rows are counted as they are asked for. */
  function endless(): { upstream: ReturnType<typeof scripted>["upstream"]; rows: () => number } {
    let count = 0;
    async function* batches(): AsyncGenerator<readonly Row[]> {
      for (;;) {
        await turn();
        yield Array.from({ length: 100 }, () => [`${count++}`.padEnd(1_000)]);
      }
    }
    const { upstream } = scripted({
      query: () => ({ type: "rows", columns: [{ name: "a" }], rows: batches() }),
    });
    return { upstream, rows: () => count };
  }

  test("by bufferedAmount, at which it looks again", async () => {
    const { upstream, rows } = endless();
    const { socket, send, served } = await started(upstream);
    socket.bufferedAmount = 2_000_000;
    await send(query("rows"));
    const before = rows();
    await delay(100);
    expect(rows()).toBe(before);
    socket.bufferedAmount = 300_000;
    await delay(300);
    expect(rows()).toBe(before);
    socket.bufferedAmount = 1_000;
    await delay(400);
    expect(rows()).toBeGreaterThan(before);
    served.closed();
    await served.session.closed;
  });

  test("by the promise that send gives", async () => {
    const { upstream, rows } = endless();
    const { socket, send, served } = await started(upstream);
    const sent = Promise.withResolvers<void>();
    socket.sending = sent.promise;
    await send(query("rows"));
    const before = rows();
    await delay(50);
    expect(rows()).toBe(before);
    socket.sending = undefined;
    sent.resolve();
    await delay(50);
    expect(rows()).toBeGreaterThan(before);
    served.closed();
    await served.session.closed;
  });

  test("and its end lets it go", async () => {
    const { upstream } = endless();
    const { socket, send, served } = await started(upstream);
    socket.bufferedAmount = 2_000_000;
    await send(query("rows"));
    served.closed();
    await served.session.closed;
  });

  test("what is pushed cannot wait: who does not read is cut off", async () => {
    const script = scripted();
    const { socket, served } = await started(script.upstream);
    socket.bufferedAmount = 2_000_000;
    const payload = "x".repeat(7_000);
    for (let count = 0; count < 3_000 && !socket.terminated; count++) {
      script.client.notify("c", payload);
    }
    expect(socket.terminated).toBe(true);
    await served.session.closed;
  });
});

describe("a session that has enough waits for no more", () => {
  function copying(): {
    upstream: ReturnType<typeof scripted>["upstream"];
    go: () => void;
    taken: () => number;
  } {
    const gate = Promise.withResolvers<void>();
    let bytes = 0;
    const copy: StatementSession["query"] = () => ({
      type: "copyIn",
      format: 0,
      columnFormats: [0],
      async receive(data: AsyncIterable<Uint8Array>) {
        await gate.promise;
        for await (const chunk of data) bytes += chunk.length;
        return `COPY ${bytes}`;
      },
    });
    return { upstream: scripted({ query: copy }).upstream, go: gate.resolve, taken: () => bytes };
  }

  const chunk = copyData("x".repeat(100_000));

  test("by pause and resume", async () => {
    const { upstream, go } = copying();
    const { socket, send } = await started(upstream);
    await send(query("copy"));
    for (let count = 0; count < 10; count++) await send(chunk);
    expect([socket.paused, socket.resumed]).toEqual([1, 0]);
    go();
    await settled();
    expect([socket.paused, socket.resumed]).toEqual([1, 1]);
    await send(copyDone);
    expect(socket.take().flat().at(-2)).toBe("CommandComplete COPY 1000000");
  });

  test("where there is no pause, it is a matter of the limit", async () => {
    const { upstream, go } = copying();
    const socket = new MemoryWebSocket();
    Object.assign(socket, { pause: undefined, resume: undefined });
    const { send, served } = await started(upstream, { maxWaitingBytes: 500_000 }, {}, socket);
    await send(query("copy"));
    for (let count = 0; count < 20 && !socket.closed; count++) await send(chunk);
    go();
    await served.session.closed;
    expect(socket.take().flat().at(-1)).toBe(
      "ErrorResponse FATAL 54000 the client sends faster than its data can be taken",
    );
    expect(socket.closed?.code).toBe(1009);
  });
});

describe("the end", () => {
  test("by Terminate is told by 1000", async () => {
    const { socket, send, served } = await started(scripted().upstream);
    await send({ type: "Terminate" });
    await served.session.closed;
    expect(socket.closed).toEqual({ code: 1000, reason: undefined });
  });

  test("by an error, behind the error", async () => {
    const { socket, served, send } = serve(scripted().upstream, {}, { upstream: () => undefined });
    await send(startup());
    await served.session.closed;
    expect(socket.take().flat().at(-1)).toBe('ErrorResponse FATAL 3D000 database "postgres" does not exist');
    expect(socket.closed?.code).toBe(1000);
  });

  test("by a shutdown is told by 57P01 and 1001", async () => {
    const { socket, served } = await started(scripted().upstream);
    served.shutdown();
    await served.session.closed;
    expect(socket.take()).toEqual([[terminated]]);
    expect(socket.closed?.code).toBe(1001);
  });

  test("by a shutdown comes behind the statement that runs", async () => {
    const gate = Promise.withResolvers<void>();
    const { upstream } = scripted({
      query: () => gate.promise.then(() => ({ type: "command", tag: "DONE" })),
    });
    const { socket, served, send } = await started(upstream);
    await send(query("work"));
    served.shutdown();
    await settled();
    expect(socket.closed).toBeUndefined();
    gate.resolve();
    await served.session.closed;
    expect(socket.take().flat()).toEqual(["CommandComplete DONE", "ReadyForQuery I", terminated]);
  });

  test("by a connection that is lost cancels what runs", async () => {
    let signal: AbortSignal | undefined;
    const { upstream, calls } = transactional({
      query: (_, call) => {
        signal = call.signal;
        return new Promise((_, reject) => {
          call.signal.addEventListener("abort", () => reject(call.signal.reason));
        });
      },
    });
    const { socket, served, send } = await started(upstream);
    await send(query("work"));
    served.closed();
    await served.session.closed;
    expect(signal?.aborted).toBe(true);
    expect(calls.at(-1)).toBe("close");
    expect(socket.closed).toBeUndefined();
  });

  test("by a goodbye lets what runs come to its end", async () => {
    const gate = Promise.withResolvers<void>();
    let aborted = false;
    const { upstream, calls } = transactional({
      query: async (_, call) => {
        await gate.promise;
        aborted = call.signal.aborted;
        return { type: "command", tag: "DONE" };
      },
    });
    const { served, send } = await started(upstream);
    await send(query("work"), { type: "Terminate" });
    served.closed(true);
    await settled();
    gate.resolve();
    await served.session.closed;
    expect(aborted).toBe(false);
    expect(calls).toEqual(["query work", "close"]);
  });

  test("by a goodbye waits for that only so long", async () => {
    const { upstream } = scripted({
      query: (_, call) =>
        new Promise((_, reject) => {
          call.signal.addEventListener("abort", () => reject(call.signal.reason));
        }),
    });
    const { served, send } = await started(upstream, { lostClientGrace: 20 });
    await send(query("work"));
    served.closed(true);
    await served.session.closed;
  });

  test("that the platform has not told of yet: sending fails, and nothing else", async () => {
    const { upstream, calls } = transactional();
    const { socket, send, served } = await started(upstream);
    socket.terminated = true;
    await send(query("select 1"));
    await served.session.closed;
    expect(calls).toEqual(["query select 1", "close"]);
  });

  test("nothing is taken behind it", async () => {
    const { upstream, calls } = transactional();
    const { served } = await started(upstream);
    served.message(bytesOf([{ type: "Terminate" }, query("select 1")]));
    served.message(bytesOf([query("select 2")]));
    await served.session.closed;
    expect(calls).toEqual(["close"]);
  });
});
