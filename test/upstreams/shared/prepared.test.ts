/** Prepared statements of the protocol: each client's names are its own. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  bind,
  describeStatement,
  execute,
  flush,
  parse,
  query,
  run,
  type Sent,
  sync,
} from "../../session/test-client.ts";
import { errorCode, type SharedClient, SharedDatabase } from "./shared-database.ts";

let database: SharedDatabase;
beforeAll(async () => {
  database = await SharedDatabase.start({ statements: 20 });
  const client = await database.client();
  await client.run("create table t (n int)");
  await client.vanish();
});
afterAll(() => database.close());
afterEach(() => database.gone());

async function two() {
  return [await database.client(), await database.client()] as const;
}

const close = (name: string): Sent => ({ type: "Close", kind: "S", name });

/** Bind, Execute and Sync of a statement: its only value, or the error. */
async function use(
  client: SharedClient,
  statement: string,
  ...parameters: string[]
): Promise<string | undefined> {
  const lines = await client.ask(bind(parameters, { statement }), execute(), sync);
  const line = lines.find((line) => line.startsWith("DataRow") || line.startsWith("ErrorResponse"));
  return line?.startsWith("DataRow") ? line.slice("DataRow ".length) : line && errorCode(line);
}

async function prepare(client: SharedClient, sql: string, name: string, types: number[] = []): Promise<void> {
  expect(await client.ask(parse(sql, name, types), sync)).toEqual(["ParseComplete", "ReadyForQuery I"]);
}

describe("the same name, two clients", () => {
  for (const name of ["s", ""]) {
    test(`different texts: ${name === "" ? "unnamed" : "named"}`, async () => {
      const [a, b] = await two();
      await prepare(a, "select 'a' || $1", name);
      await prepare(b, "select 'b' || $1", name);
      for (let round = 0; round < 3; round++) {
        expect(await use(a, name, "1")).toBe("a1");
        expect(await use(b, name, "2")).toBe("b2");
      }
    });
  }

  test("equal texts: unnamed", async () => {
    const [a, b] = await two();
    await prepare(a, "select $1::text", "");
    await prepare(b, "select $1::text", "");
    for (let round = 0; round < 3; round++) {
      expect(await use(a, "", "1")).toBe("1");
      expect(await use(b, "", "2")).toBe("2");
    }
    // The gateway asks for the channels.
    expect((await a.ask(...run("listen c"), sync)).at(-1)).toBe("ReadyForQuery I");
    expect((await a.ask(bind(), execute(), sync)).slice(-2)).toEqual([
      "CommandComplete LISTEN",
      "ReadyForQuery I",
    ]);
  });

  test("equal texts: closing one leaves the other", async () => {
    const [a, b] = await two();
    await prepare(a, "select 'x'", "s");
    await prepare(b, "select 'x'", "s");
    expect(await a.ask(close("s"), sync)).toEqual(["CloseComplete", "ReadyForQuery I"]);
    expect(await use(b, "s")).toBe("x");
    expect(await use(a, "s")).toBe("ERROR 26000");
    expect(await use(b, "s")).toBe("x");
  });

  test("equal texts of different parameter types", async () => {
    const [a, b] = await two();
    await prepare(a, "select $1", "s", [23]);
    await prepare(b, "select $1", "s", [25]);
    expect(await use(a, "s", "x")).toBe("ERROR 22P02");
    expect(await use(b, "s", "x")).toBe("x");
    expect(await use(a, "s", "7")).toBe("7");
  });

  test("another client's statement is none of one's own", async () => {
    const [a, b] = await two();
    await prepare(a, "select 1", "s");
    expect(await use(b, "s")).toBe("ERROR 26000");
    expect(await b.ask(describeStatement("s"), sync)).toEqual([
      'ErrorResponse ERROR 26000 prepared statement "s" does not exist',
      "ReadyForQuery I",
    ]);
    // Closing what is not there is no error, and closes nothing of another's.
    expect(await b.ask(close("s"), sync)).toEqual(["CloseComplete", "ReadyForQuery I"]);
    expect(await use(a, "s")).toBe("1");
  });

  test("one's own that exists is 42P05, whatever others have", async () => {
    const [a, b] = await two();
    await prepare(b, "select 'b'", "s");
    await prepare(a, "select 'a'", "s");
    await b.run("select 1");
    expect(await a.ask(parse("select 'c'", "s"), sync)).toEqual([
      'ErrorResponse ERROR 42P05 prepared statement "s" already exists',
      "ReadyForQuery I",
    ]);
    expect(await use(a, "s")).toBe("a");
    expect(await use(b, "s")).toBe("b");
  });
});

