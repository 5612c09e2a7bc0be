// What a session is over Supabase's API: the rows of the table in docs/upstreams.md, against the real postgres-meta.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loadParser } from "../../../adapters/node/parser.ts";
import { serve } from "../../../adapters/node/serve.ts";
import { openSupabase } from "../../../adapters/node/supabase.ts";
import { supabaseUpstream } from "../../../src/upstreams/supabase/mod.ts";
import { connect, run, type Sent, sync } from "../../session/test-client.ts";
import { type Gateway, startGateway } from "./gateway.ts";

let gateway: Gateway;
let client: pg.Client;
let direct: pg.Client;
beforeAll(async () => {
  gateway = await startGateway();
  client = await gateway.client();
  direct = await gateway.direct();
  await direct.query("create table notes (id int primary key, note text)");
});
afterAll(async () => {
  await client?.end();
  await direct?.end();
  await gateway?.close();
});
beforeEach(async () => {
  await direct.query("truncate notes");
  gateway.forget();
});

const rows = async (text: string, values: unknown[] = [], by = client): Promise<unknown[][]> =>
  (await by.query({ text, values, rowMode: "array" })).rows;
const kept = (): Promise<unknown[][]> => rows("select id from notes order by id", [], direct);
async function refused(work: Promise<unknown>): Promise<{ code: string; hint: string | undefined }> {
  const error = await work.then(
    () => undefined,
    (cause: pg.DatabaseError) => cause,
  );
  if (!error) throw new Error("no error");
  return { code: error.code ?? "", hint: error.hint };
}

test("autocommit", async () => {
  await client.query("insert into notes values ($1, 'a')", [1]);
  await expect(client.query("insert into notes values (2, 'a'), (1, 'b')")).rejects.toThrow(/duplicate/);
  expect(gateway.asked).toHaveLength(2);
  expect(await kept()).toEqual([[1]]);
});

describe("several statements in one text", () => {
  test("are one request and one transaction", async () => {
    const results = (await client.query(
      "insert into notes values (1, 'a'), (2, 'b'); select note from notes order by id; update notes set note = 'c' returning id; create table more (id int); explain select 1; delete from notes where id = 2; create table even as select 1",
    )) as unknown as pg.QueryResult[];
    expect(results.map(({ command, rowCount }) => [command, rowCount])).toEqual([
      ["INSERT", 2],
      ["SELECT", 2],
      ["UPDATE", 2],
      ["CREATE", null],
      ["EXPLAIN", null],
      ["DELETE", 1],
      ["SELECT", 1],
    ]);
    expect(results[1]?.rows).toEqual([{ note: "a" }, { note: "b" }]);
    expect(gateway.asked).toHaveLength(1);
    const failed = client.query("insert into notes values (3, 'a'); insert into notes values (1, 'a')");
    expect((await refused(failed)).code).toBe("23505");
    expect(await kept()).toEqual([[1]]);
    await direct.query("drop table more; drop table even");
  });

  test("are refused where the gateway serves one of them and another one changes something", async () => {
    const failed = client.query("insert into notes values (1, 'a'); set work_mem = '1MB'");
    expect(await refused(failed)).toEqual({ code: "0A000", hint: expect.stringContaining("at once") });
    expect(await kept()).toEqual([]);
    expect((await client.query("set work_mem = '1MB'; select 1 as one")) as unknown).toMatchObject([
      { command: "SET" },
      { rows: [{ one: 1 }] },
    ]);
    await client.query("reset work_mem");
  });
});

describe("BEGIN … COMMIT", () => {
  test("in one text is one request", async () => {
    await client.query("begin; insert into notes values (1, 'a'); insert into notes values (2, 'b'); commit");
    expect(gateway.asked).toHaveLength(1);
    expect(await kept()).toEqual([[1], [2]]);
    const failed = client.query(
      "begin; insert into notes values (3, 'a'); insert into notes values (1, 'b'); commit",
    );
    expect((await refused(failed)).code).toBe("23505");
    // As in PostgreSQL, the client is in a failed block now.
    expect((await refused(client.query("select 1"))).code).toBe("25P02");
    await client.query("rollback");
    expect(await kept()).toEqual([[1], [2]]);
  });

  test("in one pipeline is one request", async () => {
    const own = await connect({ upstream: gateway.upstream });
    gateway.forget();
    const insert = "insert into notes values ($1, $2)";
    const block = [
      ...run("begin"),
      ...run(insert, "1", "a"),
      ...run(insert, "2", null),
      ...run("commit"),
      sync,
    ];
    const tags = async (messages: Sent[]): Promise<string[]> =>
      (await own.ask(...messages)).filter((line) => /^(Command|Error|Ready)/.test(line));
    expect(await tags(block)).toEqual([
      "CommandComplete BEGIN",
      "CommandComplete INSERT 0 1",
      "CommandComplete INSERT 0 1",
      "CommandComplete COMMIT",
      "ReadyForQuery I",
    ]);
    expect(gateway.asked).toHaveLength(1);
    expect(await tags([...run(insert, "3", "c"), ...run(insert, "1", "again"), sync])).toEqual([
      expect.stringContaining("23505"),
      "ReadyForQuery I",
    ]);
    expect(await kept()).toEqual([[1], [2]]);
    await own.vanish();
  });

  test("over several requests is refused with a hint", async () => {
    expect(await refused(client.query("begin"))).toEqual({
      code: "0A000",
      hint: expect.stringContaining("in one Query or one pipeline"),
    });
    // It has not begun.
    expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    expect((await refused(client.query("savepoint s"))).code).toBe("25P01");
  });

  test("a deferred constraint fails it", async () => {
    await direct.query("create table late (id int unique deferrable initially deferred)");
    const failed = client.query("begin; insert into late values (1); insert into late values (1); commit");
    expect((await refused(failed)).code).toBe("23505");
    await client.query("rollback");
    expect(await rows("select * from late", [], direct)).toEqual([]);
  });
});

