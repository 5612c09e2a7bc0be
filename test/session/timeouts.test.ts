import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { SessionLimits } from "../../src/session/mod.ts";
import { milliseconds } from "../../src/session/setting-values.ts";
import { type Scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  connect,
  copyData,
  execute,
  flush,
  parse,
  query,
  run,
  settled,
  sync,
  type TestClient,
} from "./test-client.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const statementTimeout = "ErrorResponse ERROR 57014 canceling statement due to statement timeout";
const idleTimeout = "ErrorResponse FATAL 57P05 terminating connection due to idle-session timeout";
const idleInTransaction =
  "ErrorResponse FATAL 25P03 terminating connection due to idle-in-transaction timeout";

async function limited(
  limits: Partial<SessionLimits>,
  parameters: Record<string, string> = {},
): Promise<{ client: TestClient; script: Scripted; signals: AbortSignal[] }> {
  const signals: AbortSignal[] = [];
  const script = transactional({
    query: ({ sql }, { signal }) => {
      if (sql === "copy") {
        return { type: "copyIn", format: 0, columnFormats: [0], receive: () => new Promise(() => {}) };
      }
      if (!sql.startsWith("wait")) return { type: "command", tag: sql.toUpperCase() };
      signals.push(signal);
      return new Promise(() => {});
    },
  });
  return { client: await connect({ ...script, limits }, parameters), script, signals };
}

/** Lets time pass in two steps: until just before it is due, and until it is. */
async function afterTime(time: number, client: TestClient): Promise<string[]> {
  vi.advanceTimersByTime(time - 1);
  await settled();
  expect(client.take()).toEqual([]);
  vi.advanceTimersByTime(1);
  await settled();
  return client.take();
}

describe("a statement", () => {
  test("by a simple query", async () => {
    const { client, signals } = await limited({ statementTimeout: 1000 });
    void client.send(query("wait"));
    await settled();
    expect(await afterTime(1000, client)).toEqual([statementTimeout, "ReadyForQuery I"]);
    expect(signals[0]?.aborted).toBe(true);
    expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery I"]);
    await client.vanish();
  });

  test("by the extended protocol, in a block", async () => {
    const { client } = await limited({ statementTimeout: 1000 });
    await client.query("begin");
    void client.send(...run("wait"), sync);
    await settled();
    expect((await afterTime(1000, client)).slice(-2)).toEqual([statementTimeout, "ReadyForQuery E"]);
    await client.vanish();
  });

  test("COPY FROM STDIN", async () => {
    const { client } = await limited({ statementTimeout: 1000 });
    void client.send(query("copy"), copyData("x\n"));
    await settled();
    client.take();
    expect(await afterTime(1000, client)).toEqual([statementTimeout, "ReadyForQuery I"]);
    await client.vanish();
  });

  test("each has its own time", async () => {
    const { client } = await limited({ statementTimeout: 1000 });
    for (let at = 0; at < 5; at++) {
      expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery I"]);
      vi.advanceTimersByTime(900);
    }
    expect(client.take()).toEqual([]);
    await client.vanish();
  });

  test("one behind a pipeline that waited longer than that for its Sync", async () => {
    const { client } = await limited({ statementTimeout: 1000 });
    void client.send(parse("wait"), flush);
    await settled();
    vi.advanceTimersByTime(5000);
    await settled();
    expect(client.take()).toEqual(["ParseComplete"]);
    void client.send(bind(), execute(), sync);
    await settled();
    client.take();
    vi.advanceTimersByTime(1000);
    await settled();
    expect(client.take()).toEqual(["BindComplete", statementTimeout, "ReadyForQuery I"]);
    await client.vanish();
  });

  test.each(["500", "'500ms'", "'0.5s'", "'500000us'", "'500 '"])(
    "SET statement_timeout = %s",
    async (value) => {
      const { client } = await limited({});
      await client.query(`set statement_timeout = ${value}`);
      void client.send(query("wait"));
      await settled();
      expect(await afterTime(500, client)).toEqual([statementTimeout, "ReadyForQuery I"]);
      await client.vanish();
    },
  );

  test("a client may shorten the operator's time, not lengthen it or turn it off", async () => {
    const { client } = await limited({ statementTimeout: 1000 });
    for (const [value, time] of [
      ["100", 100],
      ["5000", 1000],
      ["0", 1000],
    ] as const) {
      await client.query(`set statement_timeout = ${value}`);
      void client.send(query("wait"));
      await settled();
      expect(await afterTime(time, client)).toEqual([statementTimeout, "ReadyForQuery I"]);
    }
    await client.vanish();
  });

  test("in the startup packet's options", async () => {
    const { client } = await limited({}, { options: "-c statement_timeout=200" });
    void client.send(query("wait"));
    await settled();
    expect(await afterTime(200, client)).toEqual([statementTimeout, "ReadyForQuery I"]);
    await client.vanish();
  });

  test("a setting that ROLLBACK takes back", async () => {
    const { client } = await limited({});
    await client.query("begin");
    await client.query("set statement_timeout = 100");
    await client.query("rollback");
    void client.send(query("wait"));
    await settled();
    vi.advanceTimersByTime(100_000);
    await settled();
    expect(client.take()).toEqual([]);
    await client.vanish();
  });
});