describe("the unnamed statement", () => {
  test("is gone after a simple query", async () => {
    const [a, b] = await two();
    await prepare(a, "select 'a'", "");
    await b.run("select 1");
    await a.run("select 1");
    expect(await use(a, "")).toBe("ERROR 26000");
  });

  test("is not taken by another client's simple query", async () => {
    const [a, b] = await two();
    await prepare(a, "select 'a'", "");
    await b.run("select 1");
    expect(await use(a, "")).toBe("a");
  });
});

describe("a statement that fails", () => {
  test("to parse does not come into being, and keeps the name free", async () => {
    const [a, b] = await two();
    await prepare(b, "select 'b'", "s");
    expect(await a.ask(parse("selec", "s"), sync)).toContain(
      'ErrorResponse ERROR 42601 syntax error at or near "selec"',
    );
    expect(await use(a, "s")).toBe("ERROR 26000");
    expect(await use(b, "s")).toBe("b");
    await prepare(a, "select 'a'", "s");
    expect(await use(a, "s")).toBe("a");
    expect(await use(b, "s")).toBe("b");
  });

  test("behind others in one pipeline: those before it are there, those behind are not", async () => {
    const [a, b] = await two();
    for (const name of ["s1", "s2", "s3"]) await prepare(b, `select 'b${name}'`, name);
    const lines = await a.ask(
      parse("select 'as1'", "s1"),
      parse("selec", "s2"),
      parse("select 'as3'", "s3"),
      bind([], { statement: "s1" }),
      sync,
    );
    expect(lines.map((line) => line.split(" ")[0])).toEqual([
      "ParseComplete",
      "ErrorResponse",
      "ReadyForQuery",
    ]);
    expect(await use(a, "s1")).toBe("as1");
    expect(await use(a, "s2")).toBe("ERROR 26000");
    expect(await use(a, "s3")).toBe("ERROR 26000");
    for (const name of ["s1", "s2", "s3"]) expect(await use(b, name)).toBe(`b${name}`);
  });

  test("in the middle of a pipeline that brings statements back", async () => {
    const [a, b] = await two();
    await prepare(a, "select 'a1'", "s1");
    await prepare(a, "select 'a2'", "s2");
    await prepare(b, "select 'b1'", "s1");
    await prepare(b, "select 'b2'", "s2");
    // Bind of s1 brings it back; the error drops what would have brought s2 back.
    const lines = await a.ask(
      bind([], { statement: "s1" }),
      execute(),
      bind([], { statement: "nosuch" }),
      bind([], { statement: "s2" }),
      execute(),
      sync,
    );
    expect(lines).toEqual([
      "BindComplete",
      "DataRow a1",
      "CommandComplete SELECT 1",
      'ErrorResponse ERROR 26000 prepared statement "nosuch" does not exist',
      "ReadyForQuery I",
    ]);
    expect(await use(a, "s2")).toBe("a2");
    expect(await use(b, "s1")).toBe("b1");
    expect(await use(b, "s2")).toBe("b2");
    expect(await use(a, "s1")).toBe("a1");
  });
});

describe("pipelines", () => {
  test("that prepare, use, close and prepare again under one name", async () => {
    const [a, b] = await two();
    await prepare(b, "select 'b'", "s");
    const lines = await a.ask(
      parse("select 'a1'", "s"),
      bind([], { statement: "s" }),
      execute(),
      close("s"),
      parse("select 'a2'", "s"),
      bind([], { statement: "s" }),
      execute(),
      sync,
    );
    expect(lines).toEqual([
      "ParseComplete",
      "BindComplete",
      "DataRow a1",
      "CommandComplete SELECT 1",
      "CloseComplete",
      "ParseComplete",
      "BindComplete",
      "DataRow a2",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
    ]);
    expect(await use(b, "s")).toBe("b");
    expect(await use(a, "s")).toBe("a2");
  });

  test("of several Syncs in one chunk, with an error in the middle one", async () => {
    const [a, b] = await two();
    await prepare(b, "select 'b'", "s");
    const lines = await a.ask(
      parse("select 'a'", "s"),
      sync,
      parse("select 1 / (n - n) from generate_series(1, 1) n", "t"),
      bind([], { statement: "t" }),
      execute(),
      sync,
      bind([], { statement: "s" }),
      execute(),
      sync,
    );
    expect(lines).toEqual([
      "ParseComplete",
      "ReadyForQuery I",
      "ParseComplete",
      "BindComplete",
      "ErrorResponse ERROR 22012 division by zero",
      "ReadyForQuery I",
      "BindComplete",
      "DataRow a",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
    ]);
    expect(await use(b, "s")).toBe("b");
  });

  test("with Flush: each part is answered before the next is sent", async () => {
    const [a, b] = await two();
    await prepare(b, "select 'b'", "s");
    void a.send(parse("select 'a' || $1", "s"), describeStatement("s"), flush);
    await a.until("RowDescription");
    expect(a.take()).toEqual(["ParseComplete", "ParameterDescription 25", "RowDescription ?column?"]);
    // In the meantime the other client uses its own of that name.
    const other = use(b, "s");
    expect(await a.ask(bind(["1"], { statement: "s" }), execute(), sync)).toContain("DataRow a1");
    expect(await other).toBe("b");
  });

  test("of two clients at once", async () => {
    const [a, b] = await two();
    const both = [a, b].map((client, at) =>
      client.ask(
        ...Array.from({ length: 20 }, (_, n) => run(`select '${at}-' || $1`, String(n))).flat(),
        sync,
      ),
    );
    for (const [at, lines] of (await Promise.all(both)).entries()) {
      expect(lines.filter((line) => line.startsWith("DataRow"))).toEqual(
        Array.from({ length: 20 }, (_, n) => `DataRow ${at}-${n}`),
      );
    }
  });
});

