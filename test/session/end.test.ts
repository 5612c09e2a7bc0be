import { describe, expect, test } from "vitest";
import { staticAuthSource } from "../../src/auth/mod.ts";
import { memoryCancelRegistry } from "../../src/session/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { type Scripted, scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  bytesOf,
  connect,
  copyData,
  execute,
  flush,
  parse,
  query,
  run,
  type Sent,
  settled,
  startup,
  sync,
  TestClient,
} from "./test-client.ts";

const shutdown = "ErrorResponse FATAL 57P01 terminating connection due to administrator command";

/** `wait` never ends, `slow` ends when `finish` is called; `copy` reads to its end. */
function waiting(methods = {}): Scripted & { signal?: AbortSignal; finish(): void } {
  const finished = Promise.withResolvers<void>();
  const script: Scripted & { signal?: AbortSignal; finish(): void } = Object.assign(
    transactional({
      query: async ({ sql }, call) => {
        script.signal = call.signal;
        if (sql === "wait") return new Promise(() => {});
        if (sql === "slow") await finished.promise;
        if (sql === "copy") {
          return {
            type: "copyIn",
            format: 0,
            columnFormats: [0],
            async receive(data) {
              for await (const _ of data);
              return "COPY";
            },
          };
        }
        return { type: "command", tag: sql.toUpperCase() };
      },
      ...methods,
    }),
    { finish: finished.resolve },
  );
  return script;
}

describe("a client that vanishes", () => {
  const phases: [string, Sent[], string[]][] = [
    ["idle", [], ["close"]],
    ["behind a statement", [query("x")], ["query x", "close"]],
    ["in a transaction block", [query("begin"), query("x")], ["begin", "query x", "rollback", "close"]],
    ["in a failed block", [query("begin"), query("set nosuch = 1")], ["begin", "rollback", "close"]],
    ["in the middle of a statement", [query("wait")], ["query wait", "close"]],
    [
      "in the middle of a statement of a block",
      [query("begin"), query("wait")],
      ["begin", "query wait", "rollback", "close"],
    ],
    [
      "in the middle of a multi-statement query",
      [query("x; wait; y")],
      ["begin implicit", "query x", "query wait", "rollback", "close"],
    ],
    ["with a pipeline that was not run", [...run("x"), ...run("y")], ["close"]],
    ["in the middle of a pipeline", [...run("x"), flush], ["begin implicit", "query x", "rollback", "close"]],
    [
      "in the middle of a pipeline's statement",
      [...run("x"), ...run("wait"), sync],
      ["begin implicit", "query x", "query wait", "rollback", "close"],
    ],
    ["while messages are skipped up to Sync", [parse("x; y"), flush, ...run("x")], ["close"]],
    [
      "in COPY FROM STDIN of a block",
      [query("begin"), query("copy"), copyData("x")],
      ["begin", "query copy", "rollback", "close"],
    ],
    [
      "with a portal open",
      [query("begin"), parse("x"), bind([], { portal: "p" }), execute(1, "p"), sync],
      ["begin", "query x", "rollback", "close"],
    ],
    [
      "with half of a message",
      [query("begin"), bytesOf([query("x")]).subarray(0, 6)],
      ["begin", "rollback", "close"],
    ],
    [
      "with messages that wait behind its statement",
      [query("wait"), query("x"), ...run("y"), sync],
      ["query wait", "close"],
    ],
  ];
  for (const [phase, messages, calls] of phases) {
    test(`${phase}: rolled back where needed, and the upstream closed once`, async () => {
      const script = waiting();
      const cancels = memoryCancelRegistry();
      const client = await connect({ ...script, cancels });
      void client.send(...messages);
      await settled();
      const sent = client.transport.writes.length;
      await client.vanish();
      expect(script.calls).toEqual(calls);
      expect(cancels.size).toBe(0);
      expect(script.client.signal.aborted).toBe(true);
      // Nothing is written to a transport after its end.
      await settled();
      expect(client.transport.writes.length).toBe(sent);
      client.session.end();
      void client.send(query("z"));
      client.session.shutdown();
      await settled();
      expect(script.calls).toEqual(calls);
    });
  }

  test("before its startup packet, and in the middle of it", async () => {
    for (const bytes of [new Uint8Array(0), startup().subarray(0, 20)]) {
      const client = new TestClient(waiting());
      void client.sendBytes(bytes);
      await client.vanish();
      expect(client.transport.ended).toBe(true);
      expect(client.take()).toEqual([]);
    }
  });

  test("before its password", async () => {
    const script = waiting();
    const client = new TestClient({ ...script, auth: staticAuthSource({ postgres: "x" }) });
    void client.sendBytes(startup());
    await settled();
    await client.vanish();
    expect(script.calls).toEqual([]);
  });

  test("while its upstream is looked for: it is not connected", async () => {
    const found = Promise.withResolvers<void>();
    const script = waiting();
    let connected = 0;
    const client = new TestClient({
      upstream: async () => {
        await found.promise;
        return {
          connect: (context) => {
            connected++;
            return script.upstream.connect(context);
          },
        };
      },
    });
    void client.sendBytes(startup());
    await settled();
    await client.vanish();
    found.resolve();
    await settled();
    expect(connected).toBe(0);
  });

  test("the running statement's signal is aborted", async () => {
    const script = waiting();
    const client = await connect(script);
    void client.send(query("wait"));
    await settled();
    await client.vanish();
    expect(script.signal?.aborted).toBe(true);
    expect(script.signal?.reason).toMatchObject({ code: "08006" });
  });

  test("the rollback has a signal that is not", async () => {
    let aborted: boolean | undefined;
    const script = waiting({
      rollback: (call: { signal: AbortSignal }) => {
        aborted = call.signal.aborted;
      },
    });
    const client = await connect(script);
    await client.query("begin");
    await client.vanish();
    expect(aborted).toBe(false);
  });

  test("the session is closed only when the upstream has let go", async () => {
    const gate = Promise.withResolvers<void>();
    const script = waiting({ close: () => gate.promise });
    const client = await connect(script);
    client.session.end();
    await settled();
    expect(client.closed).toBe(false);
    gate.resolve();
    await client.untilClosed();
  });

  test("a rollback or a close that fails keeps nothing open, and is told to the operator", async () => {
    const errors: string[] = [];
    const script = waiting({
      rollback: () => Promise.reject(new Error("no rollback")),
      close: () => Promise.reject(new Error("no close")),
    });
    const client = await connect({
      ...script,
      onError: (error) => {
        errors.push(error.message);
        return undefined;
      },
    });
    await client.query("begin");
    await client.vanish();
    expect(script.calls).toEqual(["begin", "close"]);
    expect(errors).toEqual(["no close"]);
  });
});

