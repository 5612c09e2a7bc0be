// Statements, values and errors through the gateway and the double of the RDS Data API, by pg and postgres.js.
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Gateway, startGateway } from "./gateway.ts";

let gateway: Gateway;
let client: pg.Client;
beforeAll(async () => {
  gateway = await startGateway();
  client = await gateway.client();
});
afterAll(async () => {
  await client?.end();
  await gateway?.close();
});
beforeEach(() => gateway.double.forget());

const rows = async (text: string, values: unknown[] = []): Promise<unknown[][]> =>
  (await client.query({ text, values, rowMode: "array" })).rows;

describe("statements", () => {
  test("are one request each, in autocommit", async () => {
    await client.query(
      "create table books (id serial primary key, title text not null, price numeric(10,2))",
    );
    await client.query("insert into books (title, price) values ('a', 1.50), ('b', null)");
    expect(await rows("select * from books order by id")).toEqual([
      [1, "a", "1.50"],
      [2, "b", null],
    ]);
    expect(gateway.double.asked).toHaveLength(3);
  });

  test("have PostgreSQL's tags", async () => {
    const tag = async (text: string): Promise<string> => {
      const { command, rowCount } = await client.query(text);
      return `${command} ${rowCount}`;
    };
    expect(await tag("update books set price = 2 where id = 1")).toBe("UPDATE 1");
    expect(await tag("delete from books where id = 99")).toBe("DELETE 0");
    expect(await tag("insert into books (title) values ('x')")).toBe("INSERT 1");
    expect(await tag("insert into books (title) values ('y') returning id")).toBe("INSERT 1");
    expect(await tag("select 1 union all select 2")).toBe("SELECT 2");
    expect(await tag("create index on books (title)")).toBe("CREATE null");
  });

  test("keep columns of equal names, and names that are odd", async () => {
    const { fields } = await client.query({
      text: `select 1 as a, 2 as a, 3 as "A b", '1 day'::interval as a`,
      rowMode: "array",
    });
    expect(fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([
      ["a", 23],
      ["a", 23],
      ["A b", 23],
      ["a", 1186],
    ]);
  });

  test("a colon is PostgreSQL's unless a parameter is meant", async () => {
    expect(
      await rows("select (array[1,2,3])[1:2]::text, ':a'::text, $$:b$$, /* :c */ 1 as \":d\" -- :e"),
    ).toEqual([["{1,2}", ":a", ":b", 1]]);
    expect(await rows("select (array[1,2,3])[n:$1] from (values (2)) as v (n)", [3])).toEqual([[[2, 3]]]);
    expect(await rows("select make_interval(days := 2)::text")).toEqual([["2 days"]]);
  });
});

describe("parameters", () => {
  test("have the types that PostgreSQL finds for them", async () => {
    expect(await rows("select title from books where id = $1 and price > $2", [1, 0.5])).toEqual([["a"]]);
    expect(await rows("select $1::int8 + 1, $2, $3::text is null", ["9007199254740993", "x", null])).toEqual([
      ["9007199254740994", "x", true],
    ]);
    await client.query("create table lengths (c char(5), b bit(5))");
    await client.query("insert into lengths values ($1, $2)", ["abcde", "10101"]);
    expect(await rows("select * from lengths where c = $1 and b = $2", ["abcde", "10101"])).toEqual([
      ["abcde", "10101"],
    ]);
    await client.query("drop table lengths");
    const { fields } = await client.query("select $1::int4, $2", [1, "x"]);
    expect(fields.map(({ name }) => name)).toEqual(["int4", "?column?"]);
  });

  test("are asked for once", async () => {
    const text = "select title from books where id = $1 or title = $2";
    await client.query(text, [1, "b"]);
    gateway.double.forget();
    await client.query(text, [2, "b"]);
    expect(gateway.double.asked).toHaveLength(1);
  });

  test("of all kinds come back as they were", async () => {
    const values: [string, unknown][] = [
      ["int2", 12],
      ["int8", "9223372036854775807"],
      ["numeric", "123456789012345678901234567890.0000000001"],
      ["float4", 0.1],
      ["float8", 1e-7],
      ["bool", true],
      ["text", `it's "quoted" \\ :p1 $1`],
      ["bytea", Buffer.from([0, 1, 255])],
      ["uuid", "0d0d0d0d-0d0d-4d0d-8d0d-0d0d0d0d0d0d"],
      ["jsonb", { a: [1, null] }],
      ["interval::text", "1 year 2 mons"],
      ["inet", "10.0.0.1"],
      ["int4[]", [1, null, 3]],
      ["text[]", ["a b", "null", 'q"\\', "", null]],
      [
        "int4[]",
        [
          [1, 2],
          [3, 4],
        ],
      ],
      ["point::text", "(1,2)"],
      ["int4range", "[1,5)"],
      ["date::text", "2024-02-29"],
      ["timestamptz::text", "2024-02-29 12:00:00.5+00"],
    ];
    for (const [type, value] of values) {
      expect([type, (await rows(`select $1::${type}`, [value]))[0]?.[0]]).toEqual([type, value]);
    }
  });
});

describe("values", () => {
  const texts: readonly string[] = [
    "true",
    "'\\x00ff'::bytea",
    "1.5::float4",
    "0.1::float4",
    "1e20::float8",
    "'NaN'::float8",
    "'-Infinity'::float4",
    "100::numeric(10,3)",
    "'2024-01-02 03:04:05'::timestamp",
    "'2024-01-02 03:04:05.678901+02'::timestamptz",
    "'2024-01-02 03:04:05.5'::timestamptz",
    "'0044-03-15 BC'::date",
    "'infinity'::timestamptz",
    "'23:59:59.999'::time",
    "'12:00+02'::timetz",
    "'1 mon -3 days'::interval",
    "'ab'::char(4)",
    "'x'::\"char\"",
    "'10.0.0.1'::inet",
    "'10.0.0.0/8'::cidr",
    "'pg_class'::regclass",
    "16::oid",
    "b'101'",
    "'(1,2)'::point",
    "'[1,3)'::int4range",
    "'<a/>'::xml",
    "row(1,'a b',null)",
    "row(null,null)",
    "array[true,false,null]",
    "array['a b','NULL','x']::text[]",
    "array[0.1,2]::float4[]",
    "array[9223372036854775807]",
    "array[['a','b'],['c','d']]",
    "'[0:1]={1,2}'::int4[]",
    "array['2024-01-01 00:00+00']::timestamptz[]",
    "'{\"a\": 1}'::jsonb",
  ];

  test("are PostgreSQL's text, to the letter", async () => {
    const { rows: oracle, fields } = await gateway.double.db.query<string[]>(
      `select ${texts.join(", ")}`,
      [],
      {
        rowMode: "array",
        parsers: Object.fromEntries(Array.from({ length: 7_000 }, (_, at) => [at, (text: string) => text])),
      },
    );
    for (const [at, text] of texts.entries()) {
      const result = await client.query({
        text: `select ${text} as v`,
        rowMode: "array",
        types: { getTypeParser: () => (value: string) => value } as never,
      });
      const value = result.rows[0]?.[0];
      expect([text, value, result.fields[0]?.dataTypeID]).toEqual([
        text,
        oracle[0]?.[at],
        fields[at]?.dataTypeID,
      ]);
    }
  });

  test("come in binary where a client asks for it", async () => {
    const sql = gateway.postgres();
    try {
      const [row] =
        await sql`select ${1}::int4 as a, ${"x"}::text as b, ${[1, 2]}::int4[] as c, ${new Date(0)}::timestamptz as d`;
      expect(row).toEqual({ a: 1, b: "x", c: [1, 2], d: new Date(0) });
      expect(
        await sql`insert into books ${sql({ title: "z", price: "3.00" })} returning title, price`,
      ).toEqual([{ title: "z", price: "3.00" }]);
    } finally {
      await sql.end();
    }
    const { rows: binary } = await client.query({
      text: "select 1::int4, true, 'a'::text",
      binary: true,
      rowMode: "array",
    } as never);
    expect(binary).toEqual([[1, true, "a"]]);
  });

  test("of a type of the database's own come in binary, too", async () => {
    await client.query("create type mood as enum ('sad', 'happy'); create type pair as (a int, b mood)");
    const text = "select 'sad'::mood, row($1, 'happy')::pair";
    const { rows: binary } = await client.query({
      text,
      values: [1],
      binary: true,
      rowMode: "array",
    } as never);
    // Two fields: int4 1, and the enum's text.
    const pair = /^\0{3}\x02\0{3}\x17\0{3}\x04\0{3}\x01\0{2}..\0{3}\x05happy$/su;
    expect(binary).toEqual([["sad", expect.stringMatching(pair)]]);
    await client.query("drop type pair; drop type mood");
  });
});

describe("errors", () => {
  const failure = (text: string, values?: unknown[]): Promise<Record<string, unknown>> =>
    client.query(text, values).then(
      () => ({}),
      (error) => ({
        code: error.code,
        position: error.position,
        detail: error.detail,
        hint: error.hint,
        message: error.message,
      }),
    );

  test("have their code, and their position in the client's own text", async () => {
    expect(await failure("selec 1")).toMatchObject({ code: "42601", position: "1" });
    expect(await failure("select 1 from nowhere")).toMatchObject({ code: "42P01", position: "15" });
    const text = "select $1::int4 + $2::int4, '😀', missing from books";
    expect(await failure(text, [1, 2])).toMatchObject({ code: "42703", position: "34" });
    const untyped = "select id from books where id = $1 and missing = $2";
    expect(await failure(untyped, [1, 2])).toMatchObject({ code: "42703", position: "40" });
    expect(await failure("insert into books (id, title) values ($1, $2)", [1, "a"])).toMatchObject({
      code: "23505",
      detail: "Key (id)=(1) already exists.",
    });
    expect(await failure("select 1 / $1::int4", [0])).toMatchObject({ code: "22012" });
    expect(await failure("select $1")).toMatchObject({ code: "42P02", position: "8" });
  });

  test("have a code where the API leaves it out", async () => {
    gateway.double.withoutStates = true;
    try {
      expect(await failure("select 1 from nowhere")).toMatchObject({ code: "42P01" });
      expect(await failure("insert into books (title) values (null)")).toMatchObject({ code: "23502" });
    } finally {
      gateway.double.withoutStates = false;
    }
  });

  test("of time and size are told as such", async () => {
    expect(await failure("select pg_sleep(50)")).toMatchObject({ code: "57014" });
    expect(await failure("select repeat('x', 70000)")).toMatchObject({ code: "54000" });
    expect(await failure("select $1::text", ["x".repeat(4 * 1024 * 1024)])).toMatchObject({ code: "54000" });
  });

  test("the version that clients are told is the cluster's", async () => {
    const client = await gateway.client();
    const { rows } = await gateway.double.db.query<{ version: string }>(
      "select current_setting('server_version_num') as version",
    );
    const told = await client.query("show server_version_num");
    expect(told.rows).toEqual([{ server_version_num: rows[0]?.version }]);
    await client.end();
  });

  test("a database that wakes up is waited for", async () => {
    gateway.double.asleep = 2;
    expect(await rows("select 1")).toEqual([[1]]);
    expect(gateway.double.asked).toHaveLength(3);
    gateway.double.asleep = 4;
    expect(await failure("select 1")).toMatchObject({ code: "57P03" });
  });
});
