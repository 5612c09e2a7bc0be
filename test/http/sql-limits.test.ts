// What /sql takes and gives, and what it does with a client that leaves.
import { describe, expect, test } from "vitest";
import type { Result } from "../../src/session/mod.ts";
import { scripted, transactional } from "../session/scripted-upstream.ts";
import { settled } from "../session/test-client.ts";
import { SqlClient } from "./sql-client.ts";

describe("requests", () => {
  const sql = new SqlClient(scripted().upstream, {}, { maxRequestBytes: 100 });

  test("up to the limit", async () => {
    const fits = JSON.stringify({ query: "select 1" }).padEnd(100);
    expect((await sql.post(fits)).status).toBe(200);
    expect(await sql.post(`${fits} `)).toMatchObject({
      status: 413,
      message: "request is too large (max is 100 bytes)",
      code: null,
    });
  });

  test("that do not say their length are counted", async () => {
    let cancelled = false;
    let chunks = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        chunks++;
        controller.enqueue(new Uint8Array(60).fill(32));
      },
      cancel() {
        cancelled = true;
      },
    });
    const init = { body, duplex: "half" } as RequestInit;
    expect((await sql.fetch(sql.request("", {}, init))).status).toBe(413);
    expect(cancelled).toBe(true);
    expect(chunks).toBeLessThan(5);
  });

  test.each<[string, string | Uint8Array<ArrayBuffer>]>([
    ["no JSON", "{"],
    ["nothing", ""],
    ["a list", "[]"],
    ["no query", "{}"],
    ["a query that is none", '{"query": 1}'],
    ["parameters that are no list", '{"query": "select 1", "params": {}}'],
    ["a mode that is none", '{"query": "select 1", "arrayMode": 1}'],
    ["queries that are none", '{"queries": [1]}'],
    ["bytes that are no UTF-8", Uint8Array.of(0x22, 0xff, 0x22)],
    ["depth without end", "[".repeat(100)],
  ])("of %s", async (_, body) => {
    const answer = await sql.fetch(sql.request("", {}, { body }));
    expect(answer.status).toBe(400);
    expect(answer.code).toBeNull();
    expect(answer.message).toMatch(/body|quer|params|arrayMode/);
  });

  test("nested too deep for the stack", async () => {
    const large = new SqlClient(scripted().upstream);
    const deep = `{"query": "select $1", "params": [${"[".repeat(500_000)}1.0000000000000000001${"]".repeat(500_000)}]}`;
    expect((await large.post(deep)).status).toBe(400);
  });

  test("with U+0000, which no text of PostgreSQL can hold", async () => {
    expect(await sql.query("select $1", ["\0"])).toMatchObject({ status: 400, code: "22021" });
  });
});

describe("answers", () => {
  /** Rows of 1,000 characters without end; tells when it is asked to stop. */
  function endless(): { sql: SqlClient; stopped: Promise<void>; given(): number } {
    const stopped = Promise.withResolvers<void>();
    let given = 0;
    const { upstream } = transactional({
      query(): Result {
        async function* rows(): AsyncGenerator<string[][]> {
          try {
            for (;;) {
              given++;
              yield [["é".repeat(500)]];
              await settled();
            }
          } finally {
            stopped.resolve();
          }
        }
        return { type: "rows", columns: [{ name: "a" }], rows: rows() };
      },
    });
    const sql = new SqlClient(upstream, {}, { maxResponseBytes: 50_000 });
    return { sql, stopped: stopped.promise, given: () => given };
  }

  test("that are too long are cut off, and their statement is stopped", async () => {
    const { sql, stopped, given } = endless();
    expect(await sql.query("endless")).toMatchObject({
      status: 507,
      message: "response is too large (max is 50000 bytes)",
      code: null,
    });
    await stopped;
    // Bytes count, not characters.
    expect(given()).toBeLessThan(200);
  });

  test("up to the limit", async () => {
    const rows = (count: number): SqlClient => {
      const { upstream } = scripted({
        query: () => ({
          type: "rows",
          columns: [{ name: "é" }],
          rows: Array.from({ length: count }, () => ["ß"]),
        }),
      });
      return new SqlClient(upstream);
    };
    const { text } = await rows(1_000).query("");
    const bytes = new TextEncoder().encode(text).length;
    for (const [maxResponseBytes, status] of [
      [bytes + 1, 200],
      [bytes - 2, 507],
    ] as const) {
      const { upstream } = scripted({
        query: () => ({
          type: "rows",
          columns: [{ name: "é" }],
          rows: Array.from({ length: 1_000 }, () => ["ß"]),
        }),
      });
      const limited = new SqlClient(upstream, {}, { maxResponseBytes });
      expect((await limited.query("")).status).toBe(status);
    }
  });

  test("of values that are not what they claim to be are still JSON", async () => {
    const { upstream } = scripted({
      query: () => ({
        type: "rows",
        columns: [114, 23, 701, 1007, 1007, 16].map((typeOid, at) => ({ name: `c${at}`, typeOid })),
        rows: [['{"a":1},"b":{', "1,2", "0x10", "{1,2", "{a b, NULL}", "maybe"]],
      }),
    });
    const answer = await new SqlClient(upstream).query("select 1");
    expect(answer.rows).toEqual([
      { c0: '{"a":1},"b":{', c1: "1,2", c2: "0x10", c3: "{1,2", c4: ["a b", null], c5: false },
    ]);
  });
});