describe("Terminate", () => {
  test("ends the session without a word", async () => {
    const script = waiting();
    const client = await connect(script);
    await client.query("begin");
    void client.send({ type: "Terminate" });
    await client.untilClosed();
    expect(client.take()).toEqual([]);
    expect(client.transport.ended).toBe(true);
    expect(script.calls).toEqual(["begin", "rollback", "close"]);
  });

  test("comes after the statements before it, and nothing after it is run", async () => {
    const script = waiting();
    const client = await connect(script);
    void client.send(query("x"), { type: "Terminate" }, query("y"));
    await client.untilClosed();
    expect(client.take()).toEqual(["CommandComplete X", "ReadyForQuery I"]);
    expect(script.calls).toEqual(["query x", "close"]);
  });
});

describe("a client that closes its side only", () => {
  test("gets the answers to what it sent, then the end", async () => {
    const script = waiting();
    const client = await connect(script);
    void client.send(query("slow"), query("x"));
    client.session.finish();
    await settled();
    expect(client.transport.ended).toBe(false);
    script.finish();
    await client.untilClosed();
    expect(client.take()).toEqual([
      "CommandComplete SLOW",
      "ReadyForQuery I",
      "CommandComplete X",
      "ReadyForQuery I",
    ]);
    expect(script.calls).toEqual(["query slow", "query x", "close"]);
  });

  test("while it is idle: the end at once", async () => {
    const client = await connect(waiting());
    client.session.finish();
    await client.untilClosed();
    expect(client.take()).toEqual([]);
  });

  test("in the middle of its startup packet, and of a message", async () => {
    const client = new TestClient(waiting());
    void client.sendBytes(startup().subarray(0, 10));
    client.session.finish();
    await client.untilClosed();
    const other = await connect(waiting());
    void other.sendBytes(bytesOf([query("x")]).subarray(0, 6));
    other.session.finish();
    await other.untilClosed();
    expect(other.take()).toEqual([]);
  });

  test("in the middle of a transaction, which is rolled back", async () => {
    const script = waiting();
    const client = await connect(script);
    await client.query("begin");
    client.session.finish();
    await client.untilClosed();
    expect(script.calls).toEqual(["begin", "rollback", "close"]);
  });

  test("in the middle of COPY FROM STDIN", async () => {
    const script = waiting();
    const client = await connect(script);
    void client.send(query("copy"), copyData("x\n"));
    await client.until("CopyInResponse");
    client.session.finish();
    await client.untilClosed();
    expect(script.calls).toEqual(["query copy", "close"]);
  });
});

