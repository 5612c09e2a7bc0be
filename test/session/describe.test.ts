import { describe, expect, test } from "vitest";
import type { Description, StatementText } from "../../src/session/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { answer, rows, type Scripted, scripted, transactional } from "./scripted-upstream.ts";
import {
  bind,
  connect,
  describePortal,
  describeStatement,
  execute,
  flush,
  parse,
  query,
  run,
  sync,
} from "./test-client.ts";

/** An upstream that describes: `select` has a column for each word, `$n` are int4. */
function describing(): Scripted & { asked: StatementText[] } {
  const asked: StatementText[] = [];
  const script = transactional({
    describe: (statement): Description => {
      asked.push(statement);
      if (statement.sql.startsWith("fail")) throw new PgError("42601", "syntax error", { position: 1 });
      const parameterTypes = (statement.sql.match(/\$\d+/g) ?? []).map(() => 23);
      const columns = statement.sql.startsWith("select") ? [{ name: "x", typeOid: 23 }] : undefined;
      return { parameterTypes, columns };
    },
  });
  return Object.assign(script, { asked });
}

describe("an upstream that describes", () => {
  test("a statement: its parameters and columns, without running it", async () => {
    const script = describing();
    const client = await connect(script);
    expect(await client.ask(parse("select $1", "s"), describeStatement("s"), sync)).toEqual([
      "ParseComplete",
      "ParameterDescription 23",
      "RowDescription x",
      "ReadyForQuery I",
    ]);
    expect(script.calls).toEqual([]);
    expect(script.asked).toEqual([{ sql: "select $1", parameterTypes: [] }]);
  });

  test("with parameters and no columns: NoData", async () => {
    const client = await connect(describing());
    expect(await client.ask(parse("insert $1, $2"), describeStatement(), sync)).toEqual([
      "ParseComplete",
      "ParameterDescription 23 23",
      "NoData",
      "ReadyForQuery I",
    ]);
  });

  test("is asked once for each statement", async () => {
    const script = describing();
    const client = await connect(script);
    await client.ask(parse("select $1", "s"), describeStatement("s"), describeStatement("s"), sync);
    await client.ask(bind(["1"], { statement: "s" }), describePortal(), sync);
    expect(script.asked).toHaveLength(1);
    await client.ask(parse("select $1", "t"), describeStatement("t"), sync);
    expect(script.asked).toHaveLength(2);
  });

  test("gets the types that the client gave", async () => {
    const script = describing();
    const client = await connect(script);
    await client.ask(parse("select $1", "", [25]), describeStatement(), sync);
    expect(script.asked).toEqual([{ sql: "select $1", parameterTypes: [25] }]);
  });

  test("is not asked for what the session serves itself, nor for an empty statement", async () => {
    const script = describing();
    const client = await connect(script);
    for (const sql of [
      "begin",
      "commit",
      "set x.y = 1",
      "reset all",
      "deallocate all",
      "discard all",
      "",
      "-- no",
    ]) {
      expect(await client.ask(parse(sql), describeStatement(), sync)).toEqual([
        "ParseComplete",
        "ParameterDescription",
        "NoData",
        "ReadyForQuery I",
      ]);
    }
    expect(script.asked).toEqual([]);
  });

  test("an error is told with its position in the text that the client sent", async () => {
    const client = await connect(describing());
    void client.send(parse("  -- é\n fail"), describeStatement(), sync);
    await client.until("ReadyForQuery");
    expect(client.last("ErrorResponse").fields).toMatchObject({ code: "42601", position: 9 });
  });

  test("a portal that is not executed next", async () => {
    const script = describing();
    const client = await connect(script);
    void client.send(parse("select a"), bind(), describePortal(), flush);
    await client.until("RowDescription");
    expect(script.calls).toEqual([]);
    expect(await client.ask(execute(), sync)).toContain("DataRow a");
  });
});