describe("SET", () => {
  test("is kept by the gateway, and set anew in the same request", async () => {
    const own = await gateway.client();
    try {
      await own.query("set timezone = 'America/New_York'; set search_path = pg_catalog, public");
      gateway.forget();
      expect(
        await rows("select current_setting('TimeZone'), '2020-01-01Z'::timestamptz::text, $1::int", [1], own),
      ).toEqual([["America/New_York", "2019-12-31 19:00:00-05", 1]]);
      expect(gateway.asked).toHaveLength(1);
      await own.query("set my.setting = 'it''s'");
      expect(await rows("select current_setting('my.setting')", [], own)).toEqual([["it's"]]);
      await own.query("reset all");
      expect(
        await rows(
          "select current_setting('TimeZone') = 'America/New_York', current_setting('my.setting', true)",
          [],
          own,
        ),
      ).toEqual([[false, ""]]);
    } finally {
      await own.end();
    }
  });

  test("begins with what the server has", async () => {
    const shown = async (by: pg.Client, name: string): Promise<unknown> =>
      (await rows(`show ${name}`, [], by))[0]?.[0];
    for (const name of ["server_version", "search_path", "TimeZone", "lc_monetary", "work_mem"]) {
      expect([name, await shown(client, name)]).toEqual([name, await shown(direct, name)]);
    }
  });

  test("of modes holds for each statement", async () => {
    const own = await gateway.client();
    try {
      await own.query("set session characteristics as transaction isolation level serializable, read only");
      expect(await rows("select current_setting('transaction_isolation')", [], own)).toEqual([
        ["serializable"],
      ]);
      expect((await refused(own.query("insert into notes values (1, 'a')"))).code).toBe("25006");
    } finally {
      await own.end();
    }
  });

  test("of a time-out stops a statement", async () => {
    const own = await gateway.client();
    try {
      await own.query("set statement_timeout = 100");
      expect((await refused(own.query("select pg_sleep(20)"))).code).toBe("57014");
    } finally {
      await own.end();
    }
  });
});

test("set_config() is kept, if the server takes the value", async () => {
  const own = await gateway.client();
  try {
    gateway.forget();
    expect(
      await rows("select current_setting('jit') as was, set_config('jit', $1, false)", ["off"], own),
    ).toEqual([["on", "off"]]);
    expect(await rows("select current_setting('jit')", [], own)).toEqual([["off"]]);
    expect(await rows("show jit", [], own)).toEqual([["off"]]);
    expect((await refused(own.query("select set_config('timezone', 'No/Where', false)"))).code).toBe("22023");
    expect((await refused(own.query("select set_config(note, 'x', false) from notes"))).code).toBe("0A000");
    expect(await rows("select set_config('work_mem', '1MB', true)", [], own)).toEqual([["1MB"]]);
  } finally {
    await own.end();
  }
  expect(await rows("select current_setting('jit')")).toEqual([["on"]]);
});

test("SET ROLE is refused", async () => {
  expect((await refused(client.query("set role pg_monitor"))).code).toBe("0A000");
});

test("temporary tables are refused but within one text", async () => {
  expect(await refused(client.query("create temp table t (id int)"))).toEqual({
    code: "0A000",
    hint: expect.stringContaining("ON COMMIT DROP"),
  });
  const results = (await client.query(
    "create temp table t on commit drop as select 7 as seven; select * from t; select seven from pg_temp.t",
  )) as unknown as pg.QueryResult[];
  expect(results[1]?.rows).toEqual([{ seven: 7 }]);
});

test("PREPARE in SQL is refused; Parse, Bind, Execute are the gateway's", async () => {
  expect((await refused(client.query("prepare p as select 1"))).code).toBe("0A000");
  expect((await refused(client.query("execute p"))).code).toBe("0A000");
  const named = { name: "n", text: "select $1::int + 1 as n" };
  expect((await client.query({ ...named, values: [1] })).rows).toEqual([{ n: 2 }]);
  expect((await client.query({ ...named, values: [2] })).rows).toEqual([{ n: 3 }]);
  expect(gateway.asked).toHaveLength(2);
  expect(
    await rows("select count(*) from pg_prepared_statements where name like 'edgewire%'", [], direct),
  ).toEqual([["0"]]);
});

