// The embedded PGlite, against PGlite's own execProtocolRaw where that can do the same.
import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPglite } from "../../../adapters/node/pglite.ts";
import { loadCluster, userCacheDir } from "../../../adapters/node/pglite-cluster.ts";
import {
  constantFrames,
  encodeStartup,
  type FrontendInput,
  protocol30,
  Writer,
} from "../../../src/wire/mod.ts";
import { concat, frontendBytes, same } from "../../wire/bytes.ts";
import { messagesOf, outline, PgliteClient, query } from "./pglite-client.ts";

const { sync, flush } = constantFrames;
const encoder = new TextEncoder();

const parse = (text: string, statement = ""): Uint8Array =>
  frontendBytes({ type: "Parse", statement, query: text, parameterTypes: [] });
const bind = (statement = "", portal = "", parameters: string[] = []): Uint8Array =>
  frontendBytes({
    type: "Bind",
    portal,
    statement,
    parameterFormats: [],
    parameters: parameters.map((parameter) => encoder.encode(parameter)),
    resultFormats: [],
  });
const describePortal = frontendBytes({ type: "Describe", kind: "P", name: "" });
const execute = (maxRows = 0): Uint8Array => frontendBytes({ type: "Execute", portal: "", maxRows });
const copyData = (text: string): Uint8Array =>
  frontendBytes({ type: "CopyData", data: encoder.encode(text) });
const copyDone = frontendBytes({ type: "CopyDone" } satisfies FrontendInput);
const copyFail = frontendBytes({ type: "CopyFail", message: "no more" });

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Milliseconds in which a cancelled statement has to end. Alone it takes one to fifty; the machine may be busy. */
const promptly = 5_000;

let client: PgliteClient;

beforeAll(async () => {
  client = new PgliteClient(await openPglite(undefined));
}, 120_000);

afterAll(async () => {
  await client?.backend.close();
});

test("tells the parameters of the start", () => {
  const { parameters } = client.backend;
  expect(parameters.get("server_version")).toMatch(/^18\.\d+$/);
  expect(parameters.get("client_encoding")).toBe("UTF8");
  expect(parameters.get("session_authorization")).toBe("postgres");
  expect(parameters.get("integer_datetimes")).toBe("on");
  expect(parameters.get("search_path")).toBe('"$user", public');
});

test("answers a simple query", async () => {
  expect(await client.run("SELECT 1, 'a', NULL")).toEqual([
    "RowDescription",
    "1|a|null",
    "SELECT 1",
    "ready I",
  ]);
});

test("lets nobody change the system's tables, as a server does", async () => {
  expect(await client.run("CREATE TABLE pg_catalog.mine (a int)")).toEqual([
    'ERROR 42501: permission denied to create "pg_catalog.mine"',
    "ready I",
  ]);
});

describe("the bytes are those of execProtocolRaw", () => {
  let oracle: PGlite;

  beforeAll(async () => {
    const version = "0.5.16";
    const cluster = await loadCluster(userCacheDir(process.env, process.platform), version);
    oracle = await PGlite.create(cluster ? { loadDataDir: new Blob([new Uint8Array(cluster)]) } : {});
    // Without a startup packet PGlite reports no settings.
    const writer = new Writer();
    const parameters = new Map([
      ["user", "postgres"],
      ["database", "postgres"],
    ]);
    encodeStartup(writer, { type: "StartupMessage", version: protocol30, parameters });
    await oracle.execProtocolRaw(writer.take());
    await oracle.execProtocolRaw(query(`SET search_path = "$user", public`));
  }, 120_000);

  afterAll(async () => {
    await oracle?.close();
  });

  const pipelines: [name: string, messages: Uint8Array[]][] = [
    ["a simple query", [query("SELECT 1 AS one; SELECT 'two' AS two")]],
    ["an empty query", [query("")]],
    ["a syntax error", [query("SELECT FROM WHERE")]],
    ["an error in the middle of a multi-statement query", [query("SELECT 1; SELECT 1/0; SELECT 2")]],
    ["two queries", [query("SELECT 1"), query("SELECT 2")]],
    ["a transaction that fails", [query("BEGIN"), query("SELECT 1/0"), query("SELECT 1"), query("ROLLBACK")]],
    ["a notice", [query("DO $$ BEGIN RAISE NOTICE 'hello'; END $$")]],
    [
      "a pipeline",
      [parse("SELECT $1::int + 1"), bind("", "", ["41"]), describePortal, execute(), sync, query("SELECT 3")],
    ],
    [
      "an error, then nothing until Sync",
      [parse("SELECT 1/$1::int"), bind("", "", ["0"]), execute(), parse("SELECT 2"), query("SELECT 3"), sync],
    ],
    [
      "a suspended portal",
      [parse("SELECT generate_series(1, 5)"), bind(), execute(2), execute(2), execute(2), sync],
    ],
    ["Flush", [parse("SELECT 1"), flush, bind(), execute(), flush, sync]],
    [
      "named statements",
      [
        parse("SELECT 7", "s"),
        sync,
        bind("s"),
        execute(),
        frontendBytes({ type: "Close", kind: "S", name: "s" }),
        sync,
      ],
    ],
    [
      "COPY in one go",
      [
        query("CREATE TEMP TABLE copied (a int, b text)"),
        query("COPY copied FROM STDIN"),
        copyData("1\tone\n2\ttwo\n"),
        copyDone,
        query("COPY copied TO STDOUT"),
        query("DROP TABLE copied"),
      ],
    ],
  ];

  async function expectSame(sent: Uint8Array[], messages: Uint8Array[], pause?: () => Promise<unknown>) {
    const expected = await oracle.execProtocolRaw(concat(...messages));
    for (const part of sent) {
      void client.backend.send(part);
      await pause?.();
    }
    const ready = messagesOf(expected).filter((message) => message.type === "ReadyForQuery").length;
    await client.ready(ready);
    const { bytes } = client.take();
    // The outlines first: a readable difference.
    expect(outline(messagesOf(bytes))).toEqual(outline(messagesOf(expected)));
    expect(same(bytes, expected)).toBe(true);
  }

  test.each(pipelines)("%s: at once, message by message, and with pauses", async (_name, messages) => {
    await expectSame([concat(...messages)], messages);
    await expectSame(messages, messages);
    await expectSame(messages, messages, () => sleep(3));
  });
});

