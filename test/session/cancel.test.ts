import { describe, expect, test } from "vitest";
import { type CancelRegistry, memoryCancelRegistry, type Result, type Row } from "../../src/session/mod.ts";
import { encodeStartup, protocol30, protocol32, Writer } from "../../src/wire/mod.ts";
import { type Scripted, scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  copyData,
  execute,
  flush,
  parse,
  query,
  run,
  settled,
  startup,
  sync,
  TestClient,
} from "./test-client.ts";

const cancelled = "ErrorResponse ERROR 57014 canceling statement due to user request";

/** A client, and what sends a CancelRequest for it over a connection of its own. */
async function cancellable(script: Scripted, version: number = protocol30) {
  const cancels = memoryCancelRegistry();
  const client = new TestClient({ ...script, cancels });
  void client.sendBytes(startup({}, version));
  await client.until("ReadyForQuery");
  const key = client.last("BackendKeyData");
  client.take();
  const cancel = async (change: Partial<{ processId: number; secretKey: Uint8Array }> = {}) => {
    const other = new TestClient({ ...scripted(), cancels });
    const writer = new Writer();
    const { processId, secretKey } = { ...key, ...change };
    encodeStartup(writer, { type: "CancelRequest", processId, secretKey });
    void other.sendBytes(writer.take());
    await other.untilClosed();
    // PostgreSQL gives no answer, whether the key was right or not.
    expect(other.take()).toEqual([]);
    expect(other.transport.ended).toBe(true);
  };
  return { client, cancel, key, cancels };
}

/** An upstream whose `wait` never ends, whether or not it is told to. */
function deaf(methods = {}): Scripted & { signals: AbortSignal[] } {
  const signals: AbortSignal[] = [];
  const script = transactional({
    query: ({ sql }, call) => {
      if (!sql.startsWith("wait")) return { type: "command", tag: sql.toUpperCase() };
      signals.push(call.signal);
      return new Promise(() => {});
    },
    ...methods,
  });
  return Object.assign(script, { signals });
}

describe("a query that is waited for", () => {
  test("is answered 57014 at once, though the upstream does not heed its signal", async () => {
    const script = deaf();
    const { client, cancel } = await cancellable(script);
    void client.send(query("wait"));
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([cancelled, "ReadyForQuery I"]);
    expect(script.signals[0]?.aborted).toBe(true);
    expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery I"]);
  });

  test("with a key of protocol 3.2", async () => {
    const { client, cancel, key } = await cancellable(deaf(), protocol32);
    expect(key.secretKey).toHaveLength(32);
    void client.send(query("wait"));
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([cancelled, "ReadyForQuery I"]);
  });

  test("a late result is dropped, and a late failure is nobody's", async () => {
    const results: PromiseWithResolvers<Result>[] = [];
    const script = scripted({
      query: ({ sql }) => {
        if (sql !== "wait") return { type: "command", tag: sql.toUpperCase() };
        const result = Promise.withResolvers<Result>();
        results.push(result);
        return result.promise;
      },
    });
    const { client, cancel } = await cancellable(script);
    for (const _ of [1, 2]) {
      void client.send(query("wait"));
      await settled();
      await cancel();
      await client.until("ReadyForQuery");
      expect(client.take()).toEqual([cancelled, "ReadyForQuery I"]);
    }
    results[0]?.resolve({ type: "command", tag: "LATE" });
    results[1]?.reject(new Error("late"));
    await settled();
    expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery I"]);
  });

  test("by the extended protocol: the rest up to Sync is passed over", async () => {
    const script = deaf();
    const { client, cancel } = await cancellable(script);
    void client.send(...run("wait"), ...run("x"), sync);
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual(["ParseComplete", "BindComplete", cancelled, "ReadyForQuery I"]);
    expect(script.calls).toEqual(["begin implicit", "query wait", "rollback"]);
  });

  test("the rest of a multi-statement query is not run", async () => {
    const script = deaf();
    const { client, cancel } = await cancellable(script);
    void client.send(query("a; wait; b"));
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual(["CommandComplete A", cancelled, "ReadyForQuery I"]);
    expect(script.calls).toEqual(["begin implicit", "query a", "query wait", "rollback"]);
  });

  test("a transaction block fails", async () => {
    const { client, cancel } = await cancellable(deaf());
    await client.query("begin");
    void client.send(query("wait"));
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([cancelled, "ReadyForQuery E"]);
    expect(await client.query("rollback")).toEqual(["CommandComplete ROLLBACK", "ReadyForQuery I"]);
  });

  test("an upstream that heeds its signal with an error of its own: the answer is 57014 all the same", async () => {
    const script = scripted({
      query: (_, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
        }),
    });
    const { client, cancel } = await cancellable(script);
    void client.send(query("wait"));
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([cancelled, "ReadyForQuery I"]);
  });

  test("a describe that is waited for", async () => {
    const { client, cancel } = await cancellable(deaf({ describe: () => new Promise(() => {}) }));
    void client.send(parse("wait"), { type: "Describe", kind: "S", name: "" }, sync);
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual(["ParseComplete", cancelled, "ReadyForQuery I"]);
  });
});