describe("DEALLOCATE and DISCARD ALL", () => {
  for (const sql of ["deallocate all", "discard all", "deallocate s", 'deallocate prepare "s"']) {
    test(`${sql}: of one client, not of the other`, async () => {
      const [a, b] = await two();
      await prepare(a, "select 'a'", "s");
      await prepare(b, "select 'b'", "s");
      await prepare(b, "select 'other'", "other");
      await a.run(sql);
      expect(await use(a, "s")).toBe("ERROR 26000");
      expect(await use(b, "s")).toBe("b");
      expect(await use(b, "other")).toBe("other");
      await prepare(a, "select 'again'", "s");
      expect(await use(a, "s")).toBe("again");
      expect(await use(b, "s")).toBe("b");
    });

    test(`${sql}, by the extended protocol`, async () => {
      const [a, b] = await two();
      await prepare(a, "select 'a'", "s");
      await prepare(b, "select 'b'", "s");
      expect((await a.ask(...run(sql), sync)).at(-1)).toBe("ReadyForQuery I");
      expect(await use(a, "s")).toBe("ERROR 26000");
      expect(await use(b, "s")).toBe("b");
    });
  }

  test("of another client's statement is an error", async () => {
    const [a, b] = await two();
    await prepare(a, "select 'a'", "s");
    expect(await b.value("deallocate s")).toBe("ERROR 26000");
    expect(await use(a, "s")).toBe("a");
  });

  test("by a DO block", async () => {
    const [a, b] = await two();
    await prepare(a, "select 'a'", "s");
    await prepare(b, "select 'b'", "s");
    await a.run("do $$ begin execute 'deallocate all'; end $$");
    expect(await use(b, "s")).toBe("b");
  });
});

test("pg_prepared_statements shows one's own", async () => {
  const [a, b] = await two();
  await prepare(a, "select 'a'", "sa");
  await prepare(b, "select 'b'", "sb");
  await b.run("prepare pb as select 1");
  const names = "select string_agg(name, ',' order by name) from pg_prepared_statements";
  expect(await a.value(names)).toBe("sa");
  expect(await b.value(names)).toBe("pb,sb");
  expect(await a.value(names)).toBe("sa");
});

test("EXECUTE runs a statement of the protocol, as in PostgreSQL", async () => {
  const [a, b] = await two();
  await prepare(a, "select 'a'", "s");
  await prepare(b, "select 'b'", "s");
  expect(await a.value("execute s")).toBe("a");
  expect(await b.value("execute s")).toBe("b");
});

test("statements prepared in a transaction outlive its rollback", async () => {
  const [a, b] = await two();
  await a.run("begin");
  expect(await a.ask(parse("select 'a'", "s"), sync)).toEqual(["ParseComplete", "ReadyForQuery T"]);
  await a.run("rollback");
  await prepare(b, "select 'b'", "s");
  expect(await use(a, "s")).toBe("a");
});

test("a table that changes underneath: the error of the client that it concerns", async () => {
  const [a, b] = await two();
  await b.run("create table changing (n int)");
  await prepare(a, "select n from changing", "s");
  await b.run("alter table changing alter n type text");
  expect(await use(a, "s")).toBe("ERROR 0A000");
  await b.run("drop table changing");
  expect(await use(a, "s")).toBe("ERROR 42P01");
  expect(await use(a, "s")).toBe("ERROR 42P01");
  expect(await b.value("select 1")).toBe("1");
});