test("keeps a Parse until its Sync comes later", async () => {
  await client.backend.send(parse("SELECT 5"));
  await sleep(20);
  void client.backend.send(bind());
  await sleep(5);
  const { messages } = await client.ask([concat(execute(), sync)]);
  expect(outline(messages)).toEqual(["ParseComplete", "BindComplete", "5", "SELECT 1", "ready I"]);
});

describe("COPY FROM STDIN", () => {
  test("waits for data that comes later", async () => {
    await client.run("CREATE TEMP TABLE lines (a int)");
    void client.backend.send(query("COPY lines FROM STDIN"));
    await client.until((message) => message.type === "CopyInResponse");
    for (let line = 1; line <= 5; line++) {
      void client.backend.send(copyData(`${line}\n`));
      await sleep(5);
    }
    const { messages } = await client.ask([copyDone]);
    expect(outline(messages)).toEqual(["CopyInResponse", "COPY 5", "ready I"]);
    expect(await client.run("SELECT sum(a) FROM lines")).toContain("15");
  });

  test("by the extended protocol", async () => {
    void client.backend.send(concat(parse("COPY lines FROM STDIN"), bind(), execute(), flush));
    await client.until((message) => message.type === "CopyInResponse");
    const { messages } = await client.ask([copyData("7\n"), copyDone, sync]);
    expect(outline(messages)).toEqual([
      "ParseComplete",
      "BindComplete",
      "CopyInResponse",
      "COPY 1",
      "ready I",
    ]);
  });

  test("fails in the middle, and the rest is ignored", async () => {
    void client.backend.send(query("COPY lines FROM STDIN"));
    await client.until((message) => message.type === "CopyInResponse");
    void client.backend.send(copyData("1\nnonsense\n"));
    await client.ready();
    for (let line = 0; line < 100; line++) void client.backend.send(copyData("2\n"));
    void client.backend.send(copyDone);
    expect(outline(client.take().messages).slice(1)).toEqual([
      'ERROR 22P02: invalid input syntax for type integer: "nonsense"',
      "ready I",
    ]);
    expect(await client.run("SELECT 1")).toContain("1");
  });

  test("CopyFail", async () => {
    void client.backend.send(query("COPY lines FROM STDIN"));
    await client.until((message) => message.type === "CopyInResponse");
    const { messages } = await client.ask([copyData("1\n"), copyFail]);
    expect(outline(messages).slice(1)).toEqual(["ERROR 57014: COPY from stdin failed: no more", "ready I"]);
  });

  test("more than the channel holds, faster than PostgreSQL takes it", async () => {
    await client.run("TRUNCATE lines");
    void client.backend.send(query("COPY lines FROM STDIN"));
    await client.until((message) => message.type === "CopyInResponse");
    const chunk = copyData("123456\n".repeat(20_000)); // 140 kB
    let behind = 0;
    for (let i = 0; i < 30; i++) {
      const wait = client.backend.send(chunk.slice());
      if (wait instanceof Promise) behind++;
      if (i % 10 === 9) await wait;
    }
    expect(behind).toBeGreaterThan(0);
    expect(outline((await client.ask([copyDone])).messages)).toEqual([
      "CopyInResponse",
      "COPY 600000",
      "ready I",
    ]);
    expect(await client.run("DROP TABLE lines")).toEqual(["DROP TABLE", "ready I"]);
  }, 120_000);
});

