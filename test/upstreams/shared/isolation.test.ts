/** What one client does to its session, another one does not see. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SharedDatabase } from "./shared-database.ts";

let database: SharedDatabase;
beforeAll(async () => {
  database = await SharedDatabase.start();
  const client = await database.client();
  await client.run("create role reader; create role writer; create table ser (id serial, n int)");
  await client.run("create schema other; create table other.t (n int); insert into other.t values (7)");
  await client.run(
    "grant usage on schema other to reader; grant select on all tables in schema other to reader",
  );
  await client.vanish();
});
afterAll(() => database.close());
afterEach(() => database.gone());

/** A custom setting that is gone is empty in PostgreSQL, and was null before it was first set. */
const orEmpty = (value: string | undefined): string | undefined => (value === "null" ? "" : value);

async function two() {
  return [await database.client(), await database.client()] as const;
}

describe("settings", () => {
  const cases: [string, string, string, string][] = [
    ["a reported one", "set timezone = 'Asia/Tokyo'", "show timezone", "Asia/Tokyo"],
    ["one that is not reported", "set statement_timeout = '5min'", "show statement_timeout", "5min"],
    ["by set_config", "select set_config('work_mem', '7MB', false)", "show work_mem", "7MB"],
    [
      "by set_config, in a DO block",
      "do $$ begin perform set_config('work_mem', '9MB', false); end $$",
      "show work_mem",
      "9MB",
    ],
    [
      "by UPDATE of pg_settings",
      "update pg_settings set setting = '12345' where name = 'work_mem'",
      "show work_mem",
      "12345kB",
    ],
    [
      "by a function",
      "create or replace function setit() returns text language sql as $$ select set_config('work_mem', '9MB', false) $$; select setit()",
      "show work_mem",
      "9MB",
    ],
    ["by a function that was there before", "select setit()", "show work_mem", "9MB"],
    [
      "by a procedure",
      "create or replace procedure proc() language plpgsql as $$ begin set work_mem = '9MB'; end $$; call proc()",
      "show work_mem",
      "9MB",
    ],
    ["a list", 'set search_path = other, "$user"', "show search_path", 'other, "$user"'],
    ["a custom one", "set my.var = 'it''s \\'", "select current_setting('my.var', true)", "it's \\"],
    [
      "a custom one by set_config",
      "select set_config('app.user_id', '42', false)",
      "select current_setting('app.user_id', true)",
      "42",
    ],
    ["a quoted custom one", 'set "My"."Var" = \'x\'', "select current_setting('my.var', true)", "x"],
    ["a role", "set role reader", "select current_user", "reader"],
    ["a session user", "set session authorization writer", "select session_user", "writer"],
    [
      "an isolation level",
      "set session characteristics as transaction isolation level serializable",
      "show transaction_isolation",
      "serializable",
    ],
    [
      "a setting kept by a committed transaction",
      "begin; set timezone = 'Asia/Tokyo'; commit",
      "show timezone",
      "Asia/Tokyo",
    ],
    [
      "several at once",
      "set timezone = 'Asia/Tokyo'; set datestyle = 'German, DMY'; set extra_float_digits = 0",
      "show datestyle",
      "German, DMY",
    ],
  ];
  for (const [name, set, show, value] of cases) {
    test(name, async () => {
      const [a, b] = await two();
      const initial = orEmpty(await b.value(show));
      await a.run(set);
      expect(orEmpty(await b.value(show))).toBe(initial);
      expect(await a.value(show)).toBe(value);
      expect(orEmpty(await b.value(show))).toBe(initial);
      expect(await a.value(show)).toBe(value);
      // Nor is it left when the client is gone.
      await a.vanish();
      expect(orEmpty(await b.value(show))).toBe(initial);
      const c = await database.client();
      expect(orEmpty(await c.value(show))).toBe(initial);
    });
  }

  test("RESET goes back, and stays back", async () => {
    const [a, b] = await two();
    await a.run("set timezone = 'Asia/Tokyo'; set my.var = 'x'");
    await b.run("select 1");
    await a.run("reset timezone; reset my.var");
    await b.run("select 1");
    expect(await a.value("show timezone")).toBe("UTC");
    expect(orEmpty(await a.value("select current_setting('my.var', true)"))).toBe("");
    await a.run("set timezone = 'Asia/Tokyo'");
    await b.run("select 1");
    await a.run("reset all");
    await b.run("select 1");
    expect(await a.value("show timezone")).toBe("UTC");
  });

  test("each client keeps its own of many", async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => database.client()));
    await Promise.all(
      clients.map((client, at) => client.run(`set my.number = '${at}'; set work_mem = '${at + 1}MB'`)),
    );
    for (let round = 0; round < 3; round++) {
      const seen = await Promise.all(
        clients.map((client) =>
          client.value("select current_setting('my.number') || current_setting('work_mem')"),
        ),
      );
      expect(seen).toEqual(clients.map((_, at) => `${at}${at + 1}MB`));
    }
  });

  test("a value with every kind of quote", async () => {
    const [a, b] = await two();
    const value = `'"\\$$;--/*%_\n\t😀`;
    await a.run(`select set_config('my.var', '${value.replaceAll("'", "''")}', false)`);
    await b.run("select 1");
    expect(
      await a.value(
        `select current_setting('my.var') = E'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`,
      ),
    ).toBe("t");
  });

  test("ParameterStatus tells each client of its own changes only", async () => {
    const [a, b] = await two();
    expect(await a.query("set timezone = 'Asia/Tokyo'")).toContain("ParameterStatus TimeZone=Asia/Tokyo");
    expect(await b.query("select 1")).toEqual([
      "RowDescription ?column?",
      "DataRow 1",
      "CommandComplete SELECT 1",
      "ReadyForQuery I",
    ]);
    expect(await a.query("select 1")).not.toContain("ParameterStatus TimeZone=Asia/Tokyo");
    expect(await a.query("reset timezone")).toContain("ParameterStatus TimeZone=UTC");
    expect(await b.query("set timezone = 'Asia/Tokyo'")).toContain("ParameterStatus TimeZone=Asia/Tokyo");
    expect(await a.query("show timezone")).not.toContain("ParameterStatus TimeZone=Asia/Tokyo");
  });

  test("settings that would disturb the gateway's own queries", async () => {
    const [a, b] = await two();
    await a.run(
      "set standard_conforming_strings = off; set client_min_messages = debug5; set search_path = nowhere",
    );
    await a.run("set default_transaction_read_only = on; set default_transaction_isolation = serializable");
    await a.run("set bytea_output = escape; set quote_all_identifiers = on; set array_nulls = off");
    await a.run("set statement_timeout = '1s'; set transform_null_equals = on; set backslash_quote = off");
    for (let round = 0; round < 3; round++) {
      expect(await b.query("select 1")).toEqual([
        "RowDescription ?column?",
        "DataRow 1",
        "CommandComplete SELECT 1",
        "ReadyForQuery I",
      ]);
      expect(await a.value("show bytea_output")).toBe("escape");
    }
    expect(await b.value("show standard_conforming_strings")).toBe("on");
    expect(await b.value("show search_path")).toBe('"$user", public');
    await b.run("insert into other.t values (8); delete from other.t where n = 8");
  });

  test("a role that may do little does not stop the next client", async () => {
    const [a, b] = await two();
    await a.run("set role reader");
    expect(await a.value("insert into other.t values (1) returning n")).toBe("ERROR 42501");
    await b.run("insert into other.t values (8); delete from other.t where n = 8");
    expect(await a.value("select n from other.t")).toBe("7");
    expect(await a.value("insert into other.t values (1) returning n")).toBe("ERROR 42501");
    await a.run("reset role");
    await b.run("select 1");
    expect(await a.value("select current_user = session_user")).toBe("t");
  });

  test("a role that is dropped while its client waits: that client only", async () => {
    const [a, b] = await two();
    await a.run("create role doomed; set role doomed");
    await b.run("drop role doomed");
    void a.send({ type: "Query", query: "select 1" });
    await a.untilClosed();
    expect(a.take().at(-1)).toMatch(/^ErrorResponse FATAL /);
    expect(await b.value("select 1")).toBe("1");
  });
});

