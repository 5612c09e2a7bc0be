import { describe, expect, test } from "vitest";
import { defaultLimits, type SessionLimits } from "../../src/session/mod.ts";
import { bytes } from "../wire/bytes.ts";
import { scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  bytesOf,
  connect,
  describeStatement,
  execute,
  flush,
  parse,
  query,
  run,
  settled,
  sync,
  type TestClient,
} from "./test-client.ts";

function limited(limits: Partial<SessionLimits>): Promise<TestClient> {
  return connect({ ...transactional(), limits });
}

const tooManyStatements = "ErrorResponse ERROR 53400 too many prepared statements in this session";

describe("prepared statements", () => {
  test("their number: one more is 53400, and the session goes on", async () => {
    const client = await limited({ statements: 2 });
    expect(
      await client.ask(parse("select 1", "a"), parse("select 2", "b"), parse("select 3", "c"), sync),
    ).toEqual(["ParseComplete", "ParseComplete", tooManyStatements, "ReadyForQuery I"]);
    const hint = "Close prepared statements that are no longer used, or run DEALLOCATE ALL.";
    void client.send(parse("select 3", "c"), sync);
    await client.until("ReadyForQuery");
    expect(client.last("ErrorResponse").fields.hint).toBe(hint);
    client.take();
    expect(await client.ask({ type: "Close", kind: "S", name: "a" }, parse("select 3", "c"), sync)).toEqual([
      "CloseComplete",
      "ParseComplete",
      "ReadyForQuery I",
    ]);
  });

  test("the unnamed one is not counted", async () => {
    const client = await limited({ statements: 1 });
    const lines = await client.ask(parse("select 1", "a"), parse("select 2"), parse("select 3"), sync);
    expect(lines).not.toContain(tooManyStatements);
  });

  test("DEALLOCATE and DEALLOCATE ALL make room", async () => {
    const client = await limited({ statements: 1 });
    await client.ask(parse("select 1", "a"), sync);
    await client.query("deallocate a");
    expect(await client.ask(parse("select 1", "b"), sync)).toEqual(["ParseComplete", "ReadyForQuery I"]);
    await client.query("deallocate all");
    expect(await client.ask(parse("select 1", "c"), sync)).toEqual(["ParseComplete", "ReadyForQuery I"]);
  });

  test("the text that they hold together", async () => {
    const client = await limited({ statementText: 20 });
    // 8 characters each.
    const lines = await client.ask(
      parse("select 1", "a"),
      parse("select 2", "b"),
      parse("select 3", "c"),
      sync,
    );
    expect(lines).toEqual(["ParseComplete", "ParseComplete", tooManyStatements, "ReadyForQuery I"]);
    await client.query("deallocate a");
    expect(await client.ask(parse("select 3", "c"), sync)).toEqual(["ParseComplete", "ReadyForQuery I"]);
  });

  test("text around a statement is counted, too: it is kept for error positions", async () => {
    const client = await limited({ statementText: 1000 });
    const padded = `select 1${" ".repeat(600)}`;
    const lines = await client.ask(parse(padded, "a"), parse(padded, "b"), sync);
    expect(lines).toEqual(["ParseComplete", tooManyStatements, "ReadyForQuery I"]);
  });
});

describe("portals", () => {
  const tooMany = "ErrorResponse ERROR 53400 too many portals in this session";

  test("their number: one more is 53400", async () => {
    const client = await limited({ portals: 2 });
    const lines = await client.ask(
      parse("select 1"),
      bind([], { portal: "a" }),
      bind([], { portal: "b" }),
      bind([], { portal: "c" }),
      sync,
    );
    expect(lines).toEqual(["ParseComplete", "BindComplete", "BindComplete", tooMany, "ReadyForQuery I"]);
  });

  test("the unnamed one is not counted", async () => {
    const client = await limited({ portals: 2 });
    const lines = await client.ask(
      parse("select 1"),
      bind([], { portal: "a" }),
      bind([], { portal: "b" }),
      bind(),
      bind(),
      bind([], { portal: "c" }),
      sync,
    );
    expect(lines).toEqual([
      "ParseComplete",
      ...Array<string>(4).fill("BindComplete"),
      tooMany,
      "ReadyForQuery I",
    ]);
  });

  test("the bytes of the parameters that they hold together", async () => {
    const client = await limited({ portalBytes: 1000 });
    await client.query("begin");
    const value = "x".repeat(400);
    const three = ["a", "b", "c"].map((portal) => bind([value], { portal }));
    expect(await client.ask(parse("select $1"), ...three, sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "BindComplete",
      tooMany,
      "ReadyForQuery E",
    ]);
    await client.query("rollback");
    await client.query("begin");
    const closed = { type: "Close", kind: "P", name: "a" } as const;
    expect(
      await client.ask(parse("select $1"), ...three.slice(0, 2), closed, ...three.slice(2), sync),
    ).toEqual([
      "ParseComplete",
      "BindComplete",
      "BindComplete",
      "CloseComplete",
      "BindComplete",
      "ReadyForQuery T",
    ]);
  });
});

