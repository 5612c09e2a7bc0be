// How a session over Neon describes, batches, streams, cancels and ends: by counted requests and connections.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import Cursor from "pg-cursor";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type Connection,
  connect,
  execute,
  openWebSocket,
  pipeline,
  prepare,
  query,
} from "../../../src/client/mod.ts";
import type { ClientContext, Statement } from "../../../src/session/mod.ts";
import type { NeonSession } from "../../../src/upstreams/neon/session.ts";
import { PgError } from "../../../src/wire/mod.ts";
import { testServer } from "../../client/server.ts";
import { type NeonDouble, type Served, serve, startDouble, user } from "./double.ts";

let double: NeonDouble;
let served: Served;
beforeAll(async () => {
  double = await startDouble();
  served = await serve(double.upstream());
  await once(async (client) => {
    await client.query("create table big (n int, name varchar(12))");
    await client.query("insert into big select n, 'name ' || n from generate_series(1, 100) n");
  });
});
afterAll(async () => {
  await served?.close();
  await double?.close();
});
beforeEach(() => double.forget());

const taken = (): number | undefined => served.upstream.connections?.taken;
const free = () => expect.poll(taken).toBe(0);

async function joined(): Promise<pg.Client> {
  const client = new pg.Client({ host: "127.0.0.1", port: served.port, user: "someone", database: "main" });
  await client.connect();
  return client;
}

async function once(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = await joined();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** edgewire's own client half, which asks for what pg does not, before a session on the upstream. */
async function connected(): Promise<Connection> {
  const server = testServer({ upstream: served.upstream });
  return connect(await server.open(), { user: "someone", database: "main", sslMode: "disable" });
}

async function cancelOf(client: pg.Client): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const other = new pg.Client({ host: "127.0.0.1", port: served.port }) as unknown as {
    connection: {
      connect(port: number, host: string): void;
      cancel(id: number, key: number): void;
      on(event: string, then: () => void): void;
    };
  };
  const { connection } = other;
  connection.on("connect", () => connection.cancel(processID, secretKey));
  connection.on("error", () => {});
  connection.connect(served.port, "127.0.0.1");
}

describe("descriptions", () => {
  test("are the server's own, asked for once, for all clients", async () => {
    const sql = "select n, name, $1 + n as sum from big where name = $2";
    const described = [];
    for (let turn = 0; turn < 3; turn++) {
      const connection = await connected();
      described.push(await prepare(connection, "", { sql }));
      connection.close();
    }
    const [first] = described;
    expect(first?.parameterTypes).toEqual([23, 25]);
    expect(first?.fields).toMatchObject([
      { name: "n", typeOid: 23, tableOid: expect.any(Number), columnAttribute: 1 },
      { name: "name", typeOid: 1043, typeModifier: 16, columnAttribute: 2 },
      { name: "sum", typeOid: 23, tableOid: 0 },
    ]);
    expect(first?.fields?.[0]?.tableOid).toBeGreaterThan(0);
    expect(described.map(({ fields }) => fields)).toEqual(Array(3).fill(first?.fields));
    expect(double.asked).toEqual([]);
    await free();
  });

  test("are asked for anew when the schema changes", async () => {
    await once(async (client) => {
      await client.query("create table shifting (a int)");
      const connection = await connected();
      const names = async () =>
        (await prepare(connection, "", { sql: "select * from shifting" })).fields?.map(({ name }) => name);
      expect(await names()).toEqual(["a"]);
      await client.query("alter table shifting add b text");
      expect(await names()).toEqual(["a", "b"]);
      await client.query("drop table shifting");
      await expect(names()).rejects.toMatchObject({ code: "42P01" });
      connection.close();
    });
  });

  test("that a result contradicts are forgotten: others may change the schema, too", async () => {
    const admin = await connect(await openWebSocket(`ws://127.0.0.1:${double.port}/v2`), {
      user: user.name,
      password: user.password,
      database: "main",
    });
    await query(admin, "create table elsewhere (a int)");
    const connection = await connected();
    const sql = "select * from elsewhere";
    const types = async () => (await prepare(connection, "", { sql })).fields?.map(({ typeOid }) => typeOid);
    expect(await types()).toEqual([23]);
    await query(admin, "alter table elsewhere alter a type text");
    expect(await types()).toEqual([23]);
    await query(connection, sql);
    expect(await types()).toEqual([25]);
    await query(admin, "drop table elsewhere");
    connection.close();
    admin.close();
  });

  test("in a session of the client's own are that session's", async () => {
    const connection = await connected();
    await query(connection, "create temporary table mine (n bigint)");
    const { fields } = await prepare(connection, "", { sql: "select n from mine" });
    expect(fields?.map(({ typeOid }) => typeOid)).toEqual([20]);
    await query(connection, "drop table mine");
    connection.close();
    await free();
  });
});