test("cursors are refused", async () => {
  expect((await refused(client.query("declare c cursor for select 1"))).code).toBe("25P01");
  expect((await refused(client.query("declare c cursor with hold for select 1"))).code).toBe("0A000");
  expect((await refused(client.query("fetch c"))).code).toBe("34000");
  expect((await client.query("close all")).command).toBe("CLOSE");
});

test("LISTEN is refused where the gateway has no broker; NOTIFY is the database's", async () => {
  expect((await refused(client.query("listen c"))).code).toBe("0A000");
  const heard: unknown[] = [];
  direct.on("notification", ({ payload }) => heard.push(payload));
  await direct.query("listen c");
  await client.query("notify c, 'hello'");
  for (let tries = 0; heard.length === 0 && tries < 100; tries++) await direct.query("select pg_sleep(0.02)");
  expect(heard).toEqual(["hello"]);
  await direct.query("unlisten c");
});

test("advisory locks of a session are refused, those of a transaction end with the request", async () => {
  expect((await refused(client.query("select pg_advisory_lock(1)"))).code).toBe("0A000");
  await client.query("select pg_advisory_xact_lock(1)");
  // A pool's reset of a connection.
  await client.query("select pg_advisory_unlock_all(); close all; reset all");
  expect(await rows("select pg_try_advisory_lock(1), pg_advisory_unlock(1)", [], direct)).toEqual([
    [true, true],
  ]);
});

test("currval and lastval see what is in the same text", async () => {
  await direct.query("create sequence numbers");
  expect((await refused(client.query("select currval('numbers')"))).code).toBe("0A000");
  const results = (await client.query(
    "select nextval('numbers'); select currval('numbers') as now",
  )) as unknown as pg.QueryResult[];
  expect(results[1]?.rows).toEqual([{ now: "1" }]);
});

test("what cannot be in a transaction goes alone", async () => {
  await client.query("vacuum notes");
  const own = await gateway.client();
  try {
    await own.query("set timezone = 'America/New_York'");
    expect((await refused(own.query("vacuum notes"))).code).toBe("25001");
  } finally {
    await own.end();
  }
});

test("CALL asks for output arguments first; what it calls may commit", async () => {
  await direct.query(
    "create procedure commits() language plpgsql as $$ begin insert into notes values (1); commit; end $$",
  );
  expect((await client.query("call commits()")).rows).toEqual([]);
  expect(gateway.asked).toHaveLength(2);
  const own = await gateway.client();
  try {
    await own.query("set timezone = 'America/New_York'");
    await direct.query("truncate notes");
    expect((await refused(own.query("call commits()"))).code).toBe("2D000");
  } finally {
    await own.end();
  }
});

test("a cancel answers at once", async () => {
  const own = await gateway.client();
  try {
    const sleeping = refused(own.query("select pg_sleep(5), 'cancelled'"));
    while (!gateway.asked.some((text) => text.includes("'cancelled'")))
      await new Promise((done) => setTimeout(done, 10));
    const { processID, secretKey } = own as unknown as { processID: number; secretKey: number };
    const canceller = new pg.Client({
      host: "127.0.0.1",
      port: gateway.port,
      user: "someone",
      database: "main",
    });
    const { connection } = canceller as unknown as {
      connection: {
        connect(port: number, host: string): void;
        once(name: string, then: () => void): void;
        cancel(id: number, key: number): void;
      };
    };
    connection.once("connect", () => connection.cancel(processID, secretKey));
    connection.connect(gateway.port, "127.0.0.1");
    const began = performance.now();
    expect((await sleeping).code).toBe("57014");
    expect(performance.now() - began).toBeLessThan(3_000);
  } finally {
    await own.end();
  }
});

test("a server that cannot be reached is told at login", async () => {
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const { port } = gone.address() as AddressInfo;
  gone.close();
  const upstream = supabaseUpstream({
    endpoint: `http://127.0.0.1:${port}/query`,
    retryDelays: [],
    parser: loadParser,
  });
  const server = await serve({ upstream });
  const own = new pg.Client({ host: "127.0.0.1", port: server.port, user: "someone", database: "main" });
  own.on("error", () => {});
  try {
    expect((await refused(own.connect())).code).toBe("08001");
  } finally {
    await own.end().catch(() => {});
    await server.close(500);
  }
});

test("a URL opens it", async () => {
  const server = await serve({ upstream: openSupabase(gateway.meta.url.replace("http", "supabase+http")) });
  const own = new pg.Client({ host: "127.0.0.1", port: server.port, user: "someone", database: "main" });
  try {
    await own.connect();
    expect((await own.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  } finally {
    await own.end();
    await server.close(500);
  }
});

test("COPY goes by INSERT and SELECT", async () => {
  const input = client.query(copyFrom("copy notes from stdin (format csv)"));
  input.end('1,a\n2,"b, c"\n');
  await once(input, "finish");
  expect(await rows("select * from notes order by id", [], direct)).toEqual([
    [1, "a"],
    [2, "b, c"],
  ]);
  let out = "";
  for await (const chunk of client.query(copyTo("copy (select * from notes order by id) to stdout")))
    out += chunk;
  expect(out).toBe("1\ta\n2\tb, c\n");
});
