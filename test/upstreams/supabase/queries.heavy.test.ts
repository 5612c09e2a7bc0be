// Statements, values and errors through the gateway and the real postgres-meta, by pg and postgres.js.
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { databases, type Gateway, startGateway } from "./gateway.ts";

describe.each(databases)("postgres-meta before %s", (_name, start) => {
  let gateway: Gateway;
  let client: pg.Client;
  let direct: pg.Client;
  beforeAll(async () => {
    gateway = await startGateway(start);
    client = await gateway.client();
    direct = await gateway.direct();
    await direct.query(`
      create table books (id serial primary key, title varchar(40) not null, price numeric(10,2));
      create type mood as enum ('sad', 'happy');
      create domain positive as int check (value > 0);
      create domain small as positive check (value < 100)`);
  });
  afterAll(async () => {
    await client?.end();
    await direct?.end();
    await gateway?.close();
  });
  beforeEach(() => gateway.forget());

  const rows = async (text: string, values: unknown[] = [], by = client): Promise<unknown[][]> =>
    (await by.query({ text, values, rowMode: "array" })).rows;
  const error = async (text: string, values: unknown[] = [], by = client): Promise<pg.DatabaseError> => {
    const failed = await by.query(text, values).then(
      () => undefined,
      (cause: pg.DatabaseError) => cause,
    );
    if (!failed) throw new Error(`no error: ${text}`);
    return failed;
  };

  test("statements are one request each", async () => {
    await client.query("insert into books (title, price) values ('a', 1.50), ('b', null)");
    expect(await rows("select * from books order by id")).toEqual([
      [1, "a", "1.50"],
      [2, "b", null],
    ]);
    expect(await rows("select title from books where id = $1", [2])).toEqual([["b"]]);
    expect(await rows("update books set price = $1 where id = $2 returning price, price", [3, 1])).toEqual([
      ["3.00", "3.00"],
    ]);
    await client.query("create table shelves (id int)");
    await client.query("explain select 1");
    expect(gateway.asked).toHaveLength(6);
  });

  test("tags and counts are PostgreSQL's", async () => {
    const tag = async (text: string, values: unknown[] = []): Promise<string> => {
      const { command, rowCount } = await client.query(text, values);
      return `${command} ${rowCount}`;
    };
    expect(await tag("update books set price = 2 where id = 1")).toBe("UPDATE 1");
    expect(await tag("delete from books where id = $1", [99])).toBe("DELETE 0");
    expect(await tag("insert into books (title) values ('x'), ('y')")).toBe("INSERT 2");
    expect(await tag("insert into books (title) values ('z') returning id")).toBe("INSERT 1");
    expect(await tag("select 1 union all select 2")).toBe("SELECT 2");
    expect(await tag("select from books limit 2")).toBe("SELECT 2");
    expect(await tag("create index on books (title)")).toBe("CREATE null");
    expect(await tag("create table copies as select * from books")).toBe("SELECT 5");
    expect(await tag("create table if not exists copies as select * from books")).toBe("CREATE null");
    expect(await tag("create table empty as select * from books with no data")).toBe("CREATE null");
    expect(await tag("select * into others from books limit 1")).toBe("SELECT 1");
    expect(
      await tag(
        "merge into copies using (values (1), (100)) v(i) on id = v.i when matched then update set price = 0 when not matched then insert values (v.i, 'm')",
      ),
    ).toBe("MERGE 2");
    expect(
      await tag(
        "merge into copies using (values ($1::int)) v(i) on id = v.i when matched then delete",
        [100],
      ),
    ).toBe("MERGE 1");
    expect(await tag("with gone as (delete from copies returning id) select count(*) from gone")).toBe(
      "SELECT 1",
    );
    expect(
      await tag("with old as (select 1 as id) delete from books using old where books.id = old.id + 50"),
    ).toBe("DELETE 0");
  });

  test("columns keep equal names, odd names, and their types", async () => {
    const { fields } = await client.query({
      text: `select 1 as a, 2 as a, 3 as "A ""b\\", 'sad'::mood, 5::small as a, array['sad'::mood], row(1, 'x'), null, 1.5::float4 where false`,
      rowMode: "array",
    });
    const mood = (
      await rows("select 'mood'::regtype::oid::int, 'mood[]'::regtype::oid::int", [], direct)
    )[0] as number[];
    expect(fields.map(({ name, dataTypeID, dataTypeSize }) => [name, dataTypeID, dataTypeSize])).toEqual([
      ["a", 23, 4],
      ["a", 23, 4],
      ['A "b\\', 23, 4],
      ["mood", mood[0], 4],
      ["a", 23, 4],
      ["array", mood[1], -1],
      ["row", 2249, -1],
      ["?column?", 25, -1],
      ["float4", 700, 4],
    ]);
  });

  test("values are the server's text, of every type of the catalog", async () => {
    const values = [
      "9223372036854775807::int8",
      "'-0.10'::numeric",
      "'NaN'::numeric",
      "1e20::float8",
      "'-0'::float8",
      "'infinity'::timestamptz",
      "'0044-03-15 BC'::date",
      "'2020-01-01 00:00:00.123456+02'::timestamptz",
      "'1 year 2 days'::interval",
      "'\\x00ff'::bytea",
      `'{"a": 1.10, "b": [null]}'::json`,
      `'{"b": 1.10}'::jsonb`,
      "'{{1,NULL},{3,4}}'::int[]",
      '\'[2:3]={a,"b,\\"c"}\'::text[]',
      "''",
      "' '",
      `'a"b\\c,(d)'`,
      "E'\\n\\t'",
      "'null'",
      "null::text",
      "'😀é'::text",
      "'(1,2)'::point",
      "'[1,5)'::int4range",
      "'{[1,2),[5,6)}'::int4multirange",
      "'192.168.0.1/24'::inet",
      "B'101'",
      "'happy'::mood",
      "42::small",
      "row(1, 'a \"q\"', null, row(''))",
      "'pg_class'::regclass",
      "'a & b'::tsquery",
      "'2 1'::int2vector",
      "'12.34'::money",
      "'<a>&amp;</a>'::text",
      "true",
      "'c'::\"char\"",
    ];
    const select = `select ${values.join(", ")}`;
    const types = { getTypeParser: () => (text: string) => text } as unknown as typeof pg.types;
    const texts = { text: select, rowMode: "array", types } as const;
    const [expected] = (await direct.query(texts)).rows;
    expect((await client.query(texts)).rows[0]).toEqual(expected);
    for (const [at, value] of values.entries()) {
      const { rows: one } = await client.query({ ...texts, text: `select ${value}` });
      expect(one[0], value).toEqual([expected?.[at]]);
    }
  });

  test("any text goes and comes back", async () => {
    const text = fc.string({ unit: "grapheme" }).map((value) => value.replaceAll("\0", ""));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(text), { minLength: 1, maxLength: 5 }), async (values) => {
        const list = values.map((_, at) => `$${at + 1}::text`).join(", ");
        expect(await rows(`select ${list}`, values)).toEqual([values]);
        expect(await rows(`select array[${list}]`, values)).toEqual([[values]]);
      }),
      { numRuns: 40 },
    );
  });

  test("parameters are taken as Bind's are", async () => {
    expect(await rows("select $1::int8 + 1, $2, $3::text is null", ["9007199254740993", "x", null])).toEqual([
      ["9007199254740994", "x", true],
    ]);
    const quotes = `'; drop table books; -- \\' $1 E'`;
    expect(await rows("select $1::text", [quotes])).toEqual([[quotes]]);
    expect(await rows("select title from books where title = $1", ["a"])).toEqual([["a"]]);
    const date = await rows("select $1::timestamptz = $2, $3::int[]", [
      "2020-01-01Z",
      "2020-01-01 01:00+01",
      [1, null],
    ]);
    expect(date).toEqual([[true, [1, null]]]);
    const wrong = await error("select $1::int", ["x"]);
    expect([wrong.code, wrong.message, wrong.position]).toEqual([
      "22P02",
      'invalid input syntax for type integer: "x"',
      undefined,
    ]);
    expect((await error("select $1::text", ["a\0b"])).code).toBe("22021");
    expect((await error("select $2::int")).code).toBe("42P02");
  });

  test.each([
    ["selec 1"],
    ["select é, nope from books"],
    ["select '😀', nope"],
    ["with x as (select 1) select nope from x"],
    ["insert into books (nope) values (1)"],
    ["insert into books (id, title) values (1, 'again')"],
    ["insert into books (id, title) values (50, null)"],
    ["select 1/0"],
    ["select 5::small * 100, 500::small"],
    ["explain select nope from books"],
    ["create table as select 1"],
    ["create table bad as select nope from books"],
    [
      "do $$ begin raise exception using errcode = 'ZZ001', message = 'm', detail = 'd', hint = 'h', column = 'c', constraint = 'k', datatype = 't', table = 'tt', schema = 's'; end $$",
    ],
    ["do $$ begin perform nope(); end $$"],
    ["select $1"],
    ["select * from (select 1"],
    ["select 1 from books order by 2"],
  ])("an error is the server's: %s", async (text) => {
    const fields = (cause: pg.DatabaseError): unknown =>
      [
        "code",
        "message",
        "severity",
        "detail",
        "hint",
        "position",
        "internalPosition",
        "internalQuery",
        "where",
        "schema",
        "table",
        "column",
        "dataType",
        "constraint",
      ].map((name) => [name, cause[name as keyof pg.DatabaseError]]);
    expect(fields(await error(text))).toEqual(fields(await error(text, [], direct)));
  });

  test("an error of a statement with parameters has its place", async () => {
    for (const text of [
      "select $1::int, nope",
      "select $1::int from nope where id = $1",
      "update books set nope = $1",
    ]) {
      const [ours, theirs] = [await error(text, [1]), await error(text, [1], direct)];
      expect([ours.code, ours.message, ours.position]).toEqual([
        theirs.code,
        theirs.message,
        theirs.position,
      ]);
    }
  });

  test("a statement is described without running it, in one request", async () => {
    await client.query(
      "create function noisy() returns int language plpgsql as $$ begin insert into books (title) values ('noise'); return 1; end $$",
    );
    const sql = gateway.postgres({ fetch_types: false });
    try {
      const described = async (text: string): Promise<unknown> => {
        gateway.forget();
        const { types, columns } = (await sql.unsafe(text).describe()) as unknown as {
          types: number[];
          columns: { name: string; type: number }[];
        };
        expect(gateway.asked.filter((asked) => asked.includes("PREPARE"))).toHaveLength(1);
        return [[...types], columns.map(({ name, type }) => [name, type])];
      };
      expect(await described("select id as a, title as a, $1::int8 from books where price > $2")).toEqual([
        [20, 1700],
        [
          ["a", 23],
          ["a", 1043],
          ["int8", 20],
        ],
      ]);
      expect(await described("select noisy() as n, 1 / $1::int")).toEqual([
        [23],
        [
          ["n", 23],
          ["?column?", 23],
        ],
      ]);
      expect(
        await described("insert into books (title) values ($1) returning id, title as t, id, noisy()"),
      ).toEqual([
        [1043],
        [
          ["id", 23],
          ["t", 1043],
          ["id", 23],
          ["noisy", 23],
        ],
      ]);
      expect(
        await described(
          "with old as (delete from books where id = $1 returning *) select price, 5::small from old",
        ),
      ).toEqual([
        [23],
        [
          ["price", 1700],
          ["small", 23],
        ],
      ]);
      expect(await described("update books set price = $1 where title = $2")).toEqual([[1700, 25], []]);
      // Once for a text, until the schema changes.
      gateway.forget();
      await sql.unsafe("update books set price = $1 where title = $2").describe();
      expect(gateway.asked).toEqual([]);
      await client.query("alter table books alter price type float8");
      expect(await described("update books set price = $1 where title = $2")).toEqual([[701, 25], []]);
      await client.query("alter table books alter price type numeric(10,2)");
    } finally {
      await sql.end();
    }
    expect(await rows("select count(*) from books where title = 'noise'")).toEqual([["0"]]);
    expect(await rows("select count(*) > 0 from books")).toEqual([[true]]);
  });

  test("procedures give their output arguments", async () => {
    await direct.query(`
      create procedure outs(inout a int, out b text, c mood) language plpgsql as $$ begin a := a + 1; b := c || ', "x"'; end $$;
      create procedure commits() language plpgsql as $$ begin insert into books (title) values ('p'); commit; end $$`);
    const { command, rows: out } = await client.query("call outs(1, null, 'sad')");
    expect([command, out]).toEqual(["CALL", [{ a: 2, b: 'sad, "x"' }]]);
    expect((await client.query("call commits()")).rows).toEqual([]);
    expect(await rows("select count(*) from books where title = 'p'")).toEqual([["1"]]);
  });

  test("a large result comes whole", async () => {
    const many = await rows("select i, repeat('é', 100) from generate_series(1, 20000) i");
    expect(many).toHaveLength(20_000);
    expect(many.at(-1)).toEqual([20_000, "é".repeat(100)]);
  });
});
