// What each kind of statement does to a session over Neon: the cells of the table in docs/upstreams.md.
import { text } from "node:stream/consumers";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type NeonDouble, type Served, serve, startDouble } from "./double.ts";

let double: NeonDouble;
let served: Served;
let client: pg.Client;
beforeAll(async () => {
  double = await startDouble();
  served = await serve(double.upstream());
});
afterAll(async () => {
  await served?.close();
  await double?.close();
});
beforeEach(async () => {
  client = await joined();
  double.forget();
});
afterEach(async () => {
  await client.end();
  await free();
});

async function joined(options: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port: served.port,
    user: "someone",
    database: "main",
    ...options,
  });
  await client.connect();
  return client;
}

/** The tunnel's connections that clients have. */
const taken = (): number | undefined => served.upstream.connections?.taken;
const free = () => expect.poll(taken).toBe(0);
/** Outlasts the question whether anything is held. */
async function held(): Promise<void> {
  await client.query("select 1");
  expect(taken()).toBe(1);
  expect(double.asked).toEqual([]);
}

const rows = async (sql: string, values?: unknown[]): Promise<unknown[][]> =>
  (await client.query({ text: sql, values: values ?? [], rowMode: "array" })).rows;

describe("autocommit", () => {
  test("is one request for each statement, and no tunnel", async () => {
    await client.query("create table if not exists things (id serial, name text)");
    await client.query("insert into things (name) values ($1)", ["a"]);
    expect((await client.query("update things set name = 'b' returning name")).rows).toEqual([{ name: "b" }]);
    await client.query("explain select * from things");
    await client.query("show server_version");
    await client.query("vacuum things");
    await client.query("notify nobody");
    await client.query("drop table things");
    expect(double.asked.map(({ statements }) => statements.length)).toEqual(Array(8).fill(1));
    expect([double.opened, taken()]).toEqual([0, 0]);
  });

  test("tags are PostgreSQL's, though HTTP gives their first word only", async () => {
    const tags: string[] = [];
    (client as unknown as { connection: NodeJS.EventEmitter }).connection.on("commandComplete", ({ text }) =>
      tags.push(text),
    );
    await client.query("create table tagged (n int)");
    await client.query("insert into tagged select generate_series(1, 3)");
    await client.query("with gone as (delete from tagged returning n) select * from gone");
    await client.query("create index on tagged (n)");
    await client.query("create table tagged_too as select 1 as n");
    await client.query("drop table tagged, tagged_too");
    expect(tags).toEqual([
      "CREATE TABLE",
      "INSERT 0 3",
      "SELECT 3",
      "CREATE INDEX",
      "SELECT 1",
      "DROP TABLE",
    ]);
  });
});

describe("BEGIN … COMMIT", () => {
  test("is a session of the server's from BEGIN to the end, and then nobody's", async () => {
    await client.query("begin isolation level serializable");
    expect(await rows("show transaction_isolation")).toEqual([["serializable"]]);
    await client.query("create table kept (n int)");
    await client.query("savepoint one");
    await expect(client.query("select 1/0")).rejects.toMatchObject({ code: "22012" });
    await expect(client.query("select 1")).rejects.toMatchObject({ code: "25P02" });
    await client.query("rollback to one");
    await client.query("insert into kept values (1)");
    expect(taken()).toBe(1);
    await client.query("commit");
    await free();
    expect(double.asked).toEqual([]);
    expect(await rows("select * from kept")).toEqual([["1"].map(Number)]);
    expect(double.asked.length).toBe(1);
    await client.query("drop table kept");
  });

  test("ends with a client that leaves", async () => {
    const other = await joined();
    await other.query("begin");
    await other.query("create table left_behind (n int)");
    await other.end();
    await free();
    expect(await rows("select to_regclass('left_behind')")).toEqual([[null]]);
  });

  test("several statements in one text are one transaction, in one request", async () => {
    await client.query("create table made (n int); insert into made values (1)");
    expect(await rows("select * from made")).toEqual([[1]]);
    expect([double.asked.map(({ statements }) => statements.length), taken()]).toEqual([[2, 1], 0]);
    await client.query("drop table made");
  });

  test("several statements in one text, one of which fails, are run one by one through the tunnel", async () => {
    await expect(client.query("create table undone (n int); select 1/0")).rejects.toMatchObject({
      code: "22012",
    });
    await free();
    expect(await rows("select to_regclass('undone')")).toEqual([[null]]);
  });
});