describe("an idle client", () => {
  test("outside of a transaction", async () => {
    const { client, script } = await limited({ idleTimeout: 2000 });
    expect(await afterTime(2000, client)).toEqual([idleTimeout]);
    await client.untilClosed();
    expect(script.calls).toEqual(["close"]);
  });

  test("is not idle while its statement runs, however long", async () => {
    const { client } = await limited({ idleTimeout: 2000, idleInTransactionTimeout: 2000 });
    void client.send(query("wait"));
    await settled();
    vi.advanceTimersByTime(100_000);
    await settled();
    expect(client.take()).toEqual([]);
    await client.vanish();
  });

  test("begins anew with each ReadyForQuery", async () => {
    const { client } = await limited({ idleTimeout: 2000 });
    vi.advanceTimersByTime(1999);
    await client.query("x");
    expect(await afterTime(2000, client)).toEqual([idleTimeout]);
    await client.untilClosed();
  });

  test("in a transaction, which is rolled back", async () => {
    const { client, script } = await limited({ idleTimeout: 1, idleInTransactionTimeout: 3000 });
    void client.send(query("begin"));
    await client.until("ReadyForQuery");
    client.take();
    expect(await afterTime(3000, client)).toEqual([idleInTransaction]);
    await client.untilClosed();
    expect(script.calls).toEqual(["begin", "rollback", "close"]);
  });

  test("in a failed transaction", async () => {
    const { client } = await limited({ idleInTransactionTimeout: 3000 });
    await client.query("begin");
    await client.query("savepoint s; rollback to t; set nosuch = 1");
    expect(await afterTime(3000, client)).toEqual([idleInTransaction]);
    await client.untilClosed();
  });

  test("SET idle_session_timeout and idle_in_transaction_session_timeout", async () => {
    const { client } = await limited({ idleTimeout: 5000 });
    await client.query("set idle_in_transaction_session_timeout = '1min'");
    await client.query("set idle_session_timeout = '4s'");
    await client.query("begin");
    vi.advanceTimersByTime(59_999);
    await client.query("commit");
    expect(await afterTime(4000, client)).toEqual([idleTimeout]);
    await client.untilClosed();
  });

  test("a time-out of more than 24 days does not run out at once", async () => {
    const { client } = await limited({ idleTimeout: 30 * 86_400_000, statementTimeout: 30 * 86_400_000 });
    void client.send(query("wait"));
    await settled();
    vi.advanceTimersByTime(86_400_000);
    await settled();
    expect(client.take()).toEqual([]);
    await client.vanish();
  });

  test("no time-out: no timer", async () => {
    const { client } = await limited({});
    await client.query("x");
    expect(vi.getTimerCount()).toBe(0);
    await client.vanish();
  });
});

describe("the time of a setting", () => {
  test.each([
    ["0", 0],
    ["250", 250],
    ["250ms", 250],
    ["5s", 5000],
    ["1.5 s", 1500],
    [" 2 min ", 120_000],
    ["1h", 3_600_000],
    ["1d", 86_400_000],
    ["400us", 0],
    ["600us", 1],
    ["", undefined],
    ["5 sec", undefined],
    ["-1", -1],
    ["abc", undefined],
  ])("%j", (text, time) => {
    expect(milliseconds(text)).toBe(time);
  });
});
