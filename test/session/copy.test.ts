import { describe, expect, test } from "vitest";
import type { CopyBothResult, CopyInResult, CopyOutResult, Result } from "../../src/session/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { type Scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  connect,
  copyData,
  copyDone,
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

const decoder = new TextDecoder();
const functionCall: Sent = {
  type: "FunctionCall",
  functionOid: 1,
  argumentFormats: [],
  arguments: [],
  resultFormat: 0,
};
const copyFail: Sent = { type: "CopyFail", message: "changed my mind" };

/** COPY FROM STDIN whose data is kept; the tag counts the chunks. */
function copyIn(received: string[]): CopyInResult {
  return {
    type: "copyIn",
    format: 0,
    columnFormats: [0, 0],
    async receive(data) {
      let chunks = 0;
      for await (const chunk of data) {
        received.push(decoder.decode(chunk));
        chunks++;
      }
      return `COPY ${chunks}`;
    },
  };
}

function copyOut(data: CopyOutResult["data"], tag?: string): CopyOutResult {
  return { type: "copyOut", format: 0, columnFormats: [0], data, tag };
}

/** `copy` is this result, everything else a command. */
async function copying(copy: () => Result): Promise<{ client: TestClient; script: Scripted }> {
  const script = transactional({
    query: ({ sql }) => (sql.startsWith("copy") ? copy() : { type: "command", tag: sql.toUpperCase() }),
  });
  return { client: await connect(script), script };
}

