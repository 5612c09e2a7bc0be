/** Neon's serverless driver over HTTP: one request for a statement or for a whole transaction. */
import { NeonDbError, neon } from "@neondatabase/serverless";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectionString, wrongPassword } from "./neon.ts";

/** Call it inside of `describe`. */
export function neonHttpSuite(): void {
  const sql = neon(connectionString);

  beforeAll(async () => {
    await sql`create table by_neon (id int primary key, name text)`;
  });
  afterAll(async () => {
    await sql`drop table by_neon`;
  });

  test("a template with parameters", async () => {
    const name = "grün";
    expect(await sql`select ${42}::int as n, ${name} || '!' as name, ${null}::int as none`).toEqual([
      { n: 42, name: "grün!", none: null },
    ]);
  });

  test("templates in templates, and unsafe text", async () => {
    const column = sql.unsafe("n");
    const condition = sql`n > ${3}`;
    expect(await sql`select ${column} from generate_series(1, 5) n where ${condition}`).toEqual([
      { n: 4 },
      { n: 5 },
    ]);
  });

  test("query, with types of every kind", async () => {
    const [row] = await sql.query(
      `select $1::bool as bool, $2::int8 as big, $3::float8 as float, $4::jsonb as json, $5::text[] as texts,
        $6::timestamptz as time, $7::numeric as numeric, '\\x0001ff'::bytea as bytes, '{1,2}'::int[] as ints`,
      [true, "9007199254740993", 1.5, { k: [1] }, ["a", 'b"c', null], new Date(0), "12345678901234567890.5"],
    );
    // drizzle tells the driver, once and for all, to leave times as they are.
    expect({ ...row, time: new Date(row?.time) }).toEqual({
      bool: true,
      big: "9007199254740993",
      float: 1.5,
      json: { k: [1] },
      texts: ["a", 'b"c', null],
      time: new Date(0),
      numeric: "12345678901234567890.5",
      bytes: Buffer.from([0, 1, 0xff]),
      ints: [1, 2],
    });
  });

  test("arrayMode and fullResults", async () => {
    const result = await sql.query("select n, 'x' as n from generate_series(1, 2) n", [], {
      arrayMode: true,
      fullResults: true,
    });
    expect(result).toMatchObject({
      command: "SELECT",
      rowCount: 2,
      rowAsArray: true,
      rows: [
        [1, "x"],
        [2, "x"],
      ],
      fields: [
        { name: "n", dataTypeID: 23 },
        { name: "n", dataTypeID: 25 },
      ],
    });
    const arrays = neon(connectionString, { arrayMode: true });
    expect(await arrays`select 1, 2`).toEqual([[1, 2]]);
    const full = neon(connectionString, { fullResults: true });
    expect(await full`insert into by_neon values (100, 'x'), (101, 'y')`).toMatchObject({
      command: "INSERT",
      rowCount: 2,
      rows: [],
    });
  });

  test("a transaction is all or nothing", async () => {
    const [inserted, selected] = await sql.transaction([
      sql`insert into by_neon values (1, 'one') returning id`,
      sql`select name from by_neon where id = ${1}`,
    ]);
    expect([inserted, selected]).toEqual([[{ id: 1 }], [{ name: "one" }]]);
    const failing = sql.transaction((inside) => [
      inside`insert into by_neon values (2, 'two')`,
      inside`insert into by_neon values (1, 'again')`,
    ]);
    await expect(failing).rejects.toMatchObject({ code: "23505" });
    expect(await sql`select id from by_neon where id < 100`).toEqual([{ id: 1 }]);
  });

  test("a transaction's isolation level, read only and deferrable", async () => {
    const [rows] = await sql.transaction(
      [
        sql`select current_setting('transaction_isolation') as level,
          current_setting('transaction_read_only') as only, current_setting('transaction_deferrable') as deferrable`,
      ],
      { isolationLevel: "Serializable", readOnly: true, deferrable: true },
    );
    expect(rows).toEqual([{ level: "serializable", only: "on", deferrable: "on" }]);
    const writing = sql.transaction([sql`insert into by_neon values (3, 'three')`], { readOnly: true });
    await expect(writing).rejects.toMatchObject({ code: "25006" });
  });

  test("an error has PostgreSQL's fields", async () => {
    const failed = await sql`insert into by_neon values (100, 'again')`.catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(NeonDbError);
    expect(failed).toMatchObject({
      severity: "ERROR",
      code: "23505",
      message: 'duplicate key value violates unique constraint "by_neon_pkey"',
      detail: "Key (id)=(100) already exists.",
      table: "by_neon",
      constraint: "by_neon_pkey",
    });
    await expect(sql`select nosuch`).rejects.toMatchObject({ code: "42703", position: "8" });
    await expect(sql`select ${"x"}::int`).rejects.toMatchObject({ code: "22P02" });
  });

  test("a wrong password and an unknown database are refused", async () => {
    await expect(neon(wrongPassword)`select 1`).rejects.toMatchObject({ code: "28P01" });
    const nosuch = neon(connectionString.replace(/postgres$/, "nosuch"));
    await expect(nosuch`select 1`).rejects.toMatchObject({ code: "3D000" });
  });

  test("many at once, and a large answer", async () => {
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    const results = await Promise.all(numbers.map((n) => sql`select ${n}::int as n`));
    expect(results.map(([row]) => row?.n)).toEqual(numbers);
    const [row] = await sql`select repeat('0123456789abcdef', 131072) as large`;
    expect(row?.large.length).toBe(1 << 21);
  });
}
