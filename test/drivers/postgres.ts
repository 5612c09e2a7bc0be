/** What the users of postgres (postgres.js) do, over any transport. It pipelines, and prepares what it runs. */
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Transport } from "../conformance/transports/transport.ts";
import { connectPostgres } from "./connect.ts";
import { linesOf } from "./copy-lines.ts";

/** Call it inside of `describe`. */
export function postgresSuite(transport: () => Transport): void {
  let sql: postgres.Sql;

  beforeAll(async () => {
    sql = connectPostgres(transport(), { max: 1, onnotice: () => {} });
    await sql`create table by_postgres (id int primary key, name text)`;
  });
  afterAll(async () => {
    await sql`drop table by_postgres`;
    await sql.end({ timeout: 5 });
  });

  test("rows and columns", async () => {
    const rows = await sql`select 1 as a, null as b, ${"c"}::text as c`;
    expect([...rows]).toEqual([{ a: 1, b: null, c: "c" }]);
    expect(rows.columns.map(({ name, type }) => [name, type])).toEqual([
      ["a", 23],
      ["b", 25],
      ["c", 25],
    ]);
  });

  test("parameters and types", async () => {
    const bytes = Buffer.from([0, 1, 0xff]);
    const [row] = await sql`
      select ${42}::int4 as int, ${true}::bool as bool, ${bytes}::bytea as bytes, ${sql.array(["a", 'b"c'])}::text[] as texts,
        ${sql.json({ k: [1] })}::jsonb as json, ${new Date(0)}::timestamptz as time, ${null}::text as none,
        12345678901234567890.5::numeric as numeric, 9007199254740993::int8 as big`;
    expect(row).toEqual({
      int: 42,
      bool: true,
      bytes,
      texts: ["a", 'b"c'],
      json: { k: [1] },
      time: new Date(0),
      none: null,
      numeric: "12345678901234567890.5",
      big: "9007199254740993",
    });
  });

  test("several statements in one text", async () => {
    const results = await sql.unsafe("select 1 as n; select 2 as n");
    expect(results.map((rows) => [...(rows as unknown as Iterable<unknown>)])).toEqual([
      [{ n: 1 }],
      [{ n: 2 }],
    ]);
  });

  test("an error has its fields, and the connection goes on", async () => {
    await expect(sql`select nosuch from pg_class`).rejects.toMatchObject({ code: "42703", position: "8" });
    await expect(sql`select ${"x"}::int / 0`).rejects.toMatchObject({ code: "22P02" });
    expect([...(await sql`select 'on' as n`)]).toEqual([{ n: "on" }]);
  });

  test("a transaction with a savepoint, and one that fails", async () => {
    await sql.begin(async (inside) => {
      await inside`insert into by_postgres values (1, 'one')`;
      const refused = inside.savepoint(async (nested) => nested`insert into by_postgres values (1, 'again')`);
      await expect(refused).rejects.toMatchObject({ code: "23505" });
    });
    const failed = sql.begin(async (inside) => {
      await inside`insert into by_postgres values (2, 'two')`;
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    expect([...(await sql`select * from by_postgres`)]).toEqual([{ id: 1, name: "one" }]);
  });

  test("a pipeline of queries, one of which fails", async () => {
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    const settled = await Promise.allSettled(numbers.map((n) => sql`select 1 / ${n}::int as n`));
    expect(settled.map(({ status }) => status)).toEqual(
      numbers.map((n) => (n === 0 ? "rejected" : "fulfilled")),
    );
  });

  test("a transaction of one pipeline", async () => {
    const [, [row]] = await sql.begin((inside) => [
      inside`insert into by_postgres values (3, 'three')`,
      inside`select name from by_postgres where id = 3`,
    ]);
    expect(row).toEqual({ name: "three" });
  });

  test("a cursor, to its end and closed before", async () => {
    const counts: number[] = [];
    for await (const rows of sql`select n from generate_series(1, 250) n`.cursor(100))
      counts.push(rows.length);
    expect(counts).toEqual([100, 100, 50]);
    for await (const [row] of sql`select n from generate_series(1, 250) n`.cursor()) {
      expect(row).toEqual({ n: 1 });
      break;
    }
    expect([...(await sql`select 'on' as n`)]).toEqual([{ n: "on" }]);
  });

  test("COPY in and out", async () => {
    await sql`truncate by_postgres`;
    const lines = Array.from({ length: 20 }, (_, part) => linesOf(part * 250, 250));
    await pipeline(lines, await sql`copy by_postgres from stdin`.writable());
    // Fewer than fill its stream: it pauses its socket for more, and does not always take that back.
    const out = await sql`copy (select * from by_postgres where id < 1000 order by id) to stdout`.readable();
    expect(await text(out)).toBe(linesOf(0, 1_000));
  });

  test("LISTEN and NOTIFY", async () => {
    const heard = Promise.withResolvers<string>();
    const { unlisten } = await sql.listen("by_postgres", heard.resolve);
    await sql.notify("by_postgres", "grün");
    expect(await heard.promise).toBe("grün");
    await unlisten();
  });

  test("a cancel", async () => {
    const running = sql`select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b`;
    const refused = expect(running).rejects.toMatchObject({ code: "57014" });
    await new Promise((resolve) => setTimeout(resolve, 100));
    running.cancel();
    await refused;
    expect([...(await sql`select 'on' as n`)]).toEqual([{ n: "on" }]);
  });

  test("many rows, and large values both ways", async () => {
    const rows = await sql`select n, 'row ' || n as text from generate_series(1, 20000) n`;
    expect([rows.length, rows.at(-1)]).toEqual([20_000, { n: 20_000, text: "row 20000" }]);
    const large = "0123456789abcdef".repeat(1 << 17);
    const [echoed] = await sql`select ${large}::text as large`;
    expect(echoed?.large === large).toBe(true);
  });
}
