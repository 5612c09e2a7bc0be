// Transactions, settings, descriptions, large results and what is refused, through the gateway and the double.
import { connect } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import Cursor from "pg-cursor";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RawClient } from "../raw-client.ts";
import { type Gateway, startGateway } from "./gateway.ts";

let gateway: Gateway;
let client: pg.Client;
beforeAll(async () => {
  gateway = await startGateway();
  const first = await gateway.client();
  await first.query("create table books (id int primary key, title text)");
  await first.query("create type mood as enum ('sad', 'glad')");
  await first.query("create domain whole as int");
  await first.query("create domain positive as whole check (value > 0)");
  await first.end();
});
afterAll(() => gateway?.close());
beforeEach(async () => {
  client = await gateway.client();
  await client.query("truncate books");
  gateway.double.forget();
});
afterEach(async () => {
  gateway.double.endsOnRefusal = false;
  await client.end();
  await expect.poll(() => gateway.double.open).toBe(false);
});

const rows = async (text: string, values: unknown[] = []): Promise<unknown[][]> =>
  (await client.query({ text, values, rowMode: "array" })).rows;
const code = (text: string, values?: unknown[]): Promise<string> =>
  client.query(text, values).then(
    () => "",
    (error) => error.code,
  );
const hint = (text: string): Promise<string> =>
  client.query(text).then(
    () => "",
    (error) => `${error.code} ${error.hint}`,
  );

describe("transactions", () => {
  test("commit and roll back", async () => {
    await client.query("begin");
    await client.query("insert into books values ($1::int, 'a')", [1]);
    await client.query("commit");
    await client.query("begin");
    await client.query("insert into books values (2, 'b')");
    await client.query("rollback");
    expect(await rows("select * from books")).toEqual([[1, "a"]]);
    expect(gateway.double.asked.filter((asked) => /Transaction$/.test(asked))).toEqual([
      "BeginTransaction",
      "CommitTransaction",
      "BeginTransaction",
      "RollbackTransaction",
    ]);
  });

  test("fail until they end, or go back to a savepoint", async () => {
    await client.query("begin");
    await client.query("insert into books values (1, 'a')");
    await client.query('savepoint "A b"');
    expect(await code("insert into books values (1, 'a')")).toBe("23505");
    expect(await code("select 1")).toBe("25P02");
    await client.query('rollback to "A b"');
    await client.query("insert into books values (2, 'b')");
    await client.query('release "A b"');
    await client.query("commit");
    expect(await rows("select id from books order by id")).toEqual([[1], [2]]);
  });

  test("have modes", async () => {
    await client.query("begin isolation level serializable, read only");
    expect(await rows("select current_setting('transaction_isolation')")).toEqual([["serializable"]]);
    expect(await code("insert into books values (1, 'a')")).toBe("25006");
    await client.query("rollback");
    await client.query("set default_transaction_read_only = on");
    expect(await code("insert into books values (1, 'a')")).toBe("25006");
  });

  test("have the modes of SET TRANSACTION, before their first query, whatever the client has set", async () => {
    await client.query("set search_path = public, pg_catalog");
    await client.query("begin");
    await client.query("set transaction isolation level serializable, read only");
    expect(await rows("select current_setting('transaction_isolation')")).toEqual([["serializable"]]);
    expect(await rows("show transaction_read_only")).toEqual([["on"]]);
    expect(await code("set transaction isolation level read committed")).toBe("25001");
    await client.query("rollback");
    expect(await rows("show transaction_isolation")).toEqual([["read committed"]]);
    await client.query("set transaction read only");
    expect(await code("insert into books values (1, 'a')")).toBe("");
  });

  test("are around a Query of several statements", async () => {
    expect(await code("insert into books values (1, 'a'); insert into books values (1, 'a')")).toBe("23505");
    expect(await rows("select * from books")).toEqual([]);
    await client.query("insert into books values (1, 'a'); insert into books values (2, 'b')");
    expect(await rows("select count(*)::int from books")).toEqual([[2]]);
  });

  test("end when nothing comes for three minutes", async () => {
    await client.query("begin");
    await client.query("insert into books values (1, 'a')");
    gateway.double.skip(181_000);
    expect(await code("select 1")).toBe("25P03");
    await client.query("rollback");
    await client.query("begin");
    await client.query("insert into books values (1, 'a')");
    gateway.double.skip(181_000);
    expect(await code("commit")).toBe("25P03");
    expect(await rows("select * from books")).toEqual([]);
  });

  test("are rolled back when the client goes", async () => {
    const other = await gateway.client();
    await other.query("begin");
    await other.query("insert into books values (1, 'a')");
    await other.end();
    await expect.poll(() => gateway.double.open).toBe(false);
    expect(await rows("select * from books")).toEqual([]);
  });
});