test("COPY TO STDOUT of 100,000 rows", async () => {
  void client.backend.send(query("COPY (SELECT g, 'row ' || g FROM generate_series(1, 100000) g) TO STDOUT"));
  await client.ready();
  const { messages } = client.take();
  const rows = messages.filter((message) => message.type === "CopyData");
  expect(rows.length).toBe(100_000);
  expect(new TextDecoder().decode(rows.at(-1)?.data)).toBe("100000\trow 100000\n");
  expect(outline(messages.slice(-3))).toEqual(["CopyDone", "COPY 100000", "ready I"]);
}, 120_000);

describe("a large result", () => {
  const rows = 1_000_000;
  const statement = query(`SELECT generate_series(1, ${rows}), repeat('x', 50)`); // 76 MB

  /** Takes the answer, a promise for each chunk. */
  async function count(consume: (chunk: Uint8Array) => void | Promise<void>): Promise<number> {
    let bytes = 0;
    let tail = new Uint8Array(0);
    const { onData } = client.backend;
    const { promise, resolve } = Promise.withResolvers<void>();
    client.backend.onData = (chunk) => {
      bytes += chunk.length;
      tail = chunk.length >= 6 ? chunk.slice(-6) : concat(tail, chunk).slice(-6);
      if (same(tail, Uint8Array.of(0x5a, 0, 0, 0, 5, 0x49))) resolve();
      return consume(chunk);
    };
    void client.backend.send(statement);
    await promise;
    client.backend.onData = onData;
    return bytes;
  }

  test("streams: the first row comes before the last is made, and little of it is ever held", async () => {
    let first = 0;
    let longest = 0;
    let chunks = 0;
    let held = 0;
    const start = performance.now();
    globalThis.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    const bytes = await count((chunk) => {
      first ||= performance.now() - start;
      longest = Math.max(longest, chunk.length);
      if (++chunks % 100 !== 0 || !globalThis.gc) return;
      globalThis.gc(); // what is left is held
      held = Math.max(held, process.memoryUsage().arrayBuffers - before);
    });
    const all = performance.now() - start;
    expect(bytes).toBeGreaterThan(70_000_000);
    expect(longest).toBeLessThanOrEqual(64 * 1024);
    expect(first).toBeLessThan(all / 4);
    expect(held).toBeLessThan(8_000_000);
  }, 120_000);

  test("waits for a slow consumer, which holds PostgreSQL back", async () => {
    let busy = false;
    let delivered = 0;
    let atOnce = 0;
    await count(async () => {
      if (busy) atOnce++;
      busy = true;
      if (++delivered % 20 === 0) await sleep(1);
      busy = false;
    });
    expect(delivered).toBeGreaterThan(1_000);
    expect(atOnce).toBe(0);
  }, 120_000);

  test("does not keep the event loop from its other work", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await count(() => {});
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  }, 120_000);
});

describe("cancel", () => {
  /** Sends, waits, cancels; how long the answer took then, and what it was. */
  async function cancelled(text: string, when: () => Promise<unknown>) {
    void client.backend.send(query(text));
    await when();
    const start = performance.now();
    expect(client.backend.cancel()).toBe(true);
    await client.ready();
    const took = performance.now() - start;
    return { took, answer: outline(client.take().messages).filter((line) => !/^\d+$/.test(line)) };
  }
  const stopped = ["RowDescription", "ERROR 57014: canceling statement due to user request", "ready I"];

  test("a statement that computes", async () => {
    const { took, answer } = await cancelled("SELECT count(*) FROM generate_series(1, 1000000000)", () =>
      sleep(200),
    );
    expect(answer).toEqual(stopped);
    expect(took).toBeLessThan(promptly);
    expect(await client.run("SELECT 1")).toContain("1");
  });

  test("a statement that sleeps, without burning a core meanwhile", async () => {
    const before = process.cpuUsage();
    const { took, answer } = await cancelled("SELECT pg_sleep(100)", () => sleep(1500));
    const { user, system } = process.cpuUsage(before);
    expect(answer).toEqual(stopped);
    expect(took).toBeLessThan(promptly);
    expect((user + system) / 1000).toBeLessThan(900);
    expect(await client.run("SELECT 1")).toContain("1");
  });

  test("in the instant after the statement was sent", async () => {
    for (let i = 0; i < 10; i++) {
      const { answer } = await cancelled("SELECT pg_sleep(100)", async () => {});
      expect(answer.slice(-2)).toEqual(stopped.slice(-2)); // perhaps before the row's description
    }
  });

  test("a statement whose rows are on their way", async () => {
    const { answer } = await cancelled("SELECT generate_series(1, 1000000000)", () =>
      client.until((message) => message.type === "DataRow"),
    );
    expect(answer).toEqual(stopped);
    expect(await client.run("SELECT 1")).toContain("1");
  });

  test("is forgotten when nothing runs", async () => {
    expect(client.backend.cancel()).toBe(false);
    for (let i = 0; i < 50; i++) {
      expect(await client.run("SELECT count(*) FROM generate_series(1, 1000)")).toContain("1000");
      // After the answer was seen, and while the thread may still be about to sleep.
      expect(client.backend.cancel()).toBe(false);
    }
  });

  test("late or early, hits at most the statement it was meant for", async () => {
    for (let i = 0; i < 40; i++) {
      void client.backend.send(query("SELECT count(*) FROM generate_series(1, 20000)"));
      await sleep(i / 10);
      client.backend.cancel();
      await client.ready();
      client.take();
      expect(await client.run("SELECT count(*) FROM generate_series(1, 20000)")).toContain("20000");
    }
  });

  test("in a transaction leaves it failed", async () => {
    await client.run("BEGIN");
    const { answer } = await cancelled("SELECT pg_sleep(100)", () => sleep(50));
    expect(answer.at(-1)).toBe("ready E");
    await client.run("ROLLBACK");
  });

  test("COPY FROM STDIN is stopped by the next data", async () => {
    await client.run("CREATE TEMP TABLE stopped (a int)");
    void client.backend.send(query("COPY stopped FROM STDIN"));
    await client.until((message) => message.type === "CopyInResponse");
    expect(client.backend.cancel()).toBe(true);
    void client.backend.send(copyData("1\n2\n3\n"));
    await sleep(5);
    const { messages } = await client.ask([copyDone]);
    expect(outline(messages)[1]).toBe("ERROR 57014: canceling statement due to user request");
    expect(await client.run("SELECT count(*) FROM stopped")).toContain("0");
  });
});