describe("rows that stream", () => {
  class Endless implements AsyncIterable<readonly Row[]> {
    returned = 0;
    readonly #delay: () => Promise<unknown>;

    constructor(delay: () => Promise<unknown>) {
      this.#delay = delay;
    }

    [Symbol.asyncIterator](): AsyncIterator<readonly Row[]> {
      return {
        next: async () => {
          await this.#delay();
          return { done: false, value: [["x"]] };
        },
        return: async () => {
          this.returned++;
          return { done: true, value: undefined };
        },
      };
    }
  }

  function streaming(delay: () => Promise<unknown>): { script: Scripted; rows: Endless } {
    const rows = new Endless(delay);
    const script = transactional({ query: () => ({ type: "rows", columns: [{ name: "a" }], rows }) });
    return { script, rows };
  }

  const forms: [string, Parameters<typeof sent>[0]][] = [
    ["by a simple query", "simple"],
    ["by the extended protocol", "extended"],
    ["by the extended protocol, in a transaction block", "block"],
  ];
  function sent(form: "simple" | "extended" | "block") {
    return form === "simple" ? [query("select")] : [...run("select"), sync];
  }
  for (const [name, form] of forms) {
    test(`${name}: the upstream is told to stop`, async () => {
      const { script, rows } = streaming(settled);
      const { client, cancel } = await cancellable(script);
      if (form === "block") await client.query("begin");
      void client.send(...sent(form));
      await client.until("DataRow", 3);
      expect(rows.returned).toBe(0);
      await cancel();
      await client.until("ReadyForQuery");
      expect(client.take().slice(-3)).toEqual([
        "DataRow x",
        cancelled,
        `ReadyForQuery ${form === "block" ? "E" : "I"}`,
      ]);
      expect(rows.returned).toBe(1);
    });
  }

  test("a portal of before the savepoint goes on after ROLLBACK TO, unless it was the one that failed", async () => {
    const { script, rows } = streaming(settled);
    const { client, cancel } = await cancellable(script);
    await client.query("begin");
    const p = bind([], { portal: "p" });
    const q = bind([], { portal: "q" });
    await client.ask(parse("select"), p, execute(1, "p"), q, execute(1, "q"), sync);
    await client.query("savepoint s");
    void client.send(execute(0, "p"), sync);
    await client.until("DataRow");
    await cancel();
    await client.until("ReadyForQuery");
    expect(rows.returned).toBe(1);
    client.take();
    await client.query("rollback to s");
    expect(await client.ask(execute(0, "p"), sync)).toEqual([
      'ErrorResponse ERROR 55000 portal "p" cannot be run',
      "ReadyForQuery E",
    ]);
    await client.query("rollback to s");
    expect(await client.ask(execute(1, "q"), sync)).toEqual([
      "DataRow x",
      "PortalSuspended",
      "ReadyForQuery T",
    ]);
    await client.query("rollback");
    expect(rows.returned).toBe(2);
  });

  test("while the transport is full", async () => {
    const { script, rows } = streaming(settled);
    const { client, cancel } = await cancellable(script);
    void client.send(query("select"));
    await client.until("DataRow");
    client.transport.full = true;
    await client.until("DataRow", 2);
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take().slice(-2)).toEqual([cancelled, "ReadyForQuery I"]);
    expect(rows.returned).toBe(1);
    client.transport.drain();
  });

  test("rows of an iterator that never waits, past the high-water mark", async () => {
    let returned = false;
    function* endless(): Generator<Row> {
      try {
        for (;;) yield ["x".repeat(100)];
      } finally {
        returned = true;
      }
    }
    const script = scripted({ query: () => ({ type: "rows", columns: [{ name: "a" }], rows: endless() }) });
    const { client, cancel } = await cancellable(script);
    client.transport.full = true;
    void client.send(query("select"));
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take().slice(-2)).toEqual([cancelled, "ReadyForQuery I"]);
    expect(returned).toBe(true);
    client.transport.drain();
  });

  test("a suspended portal is not running: nothing happens to it", async () => {
    const { script, rows } = streaming(settled);
    const { client, cancel } = await cancellable(script);
    await client.query("begin");
    await client.ask(parse("select"), bind([], { portal: "p" }), execute(1, "p"), sync);
    await cancel();
    expect(rows.returned).toBe(0);
    const lines = await client.ask(execute(1, "p"), sync);
    expect(lines).toEqual(["DataRow x", "PortalSuspended", "ReadyForQuery T"]);
    await client.query("commit");
    expect(rows.returned).toBe(1);
  });
});