describe("SET", () => {
  test("goes before each statement, in the same request; no session is kept for it", async () => {
    await client.query("set timezone = 'Asia/Tokyo'");
    await free();
    expect(await rows("show timezone")).toEqual([["Asia/Tokyo"]]);
    expect(await rows("select current_setting('timezone')")).toEqual([["Asia/Tokyo"]]);
    expect(double.asked.map(({ statements }) => statements.length)).toEqual([2, 2]);
    await client.query("begin");
    expect(await rows("show timezone")).toEqual([["Asia/Tokyo"]]);
    await client.query("set intervalstyle = 'iso_8601'");
    await client.query("commit");
    await free();
    expect(await rows("select interval '1 day', current_setting('timezone')")).toEqual([
      [expect.anything(), "Asia/Tokyo"],
    ]);
    expect((await client.query("select (interval '1 day')::text as t")).rows).toEqual([{ t: "P1D" }]);
    await client.query("reset timezone");
    await client.query("reset intervalstyle");
    await free();
    double.forget();
    expect(await rows("show timezone")).toEqual([["UTC"]]);
    expect(double.asked.map(({ statements }) => statements.length)).toEqual([1]);
  });

  test("of what a transaction begins with goes through the tunnel", async () => {
    await client.query("set default_transaction_read_only = on");
    await free();
    double.forget();
    await expect(client.query("create table refused (n int)")).rejects.toMatchObject({ code: "25006" });
    await expect(client.query("delete from pg_description")).rejects.toMatchObject({ code: "25006" });
    await client.query("reset all");
    expect(double.asked).toEqual([]);
  });

  test("is told the client", async () => {
    const told: [string, string][] = [];
    (client as unknown as { connection: NodeJS.EventEmitter }).connection.on(
      "parameterStatus",
      ({ parameterName, parameterValue }) => told.push([parameterName, parameterValue]),
    );
    await client.query("set application_name = 'told'");
    await client.query("reset application_name");
    expect(told).toEqual([
      ["application_name", "told"],
      ["application_name", ""],
    ]);
  });

  test("in a transaction that is rolled back holds nothing", async () => {
    await client.query("begin");
    await client.query("set work_mem = '8MB'");
    await client.query("rollback");
    await free();
  });

  test("SET LOCAL and SET TRANSACTION hold nothing", async () => {
    await client.query("begin");
    await client.query("set transaction read only");
    await client.query("set local work_mem = '8MB'");
    await client.query("commit");
    await free();
  });

  test("of a custom setting, which the server does not list", async () => {
    await client.query("set my.tenant = '7'");
    await client.query("select set_config('my.other', '8', false)");
    await free();
    expect(await rows("select current_setting('my.tenant'), current_setting('my.other')")).toEqual([
      ["7", "8"],
    ]);
    await client.query("discard all");
    await free();
    expect(await rows("select current_setting('my.tenant', true)")).not.toEqual([["7"]]);
  });

  test("by a computed name is held until DISCARD ALL", async () => {
    await client.query("select set_config('my.' || 'tenant', '7', false)");
    await held();
    await client.query("reset work_mem");
    await held();
    await client.query("discard all");
    await free();
  });

  test("SET ROLE holds, RESET ROLE lets go", async () => {
    await client.query("create role acting");
    double.forget();
    await client.query("set role acting");
    await held();
    expect(await rows("select current_user")).toEqual([["acting"]]);
    await client.query("reset role");
    await free();
    await client.query("drop role acting");
  });

  test("of another encoding is refused", async () => {
    await expect(client.query("set client_encoding = 'LATIN1'")).rejects.toMatchObject({ code: "0A000" });
    expect(taken()).toBe(0);
  });
});