describe("settings", () => {
  test("hold for each statement, though the API forgets them", async () => {
    await client.query("set time zone 'Asia/Tokyo'");
    await client.query("set datestyle = 'ISO, DMY'");
    const texts = async (text: string): Promise<unknown> =>
      (await client.query({ text, rowMode: "array", types: { getTypeParser: () => String } as never }))
        .rows[0];
    expect(await texts("select '2024-01-02 00:00+00'::timestamptz, '01/02/2024'::date, true")).toEqual([
      "2024-01-02 09:00:00+09",
      "2024-02-01",
      "t",
    ]);
    await client.query("reset all");
    gateway.double.forget();
    expect(await texts("select '2024-01-02 00:00+00'::timestamptz")).toEqual(["2024-01-02 00:00:00+00"]);
    expect(gateway.double.asked).toHaveLength(1);
  });

  test("of set_config() are kept, if the server takes them, and fall back with their transaction", async () => {
    const set =
      "select 'é', pg_catalog.set_config('timezone', $1, false) as a, set_config('jit', 'off', False), 2 as n";
    expect(await rows(set, ["Asia/Tokyo"])).toEqual([["é", "Asia/Tokyo", "off", 2]]);
    expect(await rows("select current_setting('timezone'), current_setting('jit')")).toEqual([
      ["Asia/Tokyo", "off"],
    ]);
    expect(await rows("show timezone")).toEqual([["Asia/Tokyo"]]);
    await client.query("select set_config('application_name', 'mine', false)");
    expect(await rows("show application_name")).toEqual([["mine"]]);
    expect(await code("select set_config('timezone', 'No/Where', false)")).toBe("22023");
    await client.query("begin");
    await client.query("select set_config('app.who', 'me', false)");
    expect(await rows("select current_setting('app.who')")).toEqual([["me"]]);
    await client.query("rollback");
    expect(await rows("select coalesce(current_setting('app.who', true), '')")).toEqual([[""]]);
    await client.query("reset all");
    expect(await rows("show timezone")).toEqual([["UTC"]]);
  });

  test("of the search path, and custom ones", async () => {
    await client.query("create schema if not exists other");
    await client.query("create table if not exists other.books (n int)");
    await client.query("insert into other.books values (7)");
    await client.query("set search_path = other");
    await client.query("set app.who = 'me'");
    expect(await rows("select n, current_setting('app.who') from books where n = $1", [7])).toEqual([
      [7, "me"],
    ]);
    await client.query("reset search_path");
    expect(await rows("select * from books")).toEqual([]);
  });

  test("are undone with the transaction, and with what follows a savepoint", async () => {
    const zone = async (): Promise<unknown> => (await rows("select current_setting('timezone')"))[0]?.[0];
    await client.query("begin");
    await client.query("set time zone 'Asia/Tokyo'");
    expect(await zone()).toBe("Asia/Tokyo");
    await client.query("savepoint a");
    await client.query("set time zone 'Europe/Paris'");
    expect(await zone()).toBe("Europe/Paris");
    await client.query("rollback to a");
    expect(await zone()).toBe("Asia/Tokyo");
    await client.query("rollback");
    expect((await client.query("show timezone")).rows).toEqual([{ TimeZone: "UTC" }]);
    expect(await code("set nonsense = 1")).toBe("42704");
  });
});