describe("timeouts", () => {
  const stopped = ["RowDescription", "ERROR 57014: canceling statement due to statement timeout", "ready I"];
  const run = async (text: string) => (await client.run(text)).filter((line) => line !== "");

  test("statement_timeout stops what computes and what sleeps", async () => {
    await run("SET statement_timeout = 100");
    expect(await run("SELECT count(*) FROM generate_series(1, 1000000000)")).toEqual(stopped);
    expect(await run("SELECT pg_sleep(100)")).toEqual(stopped);
    for (let i = 0; i < 20; i++) {
      await sleep(i); // the timer comes while PostgreSQL is idle, too
      expect(await run("SELECT 1")).toContain("1");
    }
    expect(await run("SELECT pg_sleep(100)")).toEqual(stopped);
    expect(await run("SET statement_timeout = 0")).toEqual(["SET", "ready I"]);
  });

  test("those that would end the session do not: it is everybody's", async () => {
    await run("SET idle_session_timeout = 20; SET idle_in_transaction_session_timeout = 20");
    await run("BEGIN");
    for (let i = 0; i < 5; i++) {
      await sleep(50);
      expect(await run("SELECT count(*) FROM generate_series(1, 100000)")).toContain("100000");
    }
    await run("COMMIT; SET transaction_timeout = 20");
    await run("BEGIN");
    expect(await run("SELECT pg_sleep(0.1)")).toContain("SELECT 1");
    await run("ROLLBACK; RESET ALL");
    expect(await run("SET statement_timeout = 10; SELECT pg_sleep(100)")).toContain(stopped[1]);
    await run("RESET ALL");
  });
});

test("sleeps for as long as it was told to", async () => {
  for (const seconds of [0.001, 0.02, 0.3]) {
    const start = performance.now();
    await client.run(`SELECT pg_sleep(${seconds})`);
    expect(performance.now() - start).toBeGreaterThan(seconds * 1000 - 1);
  }
});

test("hears its own NOTIFY", async () => {
  await client.run("LISTEN news");
  expect(await client.run("NOTIFY news, 'hello'")).toEqual(["NOTIFY", "notification news hello", "ready I"]);
  await client.run("UNLISTEN *");
});

test("refuses to recurse too deep, and lives on", async () => {
  await client.run(
    "CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN deep(n + 1); END $$",
  );
  expect(await client.run("SELECT deep(1)")).toContain("ERROR 54001: stack depth limit exceeded");
  expect(await client.run("DROP FUNCTION deep")).toEqual(["DROP FUNCTION", "ready I"]);
}, 120_000);

test("a message longer than the channel", async () => {
  const { messages } = await client.ask([query(`SELECT length('${"x".repeat(1_000_000)}')`)]);
  expect(outline(messages)).toContain("1000000");
});

test("survives thousands of statements in a row", async () => {
  for (let i = 0; i < 2_000; i++) {
    void client.backend.send(query("SELECT 1"));
    await client.ready();
    expect(client.take().messages.length).toBe(4);
  }
}, 120_000);