describe("a statement whose table is gone when it has to be brought back", () => {
  test("fails its client's pipeline, with one error", async () => {
    const [a, b] = await two();
    await b.run("create table brief (n int)");
    await prepare(a, "select n from brief", "s");
    await prepare(b, "select 'b'", "s");
    await b.run("drop table brief");
    expect(await a.ask(bind([], { statement: "s" }), execute(), sync)).toEqual([
      'ErrorResponse ERROR 42P01 relation "brief" does not exist',
      "ReadyForQuery I",
    ]);
    expect(await a.ask(...run("select 1"), sync)).toContain("DataRow 1");
    expect(await use(b, "s")).toBe("b");
    await b.run("create table brief (n int); insert into brief values (5)");
    expect(await use(a, "s")).toBe("5");
    await b.run("drop table brief");
  });

  test("before a simple query that may name it: the query itself is run", async () => {
    const [a, b] = await two();
    await b.run("create table brief (n int)");
    await prepare(a, "select n from brief", "s");
    await prepare(b, "select 'b'", "s");
    await b.run("drop table brief");
    expect(await a.value("select 'still here' from (select 1) x where 'execute' = 'execute'")).toBe(
      "still here",
    );
  });
});

describe("too many", () => {
  test("are refused, and hurt nobody else", async () => {
    const [a, b] = await two();
    for (let at = 0; at < 20; at++) await prepare(a, `select ${at}`, `s${at}`);
    void a.send(parse("select 20", "s20"), sync);
    await a.untilClosed();
    expect(a.take().at(-1)).toMatch(/^ErrorResponse FATAL 53400 too many prepared statements/);
    expect(await b.value("select 1")).toBe("1");
  });

  test("also while another client has its turn", async () => {
    const [a, b] = await two();
    await b.run("begin");
    void a.send(...Array.from({ length: 21 }, (_, at) => parse(`select ${at}`, `s${at}`)), sync);
    await a.untilClosed();
    expect(a.take().at(-1)).toMatch(/^ErrorResponse FATAL 53400 too many prepared statements/);
    await b.run("rollback");
  });

  test("in one chunk, behind queries: nothing behind it is run, and the database goes on", async () => {
    const [a, b] = await two();
    await b.run("create table untouched (n int)");
    void a.send(
      query("select 'first'"),
      query("select 'second'"),
      ...Array.from({ length: 30 }, (_, at) => parse(`select ${at}`, `s${at}`)),
      sync,
      query("insert into untouched values (1)"),
    );
    await a.untilClosed();
    expect(a.take().at(-1)).toMatch(/^ErrorResponse FATAL 53400 too many prepared statements/);
    expect(await b.value("select count(*) from untouched")).toBe("0");
  });
});

describe("an error that keeps the gateway's own messages from running", () => {
  test("in the first of two pipelines of one chunk", async () => {
    const [a, b] = await two();
    await prepare(b, "select 'b'", "s");
    const lines = await a.ask(
      parse("selec", "wrong"),
      parse("select 'a'", "s"),
      sync,
      bind([], { statement: "s" }),
      execute(),
      sync,
    );
    expect(lines.filter((line) => line.startsWith("DataRow"))).toEqual([]);
    expect(lines.filter((line) => line.startsWith("ErrorResponse"))).toEqual([
      'ErrorResponse ERROR 42601 syntax error at or near "selec"',
      'ErrorResponse ERROR 26000 prepared statement "s" does not exist',
    ]);
    expect(await use(b, "s")).toBe("b");
  });

  test("of statements that it was to bring back", async () => {
    const [a, b] = await two();
    for (const name of ["s", "t"]) {
      await prepare(a, `select 'a${name}'`, name);
      await prepare(b, `select 'b${name}'`, name);
    }
    const lines = await a.ask(
      bind([], { statement: "nosuch" }),
      bind([], { statement: "s" }),
      execute(),
      sync,
      bind([], { statement: "s" }),
      execute(),
      bind([], { statement: "t" }),
      execute(),
      sync,
      query("execute t"),
    );
    expect(lines.filter((line) => line.startsWith("DataRow"))).toEqual([
      "DataRow as",
      "DataRow at",
      "DataRow at",
    ]);
    expect(await use(b, "s")).toBe("bs");
    expect(await use(b, "t")).toBe("bt");
  });

  test("and of one that cannot be brought back, before SQL that names another", async () => {
    const [a, b] = await two();
    await b.run("create table brief (n int)");
    await prepare(a, "select n from brief", "r");
    await prepare(a, "select 'a'", "s");
    await prepare(b, "select 'b'", "r");
    await prepare(b, "select 'b'", "s");
    await b.run("drop table brief");
    expect(await a.value("execute s")).toBe("a");
    expect(await b.value("execute s")).toBe("b");
    expect(await a.value("execute r")).toBe("ERROR 26000");
    expect(await b.value("execute r")).toBe("b");
  });
});