describe("types that a client gives its parameters", () => {
  const run = async (parameterTypes: number[], sql: string, parameters: string[]) => {
    const connection = await connected();
    try {
      const statement = await prepare(connection, "", { sql, parameterTypes });
      double.forget();
      const { rows } = await statement.execute(parameters);
      return { rows, requests: double.asked.length };
    } finally {
      connection.close();
      await free();
    }
  };

  test("go by HTTP where the server finds the same ones", async () => {
    expect(await run([23], "select n from big where n = $1", ["7"])).toEqual({ rows: [["7"]], requests: 1 });
    expect(await run([1043], "select $1::text || '!'", ["7"])).toEqual({ rows: [["7!"]], requests: 1 });
  });

  test("go through the tunnel where they make a difference", async () => {
    expect(await run([23], "select pg_typeof($1)::text", ["7"])).toEqual({
      rows: [["integer"]],
      requests: 0,
    });
    expect(await run([17], "select encode($1, 'hex')", ["\\x00ff"])).toMatchObject({ rows: [["00ff"]] });
  });
});

describe("results", () => {
  const tooLarge = async () => ({ status: 507, text: async () => '{"message":"response is too large"}' });

  test("too large for HTTP come through the tunnel, where a statement can run again", async () => {
    await once(async (client) => {
      double.next = tooLarge;
      expect((await client.query("select n from big where n < $1", [3])).rows).toEqual([{ n: 1 }, { n: 2 }]);
      double.next = tooLarge;
      expect((await client.query("select count(*)::int as n from big where n < $1", [3])).rows).toEqual([
        { n: 2 },
      ]);
      const long = "x".repeat(11 * 1024 * 1024);
      expect((await client.query("select length($1) as n", [long])).rows).toEqual([{ n: long.length }]);
      // Nothing of it was sent by HTTP.
      expect(double.asked.length).toBe(2);
    });
    await free();
  });

  test("too large for HTTP, of what cannot run again: 54000 with a hint", async () => {
    await once(async (client) => {
      double.next = tooLarge;
      await expect(client.query("select random()")).rejects.toMatchObject({
        code: "54000",
        hint: expect.stringContaining("cursor"),
      });
      expect((await client.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
    });
  });

  test("100,000 rows by a cursor, beside other statements", async () => {
    await once(async (client) => {
      await client.query("begin");
      const cursor = client.query(
        new Cursor<{ n: number }>("select n, repeat('x', 20) as filler from generate_series(1, 100000) n"),
      );
      let rows = 0;
      let sum = 0;
      for (;;) {
        const part = await cursor.read(7_000);
        if (part.length === 0) break;
        rows += part.length;
        for (const { n } of part) sum += n;
      }
      expect([rows, sum]).toEqual([100_000, 5_000_050_000]);
      await cursor.close();
      await client.query("commit");
      expect(double.asked).toEqual([]);
    });
    await free();
  });

  test("two portals by turns, and one that is left unread", async () => {
    const connection = await connected();
    await query(connection, "begin");
    const { openPortal } = await import("../../../src/client/mod.ts");
    const odd = await openPortal(connection, "odd", {
      sql: "select 2 * n + 1 from generate_series(0, 49999) n",
    });
    const even = await openPortal(connection, "even", {
      sql: "select 2 * n from generate_series(0, 49999) n",
    });
    let sum = 0;
    for (let turn = 0; turn < 5; turn++) {
      for (const portal of [odd, even]) {
        for (const [value] of (await portal.fetch(3_000)).rows) sum += Number(value);
      }
    }
    expect(sum).toBe((30_000 * 29_999) / 2);
    await odd.close();
    await query(connection, "commit");
    connection.close();
    await free();
  });

  test("a result that is not read to its end does not keep the session", async () => {
    const connection = await connected();
    await query(
      connection,
      "create temporary table mine as select n, repeat('x', 1000) from generate_series(1, 20000) n",
    );
    // As JDBC's setMaxRows: Execute with a limit, then Sync.
    const { rows } = await import("../../../src/client/mod.ts");
    for await (const part of rows(connection, { sql: "select * from mine" }, 10)) {
      expect(part.length).toBe(10);
      break;
    }
    const [{ rows: counted } = { rows: [] }] = await query(connection, "select count(*) from mine");
    expect(counted).toEqual([["20000"]]);
    await query(connection, "discard all");
    connection.close();
    await free();
  });
});

describe("cancel", () => {
  test("aborts a request, and the statement behind it", async () => {
    await once(async (client) => {
      let aborted = false;
      double.next = (request, signal) => {
        signal.addEventListener("abort", () => {
          aborted = true;
        });
        return request();
      };
      const started = performance.now();
      const asked = client.query("select count(*) from generate_series(1, 1000000000)");
      await Promise.all([
        expect(asked).rejects.toMatchObject({ code: "57014" }),
        sleep(300).then(() => cancelOf(client)),
      ]);
      expect(aborted).toBe(true);
      expect((await client.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
      expect(performance.now() - started).toBeLessThan(20_000);
    });
  });

  test("is native through the tunnel, and leaves the transaction failed", async () => {
    await once(async (client) => {
      await client.query("begin");
      const asked = client.query("select count(*) from generate_series(1, 1000000000)");
      await Promise.all([
        expect(asked).rejects.toMatchObject({ code: "57014" }),
        sleep(300).then(() => cancelOf(client)),
      ]);
      await expect(client.query("select 1")).rejects.toMatchObject({ code: "25P02" });
      await client.query("rollback");
      expect((await client.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
    });
    await free();
  });
});

describe("what breaks", () => {
  test("a request whose connection fails is an error, and the session goes on", async () => {
    await once(async (client) => {
      double.next = async () => {
        throw new TypeError("fetch failed", {
          cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }),
        });
      };
      await expect(client.query("select 1")).rejects.toMatchObject({ code: "08006" });
      expect(double.asked.length).toBe(1);
      await client.query("select 1");
    });
  });

  test("a tunnel that breaks ends the session that was in it, and no other", async () => {
    const streams: { destroy(): void }[] = [];
    const { openWebSocket } = await import("../../../src/client/mod.ts");
    const upstream = double.upstream({
      async openTunnel() {
        const stream = await openWebSocket(`ws://127.0.0.1:${double.port}/v2`);
        streams.push(stream);
        return stream;
      },
    });
    const other = await serve(upstream);
    const join = async () => {
      const client = new pg.Client({
        host: "127.0.0.1",
        port: other.port,
        user: "someone",
        database: "main",
      });
      client.on("error", () => {});
      await client.connect();
      return client;
    };
    const [inside, outside] = [await join(), await join()];
    await outside.query("set work_mem = '8MB'");
    await expect.poll(() => upstream.connections?.taken).toBe(0);
    await inside.query("begin");
    const ended = new Promise((resolve) => inside.once("end", resolve));
    const asked = inside.query("select pg_sleep(1)");
    await sleep(100);
    for (const stream of streams) stream.destroy();
    await expect(asked).rejects.toThrow();
    await ended;
    expect((await outside.query("show work_mem")).rows).toEqual([{ work_mem: "8MB" }]);
    await outside.query("begin");
    await outside.query("rollback");
    await expect.poll(() => upstream.connections?.taken).toBe(0);
    await outside.end();
    await other.close();
  });

  test("clients that leave in the middle of everything leave nothing behind", async () => {
    const leaving = [
      "select pg_sleep(0.5)",
      "listen news",
      "begin",
      "create temp table mine (n int)",
      "select 1; select pg_sleep(0.5)",
    ];
    for (const [at, sql] of [...leaving, ...leaving].entries()) {
      const client = await joined();
      client.on("error", () => {});
      client.query(sql).catch(() => {});
      await sleep(at < leaving.length ? 0 : 30);
      (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    }
    await expect.poll(taken, { timeout: 10_000 }).toBe(0);
    await once(async (client) => {
      expect((await client.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
    });
  });

  test("a statement behind a cancelled one waits until the session is the client's again", async () => {
    await once(async (client) => {
      for (let turn = 0; turn < 5; turn++) {
        await client.query("create temp table mine as select 1 as n");
        const asked = client.query("select count(*) from mine, generate_series(1, 1000000000)");
        const next = client.query("drop table mine");
        await Promise.all([
          expect(asked).rejects.toMatchObject({ code: "57014" }),
          sleep(150 + 50 * turn).then(() => cancelOf(client)),
        ]);
        await next;
        await free();
      }
    });
  });

  test("without a tunnel, what needs none still runs", async () => {
    const upstream = double.upstream({
      openTunnel: async () => {
        throw new PgError("08001", "there is no tunnel");
      },
    });
    const other = await serve(upstream);
    const client = new pg.Client({ host: "127.0.0.1", port: other.port, user: "someone", database: "main" });
    await client.connect();
    expect((await client.query("select $1::int as n", [1])).rows).toEqual([{ n: 1 }]);
    await expect(client.query("begin")).rejects.toMatchObject({
      code: "08001",
      message: "there is no tunnel",
    });
    expect((await client.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
    await client.end();
    await other.close();
  });

  test("all tunnels in use: 53300, and the session goes on", async () => {
    const other = await serve(double.upstream({ size: 1, waitTimeout: 50 }));
    const clients = await Promise.all(
      [1, 2].map(async () => {
        const client = new pg.Client({
          host: "127.0.0.1",
          port: other.port,
          user: "someone",
          database: "main",
        });
        await client.connect();
        return client;
      }),
    );
    const [one, two] = clients as [pg.Client, pg.Client];
    await one.query("begin");
    await expect(two.query("begin")).rejects.toMatchObject({ code: "53300", severity: "ERROR" });
    await one.query("rollback");
    await two.query("select 1");
    await Promise.all(clients.map((client) => client.end()));
    await other.close();
  });

  test("the gateway's own password is not the client's", async () => {
    const other = await serve(double.upstream({ connectionString: "postgres://app:wrong@h/main" }));
    const client = new pg.Client({ host: "127.0.0.1", port: other.port, user: "someone", database: "main" });
    await expect(client.connect()).rejects.toMatchObject({ code: "08001", severity: "FATAL" });
    await client.end().catch(() => {});
    await other.close();
  });

  test("fetch=tunnel: nothing goes by HTTP", async () => {
    const other = await serve(double.upstream({ mode: "tunnel" }));
    const client = new pg.Client({ host: "127.0.0.1", port: other.port, user: "someone", database: "main" });
    await client.connect();
    expect((await client.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
    expect([double.asked.length, double.opened]).toEqual([0, 1]);
    await client.end();
    await other.close();
  });
});

describe("binary", () => {
  const binary = async (connection: Connection, sql: string, parameters: (string | Uint8Array)[] = []) => {
    const { rows } = await execute(connection, { sql, parameters, resultFormats: [1] });
    return rows.map((row) => row.map((cell) => cell && Buffer.from(cell).toString("hex")));
  };

  /** By HTTP, and as the server itself has it. The requests. */
  async function both(connection: Connection, sql: string): Promise<number> {
    double.forget();
    const made = await binary(connection, sql);
    const requests = double.asked.length;
    await query(connection, "begin");
    const own = await binary(connection, sql);
    await query(connection, "commit");
    await free();
    expect(made).toEqual(own);
    return requests;
  }

  test("is made of the text under the session's settings", async () => {
    const connection = await connected();
    const sql = `select n * interval '1 mon 2 days 03:04:05.6', date '2001-02-03', '{2001-02-03}'::date[],
      timestamptz '2001-02-03 04:05:06 UTC' + n * interval '1 day' from generate_series(-1, 1) n`;
    for (const [dates, intervals] of [
      ["German", "iso_8601"],
      ["SQL, DMY", "sql_standard"],
      ["Postgres, MDY", "postgres_verbose"],
    ]) {
      await query(connection, `set datestyle = '${dates}'`);
      await query(connection, `set intervalstyle = '${intervals}'`);
      await query(connection, "set timezone = 'Asia/Kolkata'");
      await free();
      expect(await both(connection, sql)).toBe(1);
    }
    await query(connection, "set extra_float_digits = 0");
    await free();
    // Fifteen digits are not enough.
    expect(await both(connection, "select 1::float8 / 3")).toBe(0);
    connection.close();
  });

  test("is there for the types of the database, which are asked for once", async () => {
    const connection = await connected();
    const types = `create type mood as enum ('sad', 'ok'); create domain small as int check (value < 9);
      create type pair as (n small, m mood, more mood[]); create type moods as range (subtype = mood)`;
    await query(connection, types);
    const sql = `select 'ok'::mood m, '{sad,NULL}'::mood[] ms, row(1, 'sad', '{ok}')::pair p,
      moods('sad', 'ok') r, '{7}'::small[] d`;
    expect(await both(connection, sql)).toBeGreaterThan(1);
    expect(await both(connection, sql)).toBe(1);
    await prepare(connection, "", { sql: "select $1::mood" });
    double.forget();
    const ok = new TextEncoder().encode("ok");
    expect(await binary(connection, "select $1::mood", [ok])).toEqual([["6f6b"]]);
    expect(double.asked.length).toBe(1);
    await query(connection, "drop type moods; drop type pair; drop domain small; drop type mood");
    connection.close();
    await free();
  });
});

describe("statements that are known at once", () => {
  test("a pipeline of fifty is one request", async () => {
    const connection = await connected();
    double.forget();
    const statements = Array.from({ length: 50 }, (_, n) => ({
      sql: "select $1::int",
      parameters: [`${n}`],
    }));
    const results = await pipeline(connection, statements);
    expect(results.map(({ rows }) => rows)).toEqual(statements.map((_, n) => [[String(n)]]));
    expect(double.asked.map(({ statements }) => statements.length)).toEqual([50]);
    expect(double.opened).toBe(0);
    connection.close();
  });

  test("results come before the error, and nothing is left of them", async () => {
    const connection = await connected();
    await query(connection, "create table counted (n int)");
    const seen: string[] = [];
    const text =
      "insert into counted values (1); select n from counted; select 1/0; insert into counted values (2)";
    const failed = query(connection, text, ({ tag }) => seen.push(tag));
    await expect(failed).rejects.toMatchObject({ code: "22012" });
    expect(seen).toEqual(["INSERT 0 1", "SELECT 1"]);
    const deferred = "create table once (n int unique deferrable initially deferred)";
    await query(connection, deferred);
    await expect(
      pipeline(connection, [{ sql: "insert into once values (1)" }, { sql: "insert into once values (1)" }]),
    ).rejects.toMatchObject({ code: "23505" });
    expect(
      (await query(connection, "select * from counted; select * from once")).map(({ rows }) => rows),
    ).toEqual([[], []]);
    await query(connection, "drop table counted; drop table once");
    connection.close();
    await free();
  });

  test("are not run again when the connection breaks, nor when the server ends", async () => {
    const connection = await connected();
    const two = [{ sql: "select 1" }, { sql: "select 2" }];
    double.forget();
    double.next = async (request) => {
      await request();
      throw new TypeError("fetch failed");
    };
    await expect(pipeline(connection, two)).rejects.toMatchObject({ code: "08006" });
    const ended = JSON.stringify({ message: "terminating connection", code: "57P01" });
    double.next = async () => ({ status: 400, text: async () => ended });
    await expect(pipeline(connection, two)).rejects.toMatchObject({ code: "57P01" });
    expect([double.asked.length, double.opened]).toEqual([2, 0]);
    connection.close();
  });

  test("go one by one where they are too many, or too large", async () => {
    const connection = await connected();
    double.forget();
    const many = Array.from({ length: 1_001 }, () => statement("select 1"));
    const client = context();
    const session = (await served.upstream.connect(client)) as NeonSession;
    double.forget();
    expect(await session.batch(many, { client, signal: client.signal })).toBeUndefined();
    expect(double.asked.length).toBe(0);
    double.next = async () => ({ status: 507, text: async () => "" });
    expect((await query(connection, "select 1; select 2")).length).toBe(2);
    expect(double.asked.length).toBe(1);
    connection.close();
    await free();
  });

  test("have the session's settings, in the same request", async () => {
    const connection = await connected();
    await query(connection, "set timezone = 'Asia/Tokyo'");
    await free();
    double.forget();
    const show = { sql: "select current_setting('timezone')" };
    const results = await pipeline(connection, [show, show]);
    expect(results.map(({ rows }) => rows)).toEqual([[["Asia/Tokyo"]], [["Asia/Tokyo"]]]);
    expect(double.asked.map(({ statements }) => statements.length)).toEqual([3]);
    connection.close();
  });

  const context = (): ClientContext => ({
    processId: 1,
    login: { user: "someone", database: "main", parameters: new Map() } as unknown as ClientContext["login"],
    parameters: new Map(),
    signal: new AbortController().signal,
    notice() {},
    notify() {},
    setParameter() {},
  });
  const statement = (sql: string, parameters: string[] = []): Statement => ({
    sql,
    parameters,
    parameterTypes: [],
    resultFormats: [],
  });

  test("are one request and one transaction; or none, where one of them fails or needs a session", async () => {
    const client = context();
    const call = { client, signal: client.signal };
    const session = (await served.upstream.connect(client)) as NeonSession;
    double.forget();
    const fifty = Array.from({ length: 50 }, (_, n) => statement("select $1::int as n", [String(n)]));
    const results = await session.batch(fifty, call);
    expect(
      results?.map((result) => result.type === "rows" && [...(result.rows as Iterable<unknown>)]),
    ).toEqual(fifty.map((_, n) => [[String(n)]]));
    expect(double.asked.length).toBe(1);
    const made = [statement("create table batched (n int)"), statement("insert into batched values (1)")];
    expect(await session.batch([...made, statement("select 1/0")], call)).toBeUndefined();
    expect(await session.batch(made, call)).toEqual([
      { type: "command", tag: "CREATE TABLE" },
      { type: "command", tag: "INSERT 0 1" },
    ]);
    expect(
      await session.batch([statement("drop table batched"), statement("select 1 as n")], call),
    ).toMatchObject([
      { type: "command", tag: "DROP TABLE" },
      { type: "rows", rows: [["1"]] },
    ]);
    double.forget();
    for (const sql of ["begin", "set work_mem = '8MB'", "create temp table t (n int)", "selec 1"]) {
      expect(await session.batch([statement("select 1"), statement(sql)], call)).toBeUndefined();
    }
    expect(double.asked).toEqual([]);
    await session.close();
  });

  test("a session that is suspended goes on elsewhere, with its settings", async () => {
    const client = context();
    const call = { client, signal: client.signal };
    const session = (await served.upstream.connect(client)) as NeonSession;
    await session.query(statement("set timezone = 'Asia/Tokyo'"), call);
    const state = JSON.parse(JSON.stringify(await session.suspend()));
    await session.close();
    double.forget();
    const resumed = (await double.upstream().connect(client, state)) as NeonSession;
    const result = await resumed.query(statement("select current_setting('timezone')"), call);
    expect(result).toMatchObject({ type: "rows", rows: [["Asia/Tokyo"]] });
    expect(double.asked.length).toBe(1);
    await resumed.query(statement("create temp table mine (n int)"), call);
    expect(await resumed.suspend()).toBeUndefined();
    await resumed.close();
  });
});
