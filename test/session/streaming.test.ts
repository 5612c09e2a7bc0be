import { describe, expect, test } from "vitest";
import type { CopyOutResult, Row, RowsResult } from "../../src/session/mod.ts";
import { scripted } from "./scripted-upstream.ts";
import {
  bind,
  connect,
  execute,
  flush,
  parse,
  query,
  run,
  type Sent,
  settled,
  sync,
  type TestClient,
} from "./test-client.ts";

/** Batches that a test hands out one by one. */
class Batches implements AsyncIterable<readonly Row[]> {
  /** How often the session asked for one. */
  asked = 0;
  returned = 0;
  #waiting: PromiseWithResolvers<IteratorResult<readonly Row[]>> | undefined;

  give(...batch: string[]): void {
    this.#waiting?.resolve({ done: false, value: batch.map((cell) => [cell]) });
  }

  fail(error: Error): void {
    this.#waiting?.reject(error);
  }

  end(): void {
    this.#waiting?.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly Row[]> {
    return {
      next: () => {
        this.asked++;
        this.#waiting = Promise.withResolvers();
        return this.#waiting.promise;
      },
      return: async () => {
        this.returned++;
        return { done: true, value: undefined };
      },
    };
  }
}

async function streaming(limits = {}): Promise<{ client: TestClient; batches: Batches }> {
  const batches = new Batches();
  const result: RowsResult = { type: "rows", columns: [{ name: "a" }], rows: batches };
  const client = await connect({ ...scripted({ query: () => result }), limits });
  return { client, batches };
}

describe("rows leave as they come", () => {
  const protocols: [string, () => Sent[]][] = [
    ["simple", () => [query("select")]],
    ["extended", () => [...run("select"), sync]],
  ];
  for (const [name, messages] of protocols) {
    test(`${name}: the first before the second is there`, async () => {
      const { client, batches } = await streaming();
      void client.send(...messages());
      await client.until("RowDescription");
      await settled();
      batches.give("1");
      await client.until("DataRow");
      expect(client.take().slice(-2)).toEqual(["RowDescription a", "DataRow 1"]);
      expect(batches.asked).toBe(2);
      batches.give("2", "3");
      await client.until("DataRow", 2);
      batches.end();
      await client.until("ReadyForQuery");
      expect(client.take()).toEqual([
        "DataRow 2",
        "DataRow 3",
        "CommandComplete SELECT 3",
        "ReadyForQuery I",
      ]);
    });

    test(`${name}: an error midway comes behind the rows before it`, async () => {
      const { client, batches } = await streaming();
      void client.send(...messages());
      await client.until("RowDescription");
      batches.give("1");
      await client.until("DataRow");
      batches.fail(new Error("connection reset"));
      await client.until("ReadyForQuery");
      expect(client.take().slice(-3)).toEqual([
        "DataRow 1",
        "ErrorResponse ERROR XX000 connection reset",
        "ReadyForQuery I",
      ]);
    });
  }

  test("an empty batch is no end", async () => {
    const { client, batches } = await streaming();
    void client.send(query("select"));
    await client.until("RowDescription");
    batches.give();
    await settled();
    batches.give("1");
    await settled();
    batches.end();
    await client.until("ReadyForQuery");
    expect(client.take()).toContain("CommandComplete SELECT 1");
  });
});

describe("a transport that is full", () => {
  test("no further batch is asked for", async () => {
    const { client, batches } = await streaming();
    void client.send(query("select"));
    await client.until("RowDescription");
    client.transport.full = true;
    batches.give("1");
    await client.until("DataRow");
    await settled();
    expect(batches.asked).toBe(1);
    client.transport.drain();
    await settled();
    expect(batches.asked).toBe(2);
    batches.give("2");
    await settled();
    batches.end();
    await client.until("ReadyForQuery");
    expect(client.take().slice(-3)).toEqual(["DataRow 2", "CommandComplete SELECT 2", "ReadyForQuery I"]);
  });

  test("no further row of an iterator is taken", async () => {
    let taken = 0;
    function* endless(): Generator<Row> {
      for (;;) yield [String(taken++)];
    }
    const result: RowsResult = { type: "rows", columns: [{ name: "a" }], rows: endless() };
    const client = await connect({ ...scripted({ query: () => result }), limits: { outputHighWater: 1000 } });
    client.transport.full = true;
    void client.send(query("select"));
    await settled();
    const before = taken;
    expect(before).toBeGreaterThan(10);
    expect(before).toBeLessThan(1000);
    await settled();
    expect(taken).toBe(before);
    client.transport.drain();
    client.transport.full = true;
    await settled();
    expect(taken).toBeGreaterThan(before);
    expect(taken).toBeLessThan(3 * before);
    await client.vanish();
  });

  test("no further chunk of COPY TO STDOUT is asked for", async () => {
    let taken = 0;
    async function* chunks(): AsyncGenerator<string> {
      for (;;) yield `${taken++}\n`;
    }
    const result: CopyOutResult = { type: "copyOut", format: 0, columnFormats: [0], data: chunks() };
    const client = await connect({ ...scripted({ query: () => result }), limits: { outputHighWater: 1000 } });
    client.transport.full = true;
    void client.send(query("copy"));
    await settled();
    const before = taken;
    expect(before).toBeLessThan(1000);
    await settled();
    expect(taken).toBe(before);
    await client.vanish();
  });

  test("nor one behind a chunk that left because the next took its time", async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let taken = 0;
    async function* chunks(): AsyncGenerator<string> {
      for (const gate of gates) {
        yield `${++taken}\n`;
        await gate.promise;
      }
      yield `${++taken}\n`;
      yield `${++taken}\n`;
    }
    const result: CopyOutResult = { type: "copyOut", format: 0, columnFormats: [0], data: chunks() };
    const client = await connect(scripted({ query: () => result }));
    client.transport.full = true;
    void client.send(query("copy"));
    await client.until("CopyData");
    gates[0]?.resolve();
    gates[1]?.resolve();
    await settled();
    expect(taken).toBe(2);
    client.transport.drain();
    await client.until("ReadyForQuery");
    expect(taken).toBe(4);
  });

  test("the next message waits, too", async () => {
    const script = scripted();
    const client = await connect(script);
    client.transport.full = true;
    void client.send(query("select 1"), query("select 2"));
    await client.until("ReadyForQuery");
    await settled();
    expect(script.calls).toEqual(["query select 1"]);
    client.transport.drain();
    await client.until("ReadyForQuery", 2);
    expect(script.calls).toEqual(["query select 1", "query select 2"]);
  });
});

