/** What pg's users do, over any transport. */
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import Cursor from "pg-cursor";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Transport } from "../conformance/transports/transport.ts";
import { cancelPg, connectPg } from "./connect.ts";
import { linesOf } from "./copy-lines.ts";

/** Call it inside of `describe`. */
export function pgSuite(transport: () => Transport): void {
  let client: pg.Client;
  let other: pg.Client;

  beforeAll(async () => {
    [client, other] = await Promise.all([connectPg(transport()), connectPg(transport())]);
    await client.query("create table by_pg (id int primary key, name text)");
  });
  afterAll(async () => {
    await client.query("drop table by_pg");
    await Promise.all([client.end(), other.end()]);
  });

  test("rows, columns and tags", async () => {
    const { rows, fields, command, rowCount } = await client.query("select 1 as a, null as b, 'c' as a");
    expect(fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([
      ["a", 23],
      ["b", 25],
      ["a", 25],
    ]);
    expect([rows, command, rowCount]).toEqual([[{ a: "c", b: null }], "SELECT", 1]);
    const empty = await client.query("");
    expect(empty.rows).toEqual([]);
  });

  test("several statements in one text", async () => {
    const results = (await client.query("select 1 as n; select 2 as n")) as unknown as pg.QueryResult[];
    expect(results.map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 2 }]]);
  });

  test("parameters and types", async () => {
    const bytes = Buffer.from([0, 1, 0xff]);
    const values = [42, "grün", true, null, bytes, ["a", 'b"c', null], { k: [1] }, new Date(0), 1.5];
    const { rows } = await client.query({
      text: `select $1::int4, $2::text, $3::bool, $4::text, $5::bytea, $6::text[], $7::jsonb, $8::timestamptz, $9::float8,
        12345678901234567890.5::numeric, 9007199254740993::int8, '{1,2}'::int4[]`,
      values,
      rowMode: "array",
    });
    expect(rows).toEqual([[...values, "12345678901234567890.5", "9007199254740993", [1, 2]]]);
  });

  test("a named statement, again and again", async () => {
    for (const value of [1, 2, 3]) {
      const { rows } = await client.query({
        name: "doubled",
        text: "select $1::int * 2 as n",
        values: [value],
      });
      expect(rows).toEqual([{ n: value * 2 }]);
    }
  });

  test("an error has its fields, and the connection goes on", async () => {
    await expect(client.query("select nosuch from pg_class")).rejects.toMatchObject({
      severity: "ERROR",
      code: "42703",
      position: "8",
    });
    await expect(client.query("select $1::int", ["x"])).rejects.toMatchObject({ code: "22P02" });
    expect((await client.query("select 'on' as n")).rows).toEqual([{ n: "on" }]);
  });

  test("a transaction, and one that fails", async () => {
    await client.query("begin");
    await client.query("insert into by_pg values ($1, $2)", [1, "one"]);
    await client.query("commit");
    await client.query("begin");
    await client.query("insert into by_pg values (2, 'two')");
    await expect(client.query("insert into by_pg values (1, 'again')")).rejects.toMatchObject({
      code: "23505",
      table: "by_pg",
    });
    await expect(client.query("select 1")).rejects.toMatchObject({ code: "25P02" });
    await client.query("rollback");
    expect((await other.query("select id from by_pg")).rows).toEqual([{ id: 1 }]);
  });

  test("a pipeline of queries, one of which fails", async () => {
    const pipelined = await connectPg(transport(), { pipeline: true });
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    const settled = await Promise.allSettled(
      numbers.map((n) => pipelined.query("select 100 / $1::int as n", [n])),
    );
    const rows = settled.map((one) => (one.status === "fulfilled" ? one.value.rows[0]?.n : one.reason.code));
    expect(rows).toEqual(numbers.map((n) => (n === 0 ? "22012" : Math.trunc(100 / n))));
    await pipelined.end();
  });

  test("a cursor", async () => {
    const cursor = client.query(new Cursor<{ n: number }>("select n from generate_series(1, $1) n", [250]));
    const counts: number[] = [];
    for (let rows = await cursor.read(100); rows.length > 0; rows = await cursor.read(100))
      counts.push(rows.length);
    await cursor.close();
    expect(counts).toEqual([100, 100, 50]);
  });

  test("COPY in and out", async () => {
    await client.query("truncate by_pg");
    const lines = Array.from({ length: 20 }, (_, part) => linesOf(part * 250, 250));
    const writing = client.query(copyFrom("copy by_pg from stdin"));
    await pipeline(lines, writing);
    expect(writing.rowCount).toBe(5_000);
    const read: Buffer[] = [];
    for await (const chunk of client.query(copyTo("copy (select * from by_pg order by id) to stdout")))
      read.push(chunk);
    expect(Buffer.concat(read).toString()).toBe(lines.join(""));
  });

  test("LISTEN and NOTIFY", async () => {
    const heard = new Promise<pg.Notification>((resolve) => other.once("notification", resolve));
    await other.query("listen by_pg");
    await client.query("select pg_notify('by_pg', $1)", ["grün"]);
    expect(await heard).toMatchObject({ channel: "by_pg", payload: "grün" });
    await other.query("unlisten *");
  });

  test("a cancel", async () => {
    const running = expect(
      client.query("select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b"),
    ).rejects.toMatchObject({ code: "57014" });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await cancelPg(transport(), client);
    await running;
    expect((await client.query("select 'on' as n")).rows).toEqual([{ n: "on" }]);
  });

  test("many rows, and large values both ways", async () => {
    const { rows } = await client.query("select n, 'row ' || n as text from generate_series(1, 20000) n");
    expect([rows.length, rows.at(-1)]).toEqual([20_000, { n: 20_000, text: "row 20000" }]);
    const large = "0123456789abcdef".repeat(1 << 17);
    const echoed = await client.query("select $1::text as large", [large]);
    expect(echoed.rows[0]?.large === large).toBe(true);
  });
}