describe("message sizes", () => {
  test("one over the operator's limit is 54000, at its header", async () => {
    const script = scripted();
    const client = await connect({ ...script, limits: { messageBytes: 1000 } });
    void client.sendBytes(bytes("51 000003e9"));
    await client.untilClosed();
    expect(client.take()).toEqual([
      'ErrorResponse FATAL 54000 message of type "Q" is too long: 1001 bytes, the limit is 1000',
    ]);
    expect(script.calls).toEqual(["close"]);
  });

  test("one of exactly the limit is served", async () => {
    const client = await connect({ ...scripted(), limits: { messageBytes: 1000 } });
    const sql = "select 1".padEnd(1000 - 5);
    expect(bytesOf([query(sql)]).length).toBe(1001);
    expect(await client.query(sql)).toContain("DataRow 1");
  });

  test.each([
    ["Sync of 10,001 bytes", "53 00002711", "08P01 invalid message length"],
    ["Describe of 10,001 bytes", "44 00002711", "08P01 invalid message length"],
    ["Query of a gigabyte", "51 40000000", "08P01 invalid message length"],
    ["Bind of 2 GiB", "42 7fffffff", "08P01 invalid message length"],
    ["Query of negative length", "51 ffffffff", "08P01 invalid message length"],
    ["Query shorter than its length word", "51 00000003", "08P01 invalid message length"],
    ["an unknown type", "7a 00000004", "08P01 invalid frontend message type 122"],
    ["an unknown type, of which only the letter has come", "00", "08P01 invalid frontend message type 0"],
  ])("%s is refused at its header", async (_, header, error) => {
    const client = await connect(scripted());
    void client.sendBytes(bytes(header));
    await client.untilClosed();
    expect(client.take()).toEqual([`ErrorResponse FATAL ${error}`]);
  });

  test("a large message announced holds no memory before it comes", async () => {
    const client = await connect(scripted());
    const before = process.memoryUsage();
    void client.sendBytes(bytes("51 3ffffffe 'select'"));
    await settled();
    const grown = process.memoryUsage();
    expect(grown.arrayBuffers - before.arrayBuffers).toBeLessThan(1024 * 1024);
    await client.vanish();
  });
});

describe("a pipeline without Sync", () => {
  test("is run in parts, in one implicit transaction", async () => {
    const script = transactional();
    const client = await connect({ ...script, limits: { pipeline: 4 } });
    void client.send(...run("select 1"), ...run("select 2"));
    await client.until("CommandComplete", 2);
    expect(script.calls).toEqual(["begin implicit", "query select 1", "query select 2"]);
    client.take();
    expect(await client.ask(sync)).toEqual(["ReadyForQuery I"]);
    expect(script.calls.at(-1)).toBe("commit");
  });

  test("is run when what it holds is past the mark of the input, too", async () => {
    const script = transactional();
    const client = await connect({ ...script, limits: { inputHighWater: 1000 } });
    void client.send(parse("select $1"), bind(["x".repeat(600)]), execute(), bind(["y".repeat(600)]));
    await client.until("CommandComplete");
    expect(script.calls).toEqual(["begin implicit", "query select $1"]);
    client.take();
    expect(await client.ask(execute(), sync)).toContain("CommandComplete SELECT 1");
    expect(script.calls.slice(2)).toEqual(["query select $1", "commit"]);
  });

  test("is not cut between Describe and Execute", async () => {
    const script = transactional();
    const client = await connect({ ...script, limits: { pipeline: 3 } });
    void client.send(...run("select 1"), sync);
    await client.until("ReadyForQuery");
    expect(client.take()).toContain("RowDescription a");
  });

  test("of Describe alone is run, too", async () => {
    const client = await connect({ ...transactional(), limits: { pipeline: 3 } });
    void client.send(...Array.from({ length: 20 }, () => describeStatement("nosuch")));
    await client.until("ErrorResponse");
  });

  test("holds no more messages than that", async () => {
    const client = await connect({ ...scripted(), limits: { pipeline: 100 } });
    void client.send(parse("select 1", "s"), flush);
    for (let at = 0; at < 150; at++) void client.send(bind([], { statement: "s" }), execute());
    await client.until("CommandComplete", 150);
    expect(await client.ask(sync)).toHaveLength(1 + 1 + 3 * 150);
  });
});

describe("input that waits", () => {
  test("past the mark, the transport is told to stop, until it is worked off", async () => {
    const first = Promise.withResolvers<void>();
    const script = scripted({
      query: async () => {
        await first.promise;
        return { type: "command", tag: "OK" };
      },
    });
    const client = await connect({ ...script, limits: { inputHighWater: 100 } });
    expect(client.send(query("1"))).toBeUndefined();
    expect(client.send(query("2"))).toBeUndefined();
    const pressure = client.send(query("3".repeat(100)));
    expect(pressure).toBeInstanceOf(Promise);
    let told = false;
    void (pressure as Promise<void>).then(() => {
      told = true;
    });
    await settled();
    expect(told).toBe(false);
    first.resolve();
    await client.until("ReadyForQuery", 3);
    await settled();
    expect(told).toBe(true);
  });

  test("the promise never rejects, and settles at the end of the session", async () => {
    const client = await connect({
      ...scripted({ query: () => new Promise(() => {}) }),
      limits: { inputHighWater: 10 },
    });
    void client.send(query("1"));
    const pressure = client.send(query("2".repeat(100)));
    await client.vanish();
    await pressure;
    expect(client.send(query("3"))).toBeUndefined();
  });
});

test("the defaults are PostgreSQL's where it has them", () => {
  expect(defaultLimits).toMatchObject({
    authenticationTimeout: 60_000,
    idleTimeout: 0,
    idleInTransactionTimeout: 0,
    statementTimeout: 0,
    messageBytes: 0x3ffffffe,
  });
});
