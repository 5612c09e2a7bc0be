/** What /sql answers over any upstream that is a PostgreSQL in the end, which is the judge of values. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { jsonOfValue } from "../../src/http/json-values.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { rawArrays, SqlClient } from "./sql-client.ts";

export interface SuiteUpstream {
  readonly upstream: Upstream;
  close(): Promise<void>;
}

export function sqlSuite(name: string, open: () => Promise<SuiteUpstream>): void {
  describe(name, () => {
    let opened: SuiteUpstream;
    let sql: SqlClient;
    beforeAll(async () => {
      opened = await open();
      sql = new SqlClient(opened.upstream);
    });
    afterAll(() => opened?.close());
    const client = (): SqlClient => sql;

    results(client);
    values(client);
    parameters(client);
    batches(client);
    errors(client);
    refusals(client);
  });
}

type Client = () => SqlClient;

function results(client: Client): void {
  describe("results", () => {
    test("have all of their fields, in Neon's order", async () => {
      const sql = client();
      await sql.batch([
        "drop table if exists shapes",
        "create table shapes (id int primary key, name varchar(20))",
      ]);
      await sql.query("insert into shapes values (1, 'circle')");
      const [[tableID]] = (await sql.rows("select 'shapes'::regclass::oid")) as [[string]];
      const { status, headers, text } = await sql.query("select id, name, id + 1 as next from shapes");
      expect(status).toBe(200);
      expect(headers.get("content-type")).toBe("application/json");
      expect(headers.get("access-control-allow-origin")).toBe("*");
      const none = { tableID: 0, columnID: 0 };
      const int = { dataTypeID: 23, dataTypeSize: 4, dataTypeModifier: -1, format: "text" };
      const shown = JSON.parse(text);
      expect(Object.keys(shown)).toEqual(["fields", "rows", "command", "rowCount", "rowAsArray"]);
      expect(shown).toEqual({
        fields: [
          { name: "id", ...int, tableID: Number(tableID), columnID: 1 },
          {
            name: "name",
            dataTypeID: 1043,
            tableID: Number(tableID),
            columnID: 2,
            dataTypeSize: -1,
            dataTypeModifier: 24,
            format: "text",
          },
          { name: "next", ...int, ...none },
        ],
        rows: [{ id: 1, name: "circle", next: 2 }],
        command: "SELECT",
        rowCount: 1,
        rowAsArray: false,
      });
    });

    test("are arrays of text where that is asked for", async () => {
      const query = "select 1 as a, true as b, null as c";
      const answer = await client().query(query, [], rawArrays);
      expect(answer.rows).toEqual([["1", "t", null]]);
      expect(answer.rowAsArray).toBe(true);
      // Only "true" is true, and the query's own word counts more than the header's.
      const almost = { "neon-raw-text-output": "TRUE", "neon-array-mode": "1" };
      expect((await client().query(query, [], almost)).rows).toEqual([{ a: 1, b: true, c: null }]);
      expect((await client().post({ query, arrayMode: true })).rows).toEqual([[1, true, null]]);
      const ownMode = await client().post({ query, arrayMode: false }, rawArrays);
      expect(ownMode.rows).toEqual([{ a: "1", b: "t", c: null }]);
      expect(ownMode.rowAsArray).toBe(false);
    });

    test("keep columns of one name apart as arrays, and in the text of objects", async () => {
      expect((await client().query("select 1 as a, 2 as a", [], rawArrays)).rows).toEqual([["1", "2"]]);
      expect((await client().query("select 1 as a, 2 as a")).text).toContain('"rows":[{"a":1,"a":2}]');
      expect((await client().query(`select 1 as "__proto__", 2 as "q""uote"`)).text).toContain(
        '[{"__proto__":1,"q\\"uote":2}]',
      );
    });

    test.each([
      ["select 1 where false", "SELECT", 0],
      ["select", "SELECT", 1],
      ["values (1), (2)", "SELECT", 2],
      ["create table if not exists counted (a int)", "CREATE", null],
      ["insert into counted values (1), (2), (3)", "INSERT", 3],
      ["update counted set a = a + 1 where a > 1", "UPDATE", 2],
      ["delete from counted where a > 3 returning a", "DELETE", 1],
      ["truncate counted", "TRUNCATE", null],
      ["drop table counted", "DROP", null],
      ["do $$ begin raise notice 'nobody hears it'; end $$", "DO", null],
      ["set application_name = 'gone'", "SET", null],
      ["", "", null],
      ["-- nothing", "", null],
    ])("%s", async (query, command, rowCount) => {
      const answer = await client().query(query);
      expect(answer).toMatchObject({ status: 200, command, rowCount });
      if (rowCount === null || command === "INSERT" || command === "UPDATE") {
        expect(answer).toMatchObject({ fields: [], rows: [] });
      }
    });

    test("of no rows have their fields", async () => {
      const { fields, rows } = await client().query("select 1 as a, 'x'::text as b where false");
      expect(fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([
        ["a", 23],
        ["b", 25],
      ]);
      expect(rows).toEqual([]);
    });

    test("of a row without columns", async () => {
      expect((await client().query("select")).rows).toEqual([{}]);
      expect((await client().query("select", [], rawArrays)).rows).toEqual([[]]);
    });
  });
}

/** Expressions of many types, and what they are in JSON. */
const decoded: readonly (readonly [string, unknown])[] = [
  ["true", true],
  ["false", false],
  ["32767::int2", 32767],
  ["'-2147483648'::int4", -2147483648],
  ["9007199254740993::int8", "9007199254740993"],
  ["1e20::float8", 1e20],
  ["'-1.5e-7'::float8", -1.5e-7],
  ["'-0'::float8", -0],
  ["42.42::float4", 42.42],
  ["'NaN'::float8", "NaN"],
  ["'-Infinity'::float4", "-Infinity"],
  ["12345678901234567890.123456789::numeric", "12345678901234567890.123456789"],
  ["'NaN'::numeric", "NaN"],
  ["'\\xdeadbeef'::bytea", "\\xdeadbeef"],
  ["'ä\t\"\\ \u{1f600}'::text", 'ä\t"\\ \u{1f600}'],
  ['\'{"b": [1, 2.50, null], "a": "é"}\'::json', { b: [1, 2.5, null], a: "é" }],
  ["'[1, {\"a\": null}]'::jsonb", [1, { a: null }]],
  ["'null'::jsonb", null],
  ["'2024-02-29'::date", "2024-02-29"],
  ["'2024-02-29 12:34:56.789+00'::timestamptz at time zone 'UTC'", "2024-02-29 12:34:56.789"],
  ["'1 day 02:00'::interval", "1 day 02:00:00"],
  ["'a'::char(3)", "a  "],
  ["26::oid", "26"],
  ["array[1, null, 3]", [1, null, 3]],
  [
    "array[[1, 2], [3, 4]]",
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ["'{}'::int[]", []],
  ["'[2:3]={7,8}'::int[]", [7, 8]],
  ["array[true, false]", [true, false]],
  ["array[1.5, 'NaN']::float8[]", [1.5, "NaN"]],
  ["array[1, 2]::int8[]", ["1", "2"]],
  [
    "array['a', 'b \"c\\', '', 'NULL', null, 'x,y', '{', ' pad ']",
    ["a", 'b "c\\', "", "NULL", null, "x,y", "{", " pad "],
  ],
  ["array['{\"a\": [1]}', 'null']::jsonb[]", [{ a: [1] }, null]],
  ["array['(1,1),(0,0)', '(3,3),(2,2)']::box[]", ["(1,1),(0,0)", "(3,3),(2,2)"]],
  ["array['\\x01'::bytea]", ["\\x01"]],
  ["'1 2 3'::int2vector", "1 2 3"],
  ["row(1, 'a b')", '(1,"a b")'],
  ["'[1,5)'::int4range", "[1,5)"],
];

function values(client: Client): void {
  describe("values", () => {
    test("in raw mode are PostgreSQL's own text", async () => {
      const columns = decoded.map(([expression], at) => `(${expression}) as c${at}`);
      const formatted = decoded.map((_, at) => `format('%s', c${at})`);
      const [texts] = (await client().rows(
        `select ${formatted.join(", ")} from (select ${columns.join(", ")}) as all_values`,
      )) as string[][];
      const [raw] = (await client().rows(`select ${columns.join(", ")}`)) as string[][];
      expect(raw).toEqual(texts);
      // What the list says of text is the text, too.
      for (const [at, [, value]] of decoded.entries()) {
        if (typeof value === "string") expect(raw?.[at]).toBe(value);
      }
    });

    test("of all built-in array types are arrays, those of rows of the catalog excepted", async () => {
      const arrays = (await client().rows(
        `select a.oid from pg_type as a join pg_type as e on e.oid = a.typelem
          where a.typcategory = 'A' and a.typlen = -1 and a.typsubscript = 'array_subscript_handler'::regproc
            and a.oid < 10000 and e.typtype <> 'c' and a.typname not in ('int2vector', 'oidvector')`,
      )) as [string][];
      expect(arrays.length).toBeGreaterThan(70);
      expect(arrays.filter(([typeOid]) => jsonOfValue(Number(typeOid), "{}") !== "[]")).toEqual([]);
    });

    test("else are what JSON has for them", async () => {
      const columns = decoded.map(([expression], at) => `(${expression}) as c${at}`);
      const { rows } = await client().post({ query: `select ${columns.join(", ")}`, arrayMode: true });
      expect(rows).toEqual([decoded.map(([, value]) => value)]);
    });
  });
}

function parameters(client: Client): void {
  /** What PostgreSQL was told: parameters without a type are text in `select $1`. */
  const echo = async (value: unknown, type = "text"): Promise<unknown> =>
    ((await client().rows(`select $1::${type}`, [value])) as [[unknown]])[0][0];

  describe("parameters", () => {
    test.each([
      [null, null],
      [true, "true"],
      [12.5, "12.5"],
      ["verbatim \\ \" ' {1}", "verbatim \\ \" ' {1}"],
      [{ a: [1, "é", null] }, '{"a":[1,"é",null]}'],
      [[1, [2, null]], "{1,{2,NULL}}"],
      [[], "{}"],
      [
        ['a"b\\c\nd', "", "NULL", true, { k: 'v"' }],
        '{"a\\"b\\\\c\nd","","NULL",true,"{\\"k\\":\\"v\\\\\\"\\"}"}',
      ],
    ])("%j is %s", async (value, text) => {
      expect(await echo(value)).toBe(text);
    });

    test("of arrays are the arrays that they were", async () => {
      const texts = ['a"b\\c\nd', "", "NULL", "x,y", " { "];
      const answer = await client().query("select $1::text[] as a, $2::int[] as b, $3::jsonb[] as c", [
        texts,
        [
          [1, 2],
          [3, 4],
        ],
        [{ a: 1 }, { b: [2] }],
      ]);
      expect(answer.rows).toEqual([
        {
          a: texts,
          b: [
            [1, 2],
            [3, 4],
          ],
          c: [{ a: 1 }, { b: [2] }],
        },
      ]);
    });

    test("get their types from where they are used", async () => {
      const { rows } = await client().query("select $1 + 1 as n, $2 as t, $3::date + 1 as d", [
        "41",
        "42",
        "2024-02-28",
      ]);
      expect(rows).toEqual([{ n: 42, t: "42", d: "2024-02-29" }]);
    });

    test("that are long numbers keep their digits", async () => {
      const body =
        '{"query": "select $1::numeric::text as n, $2::jsonb as j, $3::numeric[]::text as a", "params": [12345678901234567890.10, {"n": 12345678901234567890}, [0.1234567890123456789]]}';
      expect((await client().post(body, rawArrays)).rows).toEqual([
        ["12345678901234567890.10", '{"n": 12345678901234567890}', "{0.1234567890123456789}"],
      ]);
    });

    test("too few, too many, or of the wrong form are PostgreSQL's errors", async () => {
      expect(await client().query("select $1::int, $2::int", ["1"])).toMatchObject({
        status: 400,
        code: "08P01",
      });
      expect(await client().query("select 1", ["1"])).toMatchObject({ status: 400, code: "08P01" });
      expect(await client().query("select $1::int", ["x"])).toMatchObject({ status: 400, code: "22P02" });
    });
  });
}

function batches(client: Client): void {
  describe("batches", () => {
    beforeEach(async () => {
      await client().batch([
        "drop table if exists kept",
        "create table kept (a int primary key deferrable initially immediate)",
      ]);
    });

    test("answer each query", async () => {
      const { status, text, results } = await client().post({
        queries: [
          { query: "insert into kept values ($1), ($2)", params: ["1", 2] },
          { query: "select a from kept order by a", arrayMode: true },
          { query: "" },
          { query: "create index on kept (a)" },
        ],
      });
      expect(status).toBe(200);
      expect(Object.keys(JSON.parse(text))).toEqual(["results"]);
      expect(results.map(({ command, rowCount, rows }) => [command, rowCount, rows])).toEqual([
        ["INSERT", 2, []],
        ["SELECT", 2, [[1], [2]]],
        ["", null, []],
        ["CREATE", null, []],
      ]);
    });

    test("of no queries are empty", async () => {
      expect(await client().post({ queries: [] })).toMatchObject({ status: 200, results: [] });
    });

    test("are one transaction: an error undoes all, and is all of the answer", async () => {
      const failed = await client().batch([
        "insert into kept values (1)",
        "insert into kept values (1)",
        "insert into kept values (2)",
      ]);
      expect(failed).toMatchObject({
        status: 400,
        code: "23505",
        constraint: "kept_pkey",
        table: "kept",
        schema: "public",
      });
      expect(failed.results).toBeUndefined();
      expect(await client().rows("select a from kept")).toEqual([]);
      expect(await client().batch(["insert into kept values (3)", "selec"])).toMatchObject({ code: "42601" });
      expect(await client().rows("select a from kept")).toEqual([]);
    });

    test("see their own settings", async () => {
      const { results } = await client().batch([
        "set local datestyle = 'German'",
        "select '2024-02-29'::date::text as d",
      ]);
      expect(results[1]?.rows).toEqual([{ d: "29.02.2024" }]);
      expect(await client().rows("select '2024-02-29'::date::text")).toEqual([["2024-02-29"]]);
    });

    test("fail at COMMIT, if that is when the error comes", async () => {
      const failed = await client().batch([
        "set constraints all deferred",
        "insert into kept values (1), (1)",
        "select 'was run' as t",
      ]);
      expect(failed).toMatchObject({ status: 400, code: "23505" });
      expect(await client().rows("select a from kept")).toEqual([]);
    });

    test.each([
      ["ReadUncommitted", "read uncommitted"],
      ["ReadCommitted", "read committed"],
      ["RepeatableRead", "repeatable read"],
      ["Serializable", "serializable"],
    ])("isolated as %s", async (header, isolation) => {
      const headers = { "neon-batch-isolation-level": header };
      const answer = await client().batch(["select current_setting('transaction_isolation') as i"], headers);
      expect(answer.results[0]?.rows).toEqual([{ i: isolation }]);
      expect(answer.headers.get("neon-batch-isolation-level")).toBe(header);
      expect(answer.headers.get("neon-batch-read-only")).toBeNull();
    });

    test("read only and deferrable", async () => {
      const headers = {
        "neon-batch-isolation-level": "Serializable",
        "neon-batch-read-only": "true",
        "neon-batch-deferrable": "true",
      };
      const query =
        "select current_setting('transaction_read_only') as r, current_setting('transaction_deferrable') as d";
      const answer = await client().batch([query], headers);
      expect(answer.results[0]?.rows).toEqual([{ r: "on", d: "on" }]);
      expect(answer.headers.get("neon-batch-read-only")).toBe("true");
      expect(answer.headers.get("neon-batch-deferrable")).toBe("true");
      expect(await client().batch(["insert into kept values (1)"], headers)).toMatchObject({ code: "25006" });
    });

    test("of a level that there is not are refused", async () => {
      const headers = { "neon-batch-isolation-level": "serializable" };
      expect(await client().batch(["select 1"], headers)).toMatchObject({
        status: 400,
        message: "invalid isolation level",
      });
    });
  });
}

function errors(client: Client): void {
  describe("errors", () => {
    test("have all of PostgreSQL's fields, and null for the others", async () => {
      const { status, text, headers } = await client().query("select * from nowhere");
      expect(status).toBe(400);
      expect(headers.get("access-control-allow-origin")).toBe("*");
      const error = JSON.parse(text);
      expect(Object.keys(error)).toEqual([
        ...[
          "message",
          "code",
          "detail",
          "hint",
          "position",
          "internalPosition",
          "internalQuery",
          "severity",
          "where",
        ],
        ...["table", "column", "schema", "dataType", "constraint", "file", "line", "routine"],
      ]);
      expect(error).toMatchObject({
        message: 'relation "nowhere" does not exist',
        code: "42P01",
        position: "15",
        severity: "ERROR",
        detail: null,
        table: null,
        file: "parse_relation.c",
        line: expect.stringMatching(/^\d+$/),
        routine: "parserOpenTable",
      });
    });

    test("inside of functions", async () => {
      const sql = `do $$ begin execute 'select 1/0 from nowhere'; end $$`;
      expect(await client().query(sql)).toMatchObject({
        code: "42P01",
        position: null,
        internalPosition: "17",
        internalQuery: "select 1/0 from nowhere",
        where: expect.stringContaining("inline_code_block line 1 at EXECUTE"),
      });
    });

    test("with detail and hint", async () => {
      const sql =
        "do $$ begin raise exception 'no' using detail = 'd', hint = 'h', errcode = 'EW001', column = 'c', datatype = 't'; end $$";
      expect(await client().query(sql)).toMatchObject({
        ...{ message: "no", code: "EW001", detail: "d", hint: "h", column: "c", dataType: "t" },
      });
    });

    test("after rows: only the error", async () => {
      const answer = await client().query("select 1 / (3 - a) as q from generate_series(1, 5) as a");
      expect(answer).toMatchObject({ status: 400, code: "22012" });
      expect(answer.rows).toBeUndefined();
    });

    test("several statements in one query are one too many", async () => {
      expect(await client().query("select 1; select 2")).toMatchObject({ status: 400, code: "42601" });
    });
  });
}

function refusals(client: Client): void {
  describe("refuses what outlives a request", () => {
    test.each(["begin", "start transaction read only", "begin isolation level serializable"])(
      "%s",
      async (query) => {
        expect(await client().query(query)).toMatchObject({
          status: 400,
          code: "0A000",
          message: "a transaction cannot stay open over HTTP",
          hint: expect.stringContaining('{"queries": […]}'),
        });
      },
    );

    test.each(["copy (select 1) to stdout", "copy leftovers from stdin"])("%s", async (query) => {
      await client().query("create table if not exists leftovers (a int)");
      const headers = { "neon-array-mode": "true" };
      for (const answer of [
        await client().query(query),
        await client().batch(["select 1", query], headers),
      ]) {
        expect(answer).toMatchObject({
          status: 400,
          code: "0A000",
          message: expect.stringMatching(/COPY.*over HTTP/),
        });
      }
      // The next one finds all in order.
      expect(await client().rows("select count(*) from leftovers")).toEqual([["0"]]);
    });
  });

  test("requests at once are told apart", async () => {
    const asked = Array.from({ length: 20 }, (_, at) => String(at));
    const answers = await Promise.all(
      asked.map((at) => client().rows("select $1::text, pg_sleep(0.001)::text", [at])),
    );
    expect(answers.map((rows) => (rows as [[string]])[0][0])).toEqual(asked);
  });
}