describe("descriptions", () => {
  test("run nothing, and know what is in a database of its own", async () => {
    const sql = gateway.postgres();
    try {
      const described =
        await sql`insert into books (id, title) values (${1}, ${"a"}) returning id, title as "The Title", 'sad'::mood as mood, '1 day'::interval`.describe();
      expect(described.columns.map(({ name, type }) => [name, type < 16384 ? type : "own"])).toEqual([
        ["id", 23],
        ["The Title", 25],
        ["mood", "own"],
        ["interval", 1186],
      ]);
      expect(described.types).toEqual([23, 25]);
      expect(await sql`select * from books`).toEqual([]);
      const select = await sql`select a.*, b.id, ${"x"}::mood from books a, books b`.describe();
      expect(select.columns.map(({ name }) => name)).toEqual(["id", "title", "id", "mood"]);
      const domain = await sql`select 1::positive as p`.describe();
      expect(domain.columns.map(({ type }) => type)).toEqual([23]);
      expect((await sql`select from books`.describe()).columns).toEqual([]);
      const bad = await sql`select missing from books`.describe().catch((error) => error);
      expect([bad.code, bad.position]).toEqual(["42703", "8"]);
    } finally {
      await sql.end();
    }
  });

  test("a change of data with types that the API cannot give is done once", async () => {
    expect(
      await rows(
        "insert into books values (1, 'a') returning id, '1 day'::interval::text, array[[1]], 'glad'::mood, point(1, 2)::text",
      ),
    ).toEqual([[1, "1 day", [[1]], "glad", "(1,2)"]]);
    expect(await rows("select count(*)::int from books")).toEqual([[1]]);
    const {
      rows: updated,
      command,
      rowCount,
    } = await client.query("update books set title = 'b' returning '1 day'::interval as i, 1 as i");
    expect([updated.length, command, rowCount]).toEqual([1, "UPDATE", 1]);
  });

  test("of a change of data in WITH", async () => {
    const sql = gateway.postgres();
    try {
      const text =
        "with gone as (delete from books where id = $1 returning id, '1 day'::interval as i) select * from gone";
      await sql`insert into books values (1, 'a')`;
      expect(await sql.unsafe(text, [1])).toEqual([{ id: 1, i: "1 day" }]);
      expect(await sql.unsafe(text, [1])).toEqual([]);
    } finally {
      await sql.end();
    }
  });

  test("follow a changed table", async () => {
    await client.query("create table changing (a int)");
    expect(await rows("select * from changing where a = $1", [1])).toEqual([]);
    await client.query("begin");
    await client.query("alter table changing alter a type text");
    expect(await rows("select * from changing where a = $1", ["x"])).toEqual([]);
    await client.query("rollback");
    await client.query("insert into changing values (1)");
    expect(await rows("select * from changing where a = $1", [1])).toEqual([[1]]);
    // Behind the gateway's back: the error makes it ask again, and so does a minute.
    await rows("select array[a] from changing where a = $1", [1]);
    await gateway.double.db.exec("alter table changing alter a type text");
    expect(await code("select array[a] from changing where a = $1", ["x"])).not.toBe("");
    expect(await rows("select array[a] from changing where a = $1", ["1"])).toEqual([[["1"]]]);
    await client.query("drop table changing");
  });
});

describe("what the API refuses to give", () => {
  test("is read by a cursor when it is large", async () => {
    const text = "select n, repeat('x', 900) as x from generate_series(1, 4000) as n";
    const found = await rows(text);
    expect([found.length, found[0]?.[0], found[3999]?.[0]]).toEqual([4000, 1, 4000]);
    expect(gateway.double.asked.length).toBeLessThan(25);
  });

  test("is read by a cursor when its rows grow", async () => {
    const text =
      "select repeat('x', case when n < 3000 then 10 else 30000 end) as x from generate_series(1, 3100) as n";
    const found = await rows(text);
    expect([found.length, String(found[3099]).length]).toEqual([3100, 30000]);
  });

  test("is read by a cursor in a transaction, and some rows at a time", async () => {
    await client.query("begin");
    const cursor = client.query(
      new Cursor("select n, repeat('x', 900) as x from generate_series(1, $1::int) as n", [4000]),
    );
    expect(await cursor.read(10)).toHaveLength(10);
    expect(await cursor.read(500)).toHaveLength(500);
    await cursor.close();
    expect(await rows("select 1")).toEqual([[1]]);
    await client.query("commit");
  });

  test("is refused where the API has ended the transaction for it", async () => {
    gateway.double.endsOnRefusal = true;
    await client.query("begin");
    expect(await code("select '1 day'::interval")).toBe("0A000");
    await client.query("rollback");
    await client.query("begin");
    expect(await code("select repeat('x', 60000) from generate_series(1, 100)")).toMatch(/^25P|^54000/);
    await client.query("rollback");
    gateway.double.endsOnRefusal = false;
    await client.query("begin");
    expect(await rows("select '1 day'::interval::text, array[1]")).toEqual([["1 day", [1]]]);
    await client.query("commit");
  });

  test("is not asked for twice where that would do something twice", async () => {
    await client.query("create sequence if not exists numbers");
    const [[first]] = (await rows("select nextval('numbers')::int, '1 day'::interval::text, array[1]")) as [
      [number],
    ];
    expect(await rows("select nextval('numbers')::int, interval '1 day' is null")).toEqual([
      [first + 1, false],
    ]);
    expect(
      await code(
        "insert into books select n, repeat('x', 60000) from generate_series(1, 40) as n returning title",
      ),
    ).toBe("54000");
  });
});