describe("sequences", () => {
  test("lastval and currval are a client's own", async () => {
    const [a, b] = await two();
    await a.run("insert into ser (n) values (1)");
    expect(await b.value("select lastval()")).toBe("ERROR 55000");
    expect(await b.value("select currval('ser_id_seq')")).toBe("ERROR 55000");
  });
});

describe("SQL's PREPARE", () => {
  test("is a client's own, and comes back", async () => {
    const [a, b] = await two();
    await a.run("prepare q (int) as select $1 + 1");
    expect(await b.value("execute q (1)")).toBe("ERROR 26000");
    await b.run("prepare q (text) as select $1 || '!'");
    expect(await a.value("execute q (1)")).toBe("2");
    expect(await b.value("execute q ('x')")).toBe("x!");
    await a.run("deallocate q");
    expect(await b.value("execute q ('y')")).toBe("y!");
    expect(await a.value("execute q (1)")).toBe("ERROR 26000");
  });

  test("with a text that holds a semicolon and quotes", async () => {
    const [a, b] = await two();
    await a.run(`prepare q as select ';''"' as "a;b"`);
    await b.run("select 1");
    expect(await a.value("execute q")).toBe(`;'"`);
  });

  test("whose table is gone when the client comes back: that statement only", async () => {
    const [a, b] = await two();
    await a.run("create table gone (n int); set timezone = 'Asia/Tokyo'");
    await a.run("prepare p as select 'p'");
    await a.run("prepare q as select * from gone");
    await a.run("prepare r as select 'r'");
    await b.run("drop table gone");
    expect(await a.value("execute r")).toBe("r");
    expect(await a.value("execute q")).toMatch(/^ERROR/);
    expect(await a.value("execute p")).toBe("p");
    expect(await a.value("show timezone")).toBe("Asia/Tokyo");
    expect(await b.value("execute p")).toBe("ERROR 26000");
  });

  test("in the middle of a query: the rest of that is not run again", async () => {
    const [a, b] = await two();
    await a.run("create table once (n int)");
    await a.run(
      "insert into once values (1); prepare q as select 1; prepare r (int) as select $1 + 1; insert into once values (2)",
    );
    for (let round = 0; round < 3; round++) {
      await b.run("select 1");
      expect(await a.value("execute q")).toBe("1");
      expect(await a.value("execute r (5)")).toBe("6");
    }
    expect(await a.value("select count(*) from once")).toBe("2");
    await a.run("drop table once");
  });

  test("by a function, which shows in no command tag", async () => {
    const [a, b] = await two();
    const body = "execute 'prepare unseen as select 6'; return 1;";
    await a.run(`create or replace function prep() returns int language plpgsql as $$ begin ${body} end $$`);
    expect(await a.value("select prep()")).toBe("1");
    expect(await b.value("execute unseen")).toBe("ERROR 26000");
    expect(await a.value("execute unseen")).toBe("6");
  });

  test("by EXECUTE in a DO block", async () => {
    const [a, b] = await two();
    await a.run("do $$ begin execute 'prepare hidden as select 5'; end $$");
    await b.run("select 1");
    expect(await a.value("execute hidden")).toBe("5");
    expect(await b.value("execute hidden")).toBe("ERROR 26000");
  });
});