describe("shutdown", () => {
  test("of an idle session: at once", async () => {
    const script = waiting();
    const client = await connect(script);
    client.session.shutdown();
    await client.untilClosed();
    expect(client.take()).toEqual([shutdown]);
    expect(script.calls).toEqual(["close"]);
  });

  test("of one that is idle in a transaction: at once, and it is rolled back", async () => {
    const script = waiting();
    const client = await connect(script);
    await client.query("begin");
    client.session.shutdown();
    await client.untilClosed();
    expect(client.take()).toEqual([shutdown]);
    expect(script.calls).toEqual(["begin", "rollback", "close"]);
  });

  test("of a busy one: when its statement is done", async () => {
    const script = waiting();
    const client = await connect(script);
    void client.send(query("slow"), query("x"));
    await settled();
    client.session.shutdown();
    await settled();
    expect(client.take()).toEqual([]);
    script.finish();
    await client.untilClosed();
    expect(client.take()).toEqual(["CommandComplete SLOW", "ReadyForQuery I", shutdown]);
    expect(script.calls).toEqual(["query slow", "close"]);
  });

  test("in the middle of a pipeline: at its Sync", async () => {
    const script = waiting();
    const client = await connect(script);
    void client.send(...run("x"), flush);
    await client.until("CommandComplete");
    client.session.shutdown();
    await settled();
    expect(client.transport.ended).toBe(false);
    void client.send(...run("y"), sync);
    await client.untilClosed();
    expect(client.take().slice(-3)).toEqual(["CommandComplete Y", "ReadyForQuery I", shutdown]);
    expect(script.calls).toEqual(["begin implicit", "query x", "query y", "commit", "close"]);
  });

  test("now: the statement is cut off", async () => {
    const script = waiting();
    const client = await connect(script);
    void client.send(query("wait"));
    await settled();
    client.session.shutdown(true);
    await client.untilClosed();
    expect(client.take()).toEqual([shutdown]);
    expect(script.signal?.aborted).toBe(true);
  });

  test("before authentication", async () => {
    const client = new TestClient({ ...waiting(), auth: staticAuthSource({ postgres: "x" }) });
    void client.sendBytes(startup());
    await settled();
    client.take();
    client.session.shutdown();
    await client.untilClosed();
    expect(client.take()).toEqual([shutdown]);
  });
});

describe("an upstream's FATAL error", () => {
  test("ends the session", async () => {
    const script = scripted({
      query: () => {
        throw new PgError("57P01", "the service is going away", { severity: "FATAL" });
      },
    });
    const client = await connect(script);
    void client.send(query("x"), query("y"));
    await client.untilClosed();
    expect(client.take()).toEqual(["ErrorResponse FATAL 57P01 the service is going away"]);
    expect(script.calls).toEqual(["query x", "close"]);
  });

  test("in a transaction: rolled back, closed", async () => {
    const script = transactional({
      query: () => Promise.reject(new PgError("08006", "lost", { severity: "FATAL" })),
    });
    const client = await connect(script);
    await client.query("begin");
    void client.send(...run("x"), sync);
    await client.untilClosed();
    expect(client.take().at(-1)).toBe("ErrorResponse FATAL 08006 lost");
    expect(script.calls).toEqual(["begin", "query x", "rollback", "close"]);
  });
});

test("a transport that fails while it is written to ends the session, and nothing is left", async () => {
  const script = waiting();
  const cancels = memoryCancelRegistry();
  const client = await connect({ ...script, cancels });
  await client.query("begin");
  client.transport.write = () => Promise.reject(new Error("EPIPE"));
  void client.send(query("x"));
  await client.untilClosed();
  expect(script.calls).toEqual(["begin", "query x", "rollback", "close"]);
  expect(cancels.size).toBe(0);
});