describe("an upstream that does not", () => {
  test("a statement: 0A000, with a hint", async () => {
    const client = await connect(scripted());
    void client.send(parse("select 1"), describeStatement(), sync);
    await client.until("ReadyForQuery");
    expect(client.last("ErrorResponse").fields).toEqual({
      severity: "ERROR",
      code: "0A000",
      message: "this database cannot describe a statement without running it",
      hint: "Use a client that binds its parameters before it asks for the result's columns.",
    });
  });

  test("a portal that is executed next: the result tells its columns, and the statement runs once", async () => {
    const script = scripted();
    const client = await connect(script);
    expect(await client.ask(...run("select $1, x", "1"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "RowDescription a b",
      "DataRow 1|x",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
    ]);
    expect(await client.ask(...run("insert"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "NoData",
      "CommandComplete INSERT",
      "ReadyForQuery I",
    ]);
    expect(script.calls).toEqual(["query select $1, x", "query insert"]);
  });

  test("an error of it comes in place of the description", async () => {
    const client = await connect(scripted());
    expect(await client.ask(...run("fail"), ...run("select 1"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "ErrorResponse ERROR 22012 division by zero",
      "ReadyForQuery I",
    ]);
  });

  test("a portal that is not executed next: 0A000", async () => {
    const script = scripted();
    const client = await connect(script);
    expect(await client.ask(parse("select 1"), bind(), describePortal(), sync)).toContain(
      "ErrorResponse ERROR 0A000 this database cannot describe a statement without running it",
    );
    expect(
      await client.ask(
        parse("select 1"),
        bind(),
        bind([], { portal: "p" }),
        describePortal(),
        execute(0, "p"),
        sync,
      ),
    ).toContain("ErrorResponse ERROR 0A000 this database cannot describe a statement without running it");
    expect(script.calls).toEqual([]);
  });

  test("a portal that has run tells its columns again", async () => {
    const script = transactional({ query: () => rows([["1", "2", "3"]]) });
    const client = await connect(script);
    await client.query("begin");
    const p = { portal: "p" };
    expect(
      await client.ask(parse("select"), bind([], p), execute(1, "p"), describePortal("p"), sync),
    ).toEqual([
      "ParseComplete",
      "BindComplete",
      "DataRow 1",
      "PortalSuspended",
      "RowDescription a",
      "ReadyForQuery T",
    ]);
    expect(script.calls).toEqual(["begin", "query select"]);
  });

  test("a portal described, but never executed, is let go", async () => {
    let returned = 0;
    const script = scripted({
      query: () => ({
        type: "rows",
        columns: [{ name: "a" }],
        rows: {
          [Symbol.asyncIterator]: () => ({
            next: () => Promise.reject(new PgError("57000", "the source broke")),
            return: async () => {
              returned++;
              return { done: true as const, value: undefined };
            },
          }),
        },
      }),
    });
    const client = await connect(script);
    // The rows fail after they were described.
    expect((await client.ask(...run("select"), sync)).slice(-3)).toEqual([
      "RowDescription a",
      "ErrorResponse ERROR 57000 the source broke",
      "ReadyForQuery I",
    ]);
    expect(returned).toBe(1);
  });
});

describe("row descriptions", () => {
  test("carry what the upstream knows, and PostgreSQL's defaults", async () => {
    const script = scripted({
      query: () => ({
        type: "rows",
        columns: [
          { name: "plain" },
          { name: "n", typeOid: 1700, typeModifier: 655366, tableOid: 16385, attribute: 2 },
          { name: "mood", typeOid: 16390, typeSize: 4 },
        ],
        rows: [],
      }),
    });
    const client = await connect(script);
    void client.send(query("select"));
    await client.until("ReadyForQuery");
    const none = { tableOid: 0, columnAttribute: 0, typeModifier: -1, format: 0 };
    expect(client.last("RowDescription").fields).toEqual([
      { ...none, name: "plain", typeOid: 25, typeSize: -1 },
      {
        ...none,
        name: "n",
        typeOid: 1700,
        typeSize: -1,
        tableOid: 16385,
        columnAttribute: 2,
        typeModifier: 655366,
      },
      { ...none, name: "mood", typeOid: 16390, typeSize: 4 },
    ]);
    client.take();
  });

  test("a result without columns", async () => {
    const script = scripted({ query: () => ({ type: "rows", columns: [], rows: [[], []] }) });
    const client = await connect(script);
    expect(await client.query("select")).toEqual([
      "RowDescription",
      "DataRow ",
      "DataRow ",
      "CommandComplete SELECT 2",
      "ReadyForQuery I",
    ]);
  });

  test.each([
    [undefined, "SELECT 1"],
    ["INSERT 0", "INSERT 0 1"],
    ["FETCH", "FETCH 1"],
    ["SHOW", "SHOW"],
    ["EXPLAIN", "EXPLAIN"],
    ["CALL", "CALL"],
  ])("the tag %j is %j", async (tag, complete) => {
    const client = await connect(scripted({ query: () => rows([["1"]], tag) }));
    expect(await client.query("select")).toContain(`CommandComplete ${complete}`);
    expect(await client.ask(...run("select"), sync)).toContain(`CommandComplete ${complete}`);
  });
});

test("statements reach the upstream split, trimmed and with their parameters", async () => {
  const seen: unknown[] = [];
  const script = scripted({
    query: (statement) => {
      seen.push({ ...statement });
      return answer(statement);
    },
  });
  const client = await connect(script);
  await client.query(" /* a */ select 1 ; select ';' ; ");
  await client.ask(
    parse(" select $1, $2 ; ", "", [23]),
    bind(["1", null], { results: [0] }),
    execute(),
    sync,
  );
  const none = { parameters: [], parameterTypes: [], resultFormats: [] };
  expect(seen).toEqual([
    { ...none, sql: "select 1" },
    { ...none, sql: "select ';'" },
    { sql: "select $1, $2", parameters: ["1", null], parameterTypes: [23], resultFormats: [0] },
  ]);
});