describe("cancelling", () => {
  test("answers at once, and the transaction can be ended", async () => {
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    await client.query("begin");
    await client.query("savepoint a");
    const running = code("select pg_sleep(1)");
    await expect.poll(() => gateway.double.asked.at(-1)).toContain("pg_sleep");
    const request = Buffer.alloc(16);
    for (const [at, value] of [16, 80877102, processID, secretKey].entries())
      request.writeInt32BE(value, at * 4);
    connect(gateway.port, "127.0.0.1").end(request);
    expect(await running).toBe("57014");
    await client.query("rollback to a");
    expect(await rows("select 2")).toEqual([[2]]);
    await client.query("rollback");
    expect(await rows("select 1")).toEqual([[1]]);
  });
});

test("a cursor can be described, as a portal can", async () => {
  const raw = await RawClient.connect(gateway.port);
  await raw.query("begin");
  await raw.query("declare c cursor for select id, title as t from books for update");
  raw.send({ type: "Describe", kind: "P", name: "c" }, { type: "Sync" });
  const answer = await raw.until("ReadyForQuery");
  const [told] = answer;
  expect(told?.type === "RowDescription" && told.fields.map(({ name, typeOid }) => [name, typeOid])).toEqual([
    ["id", 23],
    ["t", 25],
  ]);
  raw.send({ type: "Describe", kind: "P", name: "nosuch" }, { type: "Sync" });
  expect((await raw.until("ReadyForQuery"))[0]).toMatchObject({ fields: { code: "34000" } });
  await raw.close();
});

describe("COPY", () => {
  const copyIn = async (text: string, data: string): Promise<void> =>
    pipeline(Readable.from([data]), client.query(copyFrom(text)));
  const copyOut = async (text: string): Promise<string> =>
    Buffer.concat(await client.query(copyTo(text)).toArray()).toString();

  test("both ways, in a transaction of its own or in the client's", async () => {
    await copyIn("copy books from stdin", "1\ta\\tb\n2\t\\N\n");
    await client.query("begin");
    await copyIn("copy books (title, id) from stdin (format csv, header)", 'title,id\n"x,y",3\n');
    const csv = await copyOut("copy (select * from books order by id) to stdout (format csv, header)");
    expect(csv).toBe('id,title\n1,a\tb\n2,\n3,"x,y"\n');
    await client.query("rollback");
    expect(await copyOut("copy books to stdout")).toBe("1\ta\\tb\n2\t\\N\n");
  });

  test("of wrong data names the line, and leaves nothing", async () => {
    const error = await copyIn("copy books from stdin", "1\ta\n2\tb\n2\tc\n").catch((cause) => cause);
    expect([error.code, error.where]).toEqual(["23505", "COPY books, line 3"]);
    const type = await copyIn("copy books from stdin", "1\ta\nx\tb\n").catch((cause) => cause);
    expect([type.code, type.where]).toEqual(["22P02", 'COPY books, line 2, column id: "x"']);
    expect(await rows("select * from books")).toEqual([]);
  });
});

describe("refusals", () => {
  test.each([
    ["create temp table t (a int)", /^0A000 .*ON COMMIT DROP/],
    ["listen a", /^0A000/],
    ["prepare p as select 1", /^0A000/],
    ["execute p", /^0A000/],
    ["declare c cursor with hold for select 1", /^0A000/],
    ["declare c cursor for select 1", /^25P01/],
    ["fetch c", /^34000/],
    ["select pg_advisory_lock(1)", /^0A000 .*xact/],
    ["select lastval()", /^0A000/],
    ["select set_config('search_path', 'x', false) from books", /^0A000 .*SET/],
    ["select set_config('no_such_setting', 'x', false)", /^0A000 .*SET/],
    ["select lower(set_config('search_path', 'x', false))", /^0A000 .*SET/],
    ["set role books", /^0A000/],
    ["begin; set transaction snapshot '1-2'", /^0A000/],
    ["prepare transaction 'x'", /^(0A000|25P01)/],
    ["load 'x'", /^(0A000|58P01|42501)/],
  ])("%s", async (text, expected) => {
    expect(await hint(text)).toMatch(expected);
  });

  test("do not hold in a transaction for what ends with it", async () => {
    await client.query("begin");
    await client.query("create temp table t (a int) on commit drop");
    await client.query("insert into t values (1)");
    expect(await rows("select a from pg_temp.t")).toEqual([[1]]);
    await client.query("declare c cursor for select generate_series(1, 3)");
    expect(await rows("fetch 2 from c")).toEqual([[1], [2]]);
    await client.query("close c");
    expect(await rows("select pg_advisory_xact_lock(1)::text")).toEqual([[""]]);
    // A pool's reset of a connection.
    await client.query("select pg_advisory_unlock_all(); close all; reset all");
    await client.query("create sequence if not exists numbers");
    const numbers = await rows("select nextval('numbers')");
    expect(await rows("select currval('numbers')")).toEqual(numbers);
    await client.query("commit");
  });
});