describe("startup settings", () => {
  test("are there from the first statement on", async () => {
    const a = await database.client({
      application_name: "psql",
      TimeZone: "Asia/Tokyo",
      options: "-c work_mem=7MB -c my.var=x --statement-timeout=5min",
      DateStyle: "german",
    });
    expect(await a.value("show application_name")).toBe("psql");
    expect(await a.value("show timezone")).toBe("Asia/Tokyo");
    expect(await a.value("show work_mem")).toBe("7MB");
    expect(await a.value("show my.var")).toBe("x");
    expect(await a.value("show statement_timeout")).toBe("5min");
    expect(await a.value("show datestyle")).toBe("German, DMY");
    const b = await database.client({ application_name: "other" });
    expect(await b.value("show timezone")).toBe("UTC");
    expect(await b.value("show application_name")).toBe("other");
    expect(await a.value("show application_name")).toBe("psql");
  });

  test("while another client keeps its turn: nobody is kept waiting for it", async () => {
    const [a] = await two();
    await a.run("begin");
    const b = await database.client({ TimeZone: "Asia/Tokyo" });
    const waiting = b.value("show timezone");
    await a.run("commit");
    expect(await waiting).toBe("Asia/Tokyo");
  });

  test.each([
    [{ TimeZone: "Nowhere/Land" }, /22023 invalid value for parameter "TimeZone"/],
    [{ options: "-c work_mem=lots" }, /22023 invalid value for parameter "work_mem"/],
    [{ nosuch: "1" }, /42704 unrecognized configuration parameter "nosuch"/],
    [{ options: "-c shared_buffers=1GB" }, /55P02 parameter "shared_buffers" cannot be changed/],
  ])("a bad one is FATAL: %j", async (parameters, error) => {
    const refused = await database
      .client(parameters)
      .catch((cause: Error) => cause.message.replaceAll("\\", ""));
    expect(refused).toMatch(/ErrorResponse FATAL/);
    expect(refused).toMatch(error);
    const b = await database.client();
    expect(await b.value("select 1")).toBe("1");
  });

  test("a bad one that is found later is FATAL then, and hurts nobody else", async () => {
    const [a] = await two();
    await a.run("begin");
    const b = await database.client({ TimeZone: "Nowhere/Land" });
    void b.send({ type: "Query", query: "select 1" });
    await a.run("commit");
    await b.untilClosed();
    expect(b.take().at(-1)).toMatch(/^ErrorResponse FATAL 22023/);
    expect(await a.value("show timezone")).toBe("UTC");
  });
});