describe("COPY TO STDOUT leaves as it comes", () => {
  test("each chunk before the next is there", async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    async function* chunks(): AsyncGenerator<string> {
      yield "1\n";
      await gates[0]?.promise;
      yield "2\n";
      await gates[1]?.promise;
    }
    const result: CopyOutResult = { type: "copyOut", format: 0, columnFormats: [0], data: chunks() };
    const client = await connect(scripted({ query: () => result }));
    void client.send(query("copy"));
    await client.until("CopyData");
    gates[0]?.resolve();
    await client.until("CopyData", 2);
    gates[1]?.resolve();
    await client.until("ReadyForQuery");
    expect(client.take().at(-2)).toBe("CommandComplete COPY 2");
  });
});

describe("one write", () => {
  test("for a simple query", async () => {
    const client = await connect(scripted());
    const before = client.transport.writes.length;
    await client.query("rows 100; select 1; select 2");
    expect(client.transport.writes.length - before).toBe(1);
  });

  test("for a pipeline up to Sync", async () => {
    const client = await connect(scripted());
    const before = client.transport.writes.length;
    await client.ask(...run("select 1"), ...run("select 2"), ...run("rows 10"), sync);
    expect(client.transport.writes.length - before).toBe(1);
  });

  test("for each Flush", async () => {
    const client = await connect(scripted());
    const before = client.transport.writes.length;
    void client.send(parse("select 1"), flush);
    await client.until("ParseComplete");
    void client.send(bind(), execute(), flush);
    await client.until("CommandComplete");
    await client.ask(sync);
    expect(client.transport.writes.length - before).toBe(3);
  });

  test("past the high-water mark there are several, none much larger than it", async () => {
    const client = await connect({ ...scripted(), limits: { outputHighWater: 10_000 } });
    const before = client.transport.writes.length;
    await client.query("rows 10000");
    const writes = client.transport.writes.slice(before);
    expect(writes.length).toBeGreaterThan(10);
    expect(Math.max(...writes.map(({ length }) => length))).toBeLessThan(11_000);
  });
});

describe("row limits", () => {
  async function started(limit: number) {
    const { client, batches } = await streaming();
    void client.send(query("begin"));
    return { client, batches, limit };
  }

  test("a suspended portal asks for no more rows than it was told to", async () => {
    let taken = 0;
    function* counting(): Generator<Row> {
      for (let at = 1; at <= 5; at++) {
        taken++;
        yield [String(at)];
      }
    }
    const result = (): RowsResult => ({ type: "rows", columns: [{ name: "a" }], rows: counting() });
    const client = await connect(
      scripted({ query: result, begin: () => {}, commit: () => {}, rollback: () => {} }),
    );
    await client.query("begin");
    expect(await client.ask(parse("select"), bind([], { portal: "p" }), execute(2, "p"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "DataRow 1",
      "DataRow 2",
      "PortalSuspended",
      "ReadyForQuery T",
    ]);
    expect(taken).toBe(2);
    expect(await client.ask(execute(-1, "p"), sync)).toEqual([
      "DataRow 3",
      "DataRow 4",
      "DataRow 5",
      "CommandComplete SELECT 3",
      "ReadyForQuery T",
    ]);
    expect(await client.ask(execute(0, "p"), sync)).toEqual(["CommandComplete SELECT 0", "ReadyForQuery T"]);
  });

  test("an iterator that is not asked for its last row is returned with the portal", async () => {
    const { client, batches } = await started(1);
    await settled();
    client.take();
    void client.send(...run("select").slice(0, 2), execute(1), flush);
    await settled();
    batches.give("1", "2");
    await client.until("PortalSuspended");
    expect(batches.returned).toBe(0);
    void client.send(sync);
    await client.until("ReadyForQuery");
    expect(batches.returned).toBe(1);
  });
});