describe("COPY", () => {
  test("FROM STDIN: the upstream's input fails, and data that still comes is dropped", async () => {
    let failure: unknown;
    const script = scripted({
      query: ({ sql }) =>
        sql === "copy"
          ? {
              type: "copyIn",
              format: 0,
              columnFormats: [0],
              async receive(data) {
                try {
                  for await (const _ of data);
                } catch (error) {
                  failure = error;
                }
                return "COPY 1";
              },
            }
          : { type: "command", tag: "OK" },
    });
    const { client, cancel } = await cancellable(script);
    void client.send(query("copy"), copyData("x\n"));
    await client.until("CopyInResponse");
    await settled();
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual(["CopyInResponse 0 0", cancelled, "ReadyForQuery I"]);
    expect(failure).toMatchObject({ code: "57014" });
    void client.send(copyData("y\n"), { type: "CopyDone" });
    expect(await client.query("x")).toEqual(["CommandComplete OK", "ReadyForQuery I"]);
  });

  test("TO STDOUT: no CopyDone, and the source is told", async () => {
    let returned = false;
    async function* endless(): AsyncGenerator<string> {
      try {
        for (;;) {
          yield "x";
          await settled();
        }
      } finally {
        returned = true;
      }
    }
    const script = scripted({
      query: () => ({ type: "copyOut", format: 0, columnFormats: [0], data: endless() }),
    });
    const { client, cancel } = await cancellable(script);
    void client.send(query("copy"));
    await client.until("CopyData", 2);
    await cancel();
    await client.until("ReadyForQuery");
    expect(client.take().slice(-3)).toEqual(["CopyData x", cancelled, "ReadyForQuery I"]);
    await settled();
    expect(returned).toBe(true);
  });
});

describe("nothing happens", () => {
  test("while the client is idle, nor to its next statement", async () => {
    const { client, cancel } = await cancellable(deaf());
    await cancel();
    expect(client.take()).toEqual([]);
    expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery I"]);
  });

  test("between the messages of a pipeline", async () => {
    const { client, cancel } = await cancellable(deaf());
    void client.send(parse("x"), bind(), flush);
    await client.until("BindComplete");
    await cancel();
    expect(await client.ask(execute(), sync)).toContain("CommandComplete X");
  });

  test.each([
    ["a wrong key", { secretKey: Uint8Array.of(1, 2, 3, 4) }],
    ["a longer key", { secretKey: new Uint8Array(32) }],
    ["a process id that nobody has", { processId: 0x7fffffff }],
  ])("with %s", async (_, change) => {
    const script = deaf();
    const { client, cancel } = await cancellable(script);
    void client.send(query("wait"));
    await settled();
    await cancel(change);
    await settled();
    expect(client.take()).toEqual([]);
    expect(script.signals[0]?.aborted).toBe(false);
    await client.vanish();
  });
});