describe("a client that leaves", () => {
  test.each([
    ["a statement", { query: "wait" }, ["query wait", "close"]],
    [
      "a batch",
      { queries: [{ query: "select 1" }, { query: "wait" }] },
      ["begin", "query select 1", "query wait", "rollback", "close"],
    ],
  ])("cancels %s", async (_, body, expected) => {
    const running = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    const { upstream, calls } = transactional({
      query: ({ sql }, { signal }) => {
        if (sql !== "wait") return { type: "command", tag: "SELECT 0" };
        running.resolve();
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            aborted.resolve();
            reject(signal.reason);
          });
        });
      },
    });
    const sql = new SqlClient(upstream);
    const leaving = new AbortController();
    const answer = sql.fetch(sql.request(body, {}, { signal: leaving.signal }));
    await running.promise;
    leaving.abort();
    await aborted.promise;
    expect(await answer).toMatchObject({
      status: 400,
      code: "08P01",
      message: expect.stringContaining("cancelled"),
    });
    await settled();
    expect(calls).toEqual(expected);
  });

  test("before it has asked gets no session", async () => {
    const { upstream, calls } = scripted();
    const sql = new SqlClient(upstream);
    await sql.fetch(sql.request({ query: "select 1" }, {}, { signal: AbortSignal.abort() }));
    expect(calls).toEqual([]);
  });
});

test("requests above the cap are refused, and make room again", async () => {
  const go = Promise.withResolvers<Result>();
  const running = Promise.withResolvers<void>();
  const { upstream } = scripted({
    query() {
      running.resolve();
      return go.promise;
    },
  });
  const sql = new SqlClient(upstream, {}, { maxConnections: 1 });
  const first = sql.query("wait");
  await running.promise;
  expect(await sql.query("select 1")).toMatchObject({ status: 503, code: "53300" });
  go.resolve({ type: "command", tag: "DONE" });
  expect(await first).toMatchObject({ status: 200, command: "DONE" });
  expect(await sql.query("select 1")).toMatchObject({ status: 200 });
});

test("LISTEN is refused, NOTIFY is not", async () => {
  const { upstream } = scripted({ listen: () => {}, notify: () => {} });
  const sql = new SqlClient(upstream);
  expect(await sql.query("listen changes")).toMatchObject({ status: 400, code: "0A000" });
  expect(await sql.query("notify changes, 'x'")).toMatchObject({ status: 200, command: "NOTIFY" });
});

test("a batch needs transactions", async () => {
  const sql = new SqlClient(scripted().upstream);
  expect(await sql.batch(["select 1"])).toMatchObject({ status: 400, code: "0A000" });
  expect((await sql.query("select 1")).status).toBe(200);
});

test("the session's limits are those of every session", async () => {
  const { upstream } = scripted({
    query: (_, { signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  const sql = new SqlClient(upstream, {}, { limits: { statementTimeout: 50 } });
  expect(await sql.query("wait")).toMatchObject({ status: 400, code: "57014" });
});