describe("the settings of a StartupMessage", () => {
  test("are set in front of statements, in the same request, and are the tunnel's too", async () => {
    const other = await joined({ options: "-c timezone=Asia/Tokyo -c search_path=pg_catalog" });
    double.forget();
    const show = async () =>
      (await other.query({ text: "select current_setting('timezone')", rowMode: "array" })).rows;
    expect(await show()).toEqual([["Asia/Tokyo"]]);
    expect(double.asked.map(({ statements }) => statements.length)).toEqual([2]);
    await other.query("begin");
    expect(await show()).toEqual([["Asia/Tokyo"]]);
    await other.query("rollback");
    // What cannot stand in a transaction goes through the tunnel.
    await other.query("vacuum");
    expect(double.asked.length).toBe(1);
    await other.end();
  });

  test("application_name is sent where it may be looked at", async () => {
    const other = await joined({ application_name: "known" });
    double.forget();
    await other.query("select 1");
    expect((await other.query("show application_name")).rows).toEqual([{ application_name: "known" }]);
    expect(double.asked.map(({ statements }) => statements.length)).toEqual([1, 2]);
    await other.end();
  });

  test("that are wrong end the session", async () => {
    await expect(joined({ options: "-c nosuch=1" })).rejects.toMatchObject({
      code: "42704",
      severity: "FATAL",
    });
    await expect(joined({ options: "-c timezone=Nosuch/Place" })).rejects.toMatchObject({ code: "22023" });
  });

  test("are asked for once for clients that are alike", async () => {
    await (await joined({ application_name: "alike" })).end();
    double.forget();
    await (await joined({ application_name: "alike" })).end();
    expect(double.asked).toEqual([]);
  });
});

describe("temporary tables", () => {
  test("keep the session until they are dropped", async () => {
    await client.query("create temporary table mine as select 1 as n");
    expect(await rows("select * from mine")).toEqual([[1]]);
    await held();
    await client.query("drop table mine");
    await free();
  });

  test("ON COMMIT DROP: until the transaction ends", async () => {
    await client.query("begin");
    await client.query("create temporary table mine (n int) on commit drop");
    await client.query("commit");
    await free();
  });
});

describe("PREPARE", () => {
  test("keeps the session; DEALLOCATE lets it go", async () => {
    await client.query("prepare twice as select $1::int * 2");
    await held();
    expect(await rows("execute twice(21)")).toEqual([[42]]);
    await client.query("deallocate twice");
    await free();
    await expect(client.query("execute twice(1)")).rejects.toMatchObject({ code: "26000" });
    await free();
  });

  test("of the protocol is the gateway's, and needs no session", async () => {
    for (const n of [1, 2, 3]) {
      const { rows } = await client.query({ name: "thrice", text: "select $1::int * 3 as n", values: [n] });
      expect(rows).toEqual([{ n: n * 3 }]);
    }
    expect(double.asked.length).toBe(3);
    expect(double.opened).toBe(0);
  });
});

describe("cursors", () => {
  test("live in their transaction, beside other statements", async () => {
    await client.query("begin");
    await client.query("declare c cursor for select generate_series(1, 100000) as n");
    expect((await rows("fetch 2 from c")).length).toBe(2);
    expect(await rows("select 'between'")).toEqual([["between"]]);
    expect((await rows("fetch forward 50000 from c")).at(-1)).toEqual([50_002]);
    await client.query("close c");
    await client.query("commit");
    await free();
  });

  test("WITH HOLD keep the session until they are closed", async () => {
    await client.query("begin");
    await client.query("declare c cursor with hold for select generate_series(1, 3) as n");
    await client.query("commit");
    await held();
    expect(await rows("fetch all from c")).toEqual([[1], [2], [3]]);
    await client.query("close c");
    await free();
  });
});