describe("FROM STDIN", () => {
  test("by a simple query", async () => {
    const received: string[] = [];
    const { client } = await copying(() => copyIn(received));
    void client.send(query("copy"));
    await client.until("CopyInResponse");
    expect(client.take()).toEqual(["CopyInResponse 0 0 0"]);
    void client.send(copyData("1\ta\n"), copyData("2\tb\n"));
    void client.send(copyDone);
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual(["CommandComplete COPY 2", "ReadyForQuery I"]);
    expect(received).toEqual(["1\ta\n", "2\tb\n"]);
  });

  test("with everything in one chunk", async () => {
    const received: string[] = [];
    const { client } = await copying(() => copyIn(received));
    const lines = await client.ask(query("copy"), copyData("1\n"), copyDone);
    expect(lines).toEqual(["CopyInResponse 0 0 0", "CommandComplete COPY 1", "ReadyForQuery I"]);
    expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery I"]);
  });

  test("by the extended protocol: a Sync before the end is passed over, the one behind it is answered", async () => {
    const received: string[] = [];
    const { client } = await copying(() => copyIn(received));
    void client.send(...run("copy"), sync);
    await client.until("CopyInResponse");
    expect(client.take()).toEqual(["ParseComplete", "BindComplete", "NoData", "CopyInResponse 0 0 0"]);
    void client.send(copyData("1\n"), flush, sync, copyData("2\n"), copyDone);
    await settled();
    expect(client.take()).toEqual(["CommandComplete COPY 2"]);
    expect(await client.ask(sync)).toEqual(["ReadyForQuery I"]);
    expect(received).toEqual(["1\n", "2\n"]);
  });

  test("by the extended protocol, everything in one chunk and no Sync before the data", async () => {
    const { client } = await copying(() => copyIn([]));
    expect(await client.ask(...run("copy"), copyData("1\n"), copyDone, sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "NoData",
      "CopyInResponse 0 0 0",
      "CommandComplete COPY 1",
      "ReadyForQuery I",
    ]);
  });

  test("by Execute and Flush", async () => {
    const { client } = await copying(() => copyIn([]));
    void client.send(parse("copy"), bind(), execute(), flush);
    await client.until("CopyInResponse");
    expect(await client.ask(copyData("1\n"), copyDone, sync)).toContain("CommandComplete COPY 1");
  });

  test("in a transaction block", async () => {
    const { client, script } = await copying(() => copyIn([]));
    await client.query("begin");
    expect(await client.ask(query("copy"), copyData("1\n"), copyDone)).toEqual([
      "CopyInResponse 0 0 0",
      "CommandComplete COPY 1",
      "ReadyForQuery T",
    ]);
    await client.query("commit");
    expect(script.calls).toEqual(["begin", "query copy", "commit"]);
  });

  test("between other statements of one Query", async () => {
    const { client } = await copying(() => copyIn([]));
    expect(await client.ask(query("a; copy; b"), copyData("1\n"), copyDone)).toEqual([
      "CommandComplete A",
      "CopyInResponse 0 0 0",
      "CommandComplete COPY 1",
      "CommandComplete B",
      "ReadyForQuery I",
    ]);
  });

  test("twice in one Query", async () => {
    const received: string[] = [];
    const { client } = await copying(() => copyIn(received));
    void client.send(query("copy; copy"), copyData("1\n"), copyDone);
    await client.until("CopyInResponse", 2);
    expect(await client.ask(copyData("2\n"), copyDone)).toEqual([
      "CopyInResponse 0 0 0",
      "CommandComplete COPY 1",
      "CopyInResponse 0 0 0",
      "CommandComplete COPY 1",
      "ReadyForQuery I",
    ]);
    expect(received).toEqual(["1\n", "2\n"]);
  });

  for (const [name, begin, status] of [
    ["outside of a block", undefined, "I"],
    ["in a block", "begin", "E"],
  ] as const) {
    test(`CopyFail by a simple query, ${name}`, async () => {
      const { client } = await copying(() => copyIn([]));
      if (begin) await client.query(begin);
      expect(await client.ask(query("copy"), copyData("1\n"), copyFail)).toEqual([
        "CopyInResponse 0 0 0",
        "ErrorResponse ERROR 57014 COPY from stdin failed: changed my mind",
        `ReadyForQuery ${status}`,
      ]);
    });
  }

  test("CopyFail by the extended protocol: everything up to Sync is passed over", async () => {
    const { client, script } = await copying(() => copyIn([]));
    void client.send(...run("copy"), sync);
    await client.until("CopyInResponse");
    client.take();
    expect(await client.ask(copyFail, ...run("x"), sync)).toEqual([
      "ErrorResponse ERROR 57014 COPY from stdin failed: changed my mind",
      "ReadyForQuery I",
    ]);
    expect(script.calls).not.toContain("query x");
    expect(await client.query("x")).toEqual(["CommandComplete X", "ReadyForQuery I"]);
  });

  test("the upstream may give a CopyFail a meaning of its own", async () => {
    const { client } = await copying(() => ({
      ...copyIn([]),
      async receive(data: AsyncIterable<Uint8Array>) {
        try {
          for await (const _ of data);
        } catch (error) {
          throw new PgError("22P04", `gave up: ${(error as PgError).code}`);
        }
        return "COPY 0";
      },
    }));
    expect(await client.ask(query("copy"), copyFail)).toContain("ErrorResponse ERROR 22P04 gave up: 57014");
  });

  test("an upstream that fails midway: what still comes is dropped", async () => {
    const { client } = await copying(() => ({
      ...copyIn([]),
      async receive(data: AsyncIterable<Uint8Array>) {
        for await (const _ of data) throw new PgError("22P02", "bad data");
        return "";
      },
    }));
    void client.send(query("copy"), copyData("x\n"));
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual([
      "CopyInResponse 0 0 0",
      "ErrorResponse ERROR 22P02 bad data",
      "ReadyForQuery I",
    ]);
    expect(await client.ask(copyData("y\n"), copyDone, query("x"))).toEqual([
      "CommandComplete X",
      "ReadyForQuery I",
    ]);
  });

  test("an upstream that throws before it reads", async () => {
    const { client } = await copying(() => ({
      ...copyIn([]),
      receive: () => {
        throw new Error("no disk");
      },
    }));
    expect(await client.ask(query("copy"), copyData("x\n"), copyDone)).toEqual([
      "CopyInResponse 0 0 0",
      "ErrorResponse ERROR XX000 no disk",
      "ReadyForQuery I",
    ]);
  });

  test("an upstream that stops reading early is complete at CopyDone, however much still comes", async () => {
    const { client } = await copying(() => ({
      ...copyIn([]),
      async receive(data: AsyncIterable<Uint8Array>) {
        for await (const _ of data) break;
        return "COPY 1";
      },
    }));
    void client.send(query("copy"), copyData("first\n"));
    await client.until("CopyInResponse");
    const megabyte = copyData("x".repeat(1024 * 1024));
    for (let at = 0; at < 5; at++) void client.send(megabyte);
    await settled();
    expect(client.take()).toEqual(["CopyInResponse 0 0 0"]);
    void client.send(copyDone);
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual(["CommandComplete COPY 1", "ReadyForQuery I"]);
  });

  test("a CopyFail counts, too, when the upstream has read enough", async () => {
    const { client } = await copying(() => ({ ...copyIn([]), receive: async () => "COPY 0" }));
    expect(await client.ask(query("copy"), copyData("x\n"), copyFail)).toContain(
      "ErrorResponse ERROR 57014 COPY from stdin failed: changed my mind",
    );
  });

  test("a slow upstream holds the client back", async () => {
    const gate = Promise.withResolvers<void>();
    let read = 0;
    const { client } = await copying(() => ({
      ...copyIn([]),
      async receive(data: AsyncIterable<Uint8Array>) {
        await gate.promise;
        for await (const { length } of data) read += length;
        return "COPY";
      },
    }));
    void client.send(query("copy"));
    await client.until("CopyInResponse");
    const chunk = copyData("x".repeat(64 * 1024));
    let pressure = client.send(chunk);
    let sent = 1;
    while (!pressure) {
      await settled();
      expect(sent).toBeLessThan(20);
      pressure = client.send(chunk);
      sent++;
    }
    let told = false;
    void pressure.then(() => {
      told = true;
    });
    await settled();
    expect(told).toBe(false);
    gate.resolve();
    await pressure;
    void client.send(copyDone);
    await client.until("ReadyForQuery");
    expect(read).toBe(sent * 64 * 1024);
  });

  test.each([
    ["Query", query("select 1"), "0x51"],
    ["Parse", parse("select 1"), "0x50"],
    ["FunctionCall", functionCall, "0x46"],
  ])("%s in the middle of it ends the connection", async (_, message, code) => {
    const { client, script } = await copying(() => copyIn([]));
    await client.query("begin");
    void client.send(query("copy"), copyData("x\n"), message, query("y"));
    await client.untilClosed();
    expect(client.take()).toEqual([
      "CopyInResponse 0 0 0",
      `ErrorResponse ERROR 08P01 unexpected message type ${code} during COPY from stdin`,
      "ErrorResponse FATAL 08P01 terminating connection because protocol synchronization was lost",
    ]);
    expect(script.calls).toEqual(["begin", "query copy", "rollback", "close"]);
  });

  test("a client that vanishes in the middle of it", async () => {
    let failure: unknown;
    const { client, script } = await copying(() => ({
      ...copyIn([]),
      async receive(data: AsyncIterable<Uint8Array>) {
        try {
          for await (const _ of data);
        } catch (error) {
          failure = error;
          throw error;
        }
        return "COPY";
      },
    }));
    await client.query("begin");
    void client.send(query("copy"), copyData("x\n"));
    await client.until("CopyInResponse");
    await client.vanish();
    expect((failure as PgError).code).toBe("08006");
    expect(script.calls).toEqual(["begin", "query copy", "rollback", "close"]);
  });
});