describe("the registry in memory", () => {
  const target = { cancel: () => {} };

  test("gives process ids that are positive, within 31 bits and not in use", () => {
    const cancels = memoryCancelRegistry();
    const keys = Array.from({ length: 1000 }, () => cancels.register(target, 4));
    const ids = new Set(keys.map(({ processId }) => processId));
    expect(ids.size).toBe(1000);
    expect(Math.min(...ids)).toBeGreaterThan(0);
    expect(Math.max(...ids)).toBeLessThanOrEqual(0x7fffffff);
    expect(cancels.size).toBe(1000);
    for (const key of keys) key.release();
    expect(cancels.size).toBe(0);
  });

  test.each([
    [4, 4],
    [32, 32],
    [256, 32],
  ])("gives clients that take %d bytes keys of %d, no two alike", (most, length) => {
    const cancels = memoryCancelRegistry();
    for (const _ of [1, 2, 3]) {
      const [a, b] = [cancels.register(target, most), cancels.register(target, most)];
      expect(a.secretKey).toHaveLength(length);
      expect(a.secretKey).not.toEqual(b.secretKey);
    }
  });

  test("gives a session that was suspended its key back", () => {
    const cancels = memoryCancelRegistry();
    let count = 0;
    const { processId, secretKey, release } = cancels.register({ cancel: () => count++ }, 4);
    release(true);
    void cancels.cancel(processId, secretKey);
    expect(count).toBe(0);
    const key = cancels.register({ cancel: () => count++ }, 4, { processId, secretKey });
    expect(key).toMatchObject({ processId, secretKey });
    void cancels.cancel(processId, secretKey);
    expect(count).toBe(1);
    // The old one is released only now: it is not the one that is there.
    release();
    expect(cancels.size).toBe(1);
  });

  test("wants every byte of the key", () => {
    const cancels = memoryCancelRegistry();
    let count = 0;
    const { processId, secretKey, release } = cancels.register({ cancel: () => count++ }, 8);
    for (let at = 0; at < 8; at++) {
      const wrong = secretKey.slice();
      wrong[at] = (wrong[at] ?? 0) ^ 1;
      void cancels.cancel(processId, wrong);
    }
    void cancels.cancel(processId, secretKey.subarray(0, 7));
    void cancels.cancel(processId, new Uint8Array(0));
    expect(count).toBe(0);
    void cancels.cancel(processId, secretKey);
    expect(count).toBe(1);
    release();
    void cancels.cancel(processId, secretKey);
    expect(count).toBe(1);
  });
});

describe("a registry of one's own", () => {
  test("may take its time; the connection ends when it is done", async () => {
    const done = Promise.withResolvers<void>();
    const asked: [number, number][] = [];
    const cancels: CancelRegistry = {
      register: () => ({ processId: 7, secretKey: new Uint8Array(4), release: () => {} }),
      cancel: (processId, secretKey) => {
        asked.push([processId, secretKey.length]);
        return done.promise;
      },
    };
    const client = new TestClient({ ...scripted(), cancels });
    const writer = new Writer();
    encodeStartup(writer, { type: "CancelRequest", processId: 7, secretKey: new Uint8Array(256) });
    void client.sendBytes(writer.take());
    await settled();
    expect(asked).toEqual([[7, 256]]);
    expect(client.transport.ended).toBe(false);
    done.resolve();
    await client.untilClosed();
  });

  test("that fails ends the connection without a word, as PostgreSQL does", async () => {
    const errors: unknown[] = [];
    const cancels: CancelRegistry = {
      register: () => ({ processId: 7, secretKey: new Uint8Array(4), release: () => {} }),
      cancel: () => Promise.reject(new Error("no route")),
    };
    const onError = (_: unknown, cause: unknown) => {
      errors.push(cause);
      return undefined;
    };
    const client = new TestClient({ ...scripted(), cancels, onError });
    const writer = new Writer();
    encodeStartup(writer, { type: "CancelRequest", processId: 7, secretKey: new Uint8Array(4) });
    void client.sendBytes(writer.take());
    await client.untilClosed();
    expect(client.take()).toEqual([]);
    expect(errors).toHaveLength(1);
  });
});

test("a session that ended is in the registry no more", async () => {
  const { client, cancels } = await cancellable(deaf());
  expect(cancels.size).toBe(1);
  await client.vanish();
  expect(cancels.size).toBe(0);
});