describe("LISTEN", () => {
  test("keeps the session; UNLISTEN lets it go", async () => {
    const got: unknown[] = [];
    client.on("notification", ({ channel, payload, processId }) => got.push([channel, payload, processId]));
    await client.query("listen news");
    await held();
    const other = await joined();
    await other.query("notify news, 'by HTTP'");
    await expect.poll(() => got.length).toBe(1);
    await client.query("notify news, 'own'");
    await expect.poll(() => got.length).toBe(2);
    const { processID } = client as unknown as { processID: number };
    expect(got).toEqual([
      ["news", "by HTTP", expect.any(Number)],
      ["news", "own", processID],
    ]);
    await client.query("unlisten *");
    await free();
    await other.end();
  });
});

describe("COPY", () => {
  test("both ways, in a session for its duration", async () => {
    await client.query("create table copied (n int, name text)");
    const source = client.query(copyFrom("copy copied from stdin (format csv)"));
    source.end("1,one\n2,\n");
    await new Promise((resolve, reject) => source.on("finish", resolve).on("error", reject));
    await free();
    expect(await text(client.query(copyTo("copy copied to stdout")))).toBe("1\tone\n2\t\\N\n");
    await free();
    const wrong = client.query(copyFrom("copy copied from stdin"));
    wrong.end("1\tone\nx\ttwo\n");
    const error = await new Promise((resolve) => wrong.on("error", resolve));
    expect(error).toMatchObject({ code: "22P02", where: 'COPY copied, line 2, column n: "x"' });
    expect(await rows("select count(*)::int from copied")).toEqual([[2]]);
    await client.query("drop table copied");
  });
});

describe("advisory locks", () => {
  test("of the session keep it until they are released", async () => {
    await client.query("select pg_advisory_lock(1), pg_advisory_lock(1)");
    await held();
    await client.query("select pg_advisory_unlock(1)");
    await held();
    await client.query("select pg_advisory_unlock(1)");
    await free();
  });

  test("of a transaction end with it", async () => {
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock(1)");
    await client.query("commit");
    await free();
  });
});

describe("DO and CALL", () => {
  test("run in a session, which is asked what is left; their notices are the client's", async () => {
    const notices: (string | undefined)[] = [];
    client.on("notice", ({ message }) => notices.push(message));
    await client.query("do $$ begin raise notice 'done'; end $$");
    await free();
    expect(notices).toEqual(["done"]);
    await client.query("do $$ begin create temporary table mine (n int); end $$");
    await held();
    await client.query("do $$ begin drop table mine; end $$");
    await free();
  });
});

describe("currval and lastval", () => {
  test("see what the same transaction did, not what went by HTTP", async () => {
    await client.query("create table counted (id serial)");
    await client.query("insert into counted default values");
    await expect(client.query("select lastval()")).rejects.toMatchObject({ code: "55000" });
    await client.query("begin");
    await client.query("insert into counted default values");
    expect(await rows("select lastval()::int, currval('counted_id_seq')::int")).toEqual([[2, 2]]);
    await client.query("commit");
    await free();
    await client.query("drop table counted");
  });
});

describe("DISCARD ALL", () => {
  test("lets go of everything, and needs no session where there is none", async () => {
    await client.query("discard all");
    expect([double.opened, double.asked.length]).toEqual([0, 0]);
    await client.query("set work_mem = '8MB'");
    await client.query("listen news");
    await client.query("create temporary table mine (n int)");
    await client.query("discard all");
    await free();
  });
});

test("a text that PostgreSQL's parser does not know runs in a session", async () => {
  await expect(client.query("selec 1")).rejects.toMatchObject({ code: "42601", position: "1" });
  await free();
  expect(double.asked).toEqual([]);
});