describe("TO STDOUT", () => {
  test("each chunk is a message; the tag counts them", async () => {
    const { client } = await copying(() => copyOut(["1\n", new TextEncoder().encode("2\n")]));
    expect(await client.query("copy")).toEqual([
      "CopyOutResponse 0 0",
      "CopyData 0x310a",
      "CopyData 0x320a",
      "CopyDone",
      "CommandComplete COPY 2",
      "ReadyForQuery I",
    ]);
  });

  test("with the upstream's own tag", async () => {
    const { client } = await copying(() => copyOut(["many rows"], "COPY 17"));
    expect(await client.query("copy")).toContain("CommandComplete COPY 17");
  });

  test("by the extended protocol", async () => {
    const { client } = await copying(() => copyOut(["1"]));
    expect(await client.ask(...run("copy"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "NoData",
      "CopyOutResponse 0 0",
      "CopyData 1",
      "CopyDone",
      "CommandComplete COPY 1",
      "ReadyForQuery I",
    ]);
  });

  function* failing(): Generator<string> {
    yield "1";
    throw new PgError("22012", "division by zero");
  }

  async function* failingLater(): AsyncGenerator<string> {
    yield "1";
    throw new PgError("22012", "division by zero");
  }

  test.each([
    ["an iterator", failing],
    ["an asynchronous one", failingLater],
  ])("%s that fails midway: ErrorResponse, and no CopyFail or CopyDone", async (_, data) => {
    const { client } = await copying(() => copyOut(data()));
    expect(await client.query("copy")).toEqual([
      "CopyOutResponse 0 0",
      "CopyData 1",
      "ErrorResponse ERROR 22012 division by zero",
      "ReadyForQuery I",
    ]);
  });

  test("a client that vanishes: the source is told", async () => {
    let returned = false;
    async function* endless(): AsyncGenerator<string> {
      try {
        for (;;) {
          yield "x".repeat(1000);
          await settled();
        }
      } finally {
        returned = true;
      }
    }
    const { client } = await copying(() => copyOut(endless()));
    void client.send(query("copy"));
    await client.until("CopyData");
    await client.vanish();
    await settled();
    expect(returned).toBe(true);
  });
});

describe("both ways", () => {
  /** Sends back what it gets, in capitals. */
  function echo(): CopyBothResult {
    return {
      type: "copyBoth",
      format: 0,
      columnFormats: [],
      async *run(data) {
        yield "hello";
        for await (const chunk of data) yield decoder.decode(chunk).toUpperCase();
      },
    };
  }

  test("data goes back and forth until the client is done", async () => {
    const { client } = await copying(echo);
    void client.send(query("copy"));
    await client.until("CopyData");
    expect(client.take()).toEqual(["CopyBothResponse 0", "CopyData hello"]);
    void client.send(copyData("a"));
    await client.until("CopyData");
    expect(client.take()).toEqual(["CopyData A"]);
    void client.send(copyData("b"), copyDone);
    await client.until("ReadyForQuery");
    expect(client.take()).toEqual(["CopyData B", "CopyDone", "CommandComplete COPY 0", "ReadyForQuery I"]);
  });

  test("the upstream may be done first; what the client still sends is dropped", async () => {
    const { client } = await copying(() => ({
      ...echo(),
      tag: "START_REPLICATION",
      async *run() {
        yield "the end";
      },
    }));
    void client.send(query("copy"));
    await client.until("CopyDone");
    const megabyte = copyData("x".repeat(1024 * 1024));
    for (let at = 0; at < 3; at++) void client.send(megabyte);
    expect(await client.ask(copyDone)).toEqual([
      "CopyBothResponse 0",
      "CopyData the end",
      "CopyDone",
      "CommandComplete START_REPLICATION",
      "ReadyForQuery I",
    ]);
  });

  test("CopyFail", async () => {
    const { client } = await copying(echo);
    expect(await client.ask(query("copy"), copyFail)).toEqual([
      "CopyBothResponse 0",
      "CopyData hello",
      "ErrorResponse ERROR 57014 COPY from stdin failed: changed my mind",
      "ReadyForQuery I",
    ]);
  });

  test("by the extended protocol", async () => {
    const { client } = await copying(echo);
    expect(await client.ask(...run("copy"), copyData("a"), copyDone, sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "NoData",
      "CopyBothResponse 0",
      "CopyData hello",
      "CopyData A",
      "CopyDone",
      "CommandComplete COPY 0",
      "ReadyForQuery I",
    ]);
  });

  test("a client that vanishes ends the upstream's generator", async () => {
    let ended = false;
    const { client } = await copying(() => ({
      ...echo(),
      async *run(data: AsyncIterable<Uint8Array>) {
        try {
          for await (const _ of data) yield "x";
        } finally {
          ended = true;
        }
      },
    }));
    void client.send(query("copy"));
    await client.until("CopyBothResponse");
    await client.vanish();
    await settled();
    expect(ended).toBe(true);
  });
});
