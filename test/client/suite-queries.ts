/** The suite's part on queries: simple, extended, pipelined, prepared. */
import { describe, expect, test } from "vitest";
import { execute, pipeline, prepare, query, rowCount } from "../../src/client/mod.ts";
import type { Fixture } from "./fixture.ts";
import { errorOf, rejection } from "./outcome.ts";

const int4 = 23;

export function querySuite(fixture: Fixture): void {
  describe("simple query", () => {
    test("several statements in one text", async () => {
      const results = await query(
        fixture.connection,
        "CREATE TEMP TABLE s(a int); INSERT INTO s VALUES (1), (2); SELECT a, NULL AS n FROM s; DROP TABLE s",
      );
      expect(results.map(({ tag }) => tag)).toEqual(["CREATE TABLE", "INSERT 0 2", "SELECT 2", "DROP TABLE"]);
      expect(results[2]).toMatchObject({
        fields: [
          { name: "a", typeOid: int4, columnAttribute: 1, format: 0 },
          { name: "n", typeOid: 25, tableOid: 0 },
        ],
        rows: [
          ["1", null],
          ["2", null],
        ],
        suspended: false,
      });
      expect(results[1]).toMatchObject({ fields: [], rows: [] });
      expect(results.map(({ tag }) => rowCount(tag))).toEqual([undefined, 2, 2, undefined]);
    });

    test("empty texts", async () => {
      for (const sql of ["", ";;", "-- nothing", "/* nothing */"]) {
        expect(await query(fixture.connection, sql)).toEqual([
          { fields: [], rows: [], tag: "", suspended: false },
        ]);
      }
    });

    test("columns of one name, and with the names of Object's own properties", async () => {
      const [result] = await query(
        fixture.connection,
        'SELECT 1 AS a, 2 AS a, 3 AS "__proto__", 4 AS "constructor"',
      );
      expect(result?.fields.map(({ name }) => name)).toEqual(["a", "a", "__proto__", "constructor"]);
      expect(result?.rows).toEqual([["1", "2", "3", "4"]]);
    });

    test("an error, with all that PostgreSQL tells, after the results before it", async () => {
      const seen: string[] = [];
      const error = await rejection(
        query(fixture.connection, "SELECT 1; SELECT nosuch; SELECT 3", ({ tag }) => seen.push(tag)),
      );
      expect(error.fields).toMatchObject({
        severity: "ERROR",
        code: "42703",
        message: 'column "nosuch" does not exist',
        position: 18,
      });
      expect(seen).toEqual(["SELECT 1"]);
      await fixture.works();
    });

    test("text of every length, beyond ASCII too", async () => {
      const text = "päivää 日本語 😀 ".repeat(20_000);
      const [result] = await query(fixture.connection, `SELECT '${text}', length('${text}')`);
      expect(result?.rows[0]?.[0] === text).toBe(true);
      expect(result?.rows[0]?.[1]).toBe(String([...text].length));
    });

    test("100,000 rows", async () => {
      const [result] = await query(fixture.connection, "SELECT g FROM generate_series(1, 100000) g");
      expect(result?.rows.length).toBe(100_000);
      expect(result?.rows.at(-1)).toEqual(["100000"]);
    });

    test("the transaction's status", async () => {
      await query(fixture.connection, "BEGIN");
      expect(fixture.connection.status).toBe("T");
      expect(await errorOf(query(fixture.connection, "SELECT 1/0"))).toBe("ERROR 22012 division by zero");
      expect(fixture.connection.status).toBe("E");
      expect(await errorOf(query(fixture.connection, "SELECT 1"))).toMatch(/^ERROR 25P02 /);
      await query(fixture.connection, "ROLLBACK");
      await fixture.works();
    });
  });

  describe("extended query", () => {
    test("parameters as text, as bytes, and NULL", async () => {
      const result = await execute(fixture.connection, {
        sql: "SELECT $1::int + 1, $2::bytea, $3::text, $4::text",
        parameters: ["41", Uint8Array.of(0, 255, 1), null, "it's \\ $1"],
      });
      expect(result.rows).toEqual([["42", "\\x00ff01", null, "it's \\ $1"]]);
    });

    test("a type that the text does not tell", async () => {
      const { rows } = await execute(fixture.connection, {
        sql: "SELECT pg_typeof($1), pg_typeof($2::date), pg_typeof($3)",
        parameters: ["1", "2026-01-01", "x"],
        parameterTypes: [int4, 0, 1043],
      });
      expect(rows).toEqual([["integer", "date", "character varying"]]);
    });

    test("results in binary, all columns or one", async () => {
      const sql = "SELECT 258 AS a, 'x'::text AS b";
      const all = await execute(fixture.connection, { sql, resultFormats: [1] });
      expect(all.rows).toEqual([[Uint8Array.of(0, 0, 1, 2), Uint8Array.of(120)]]);
      expect(all.fields.map(({ format }) => format)).toEqual([1, 1]);
      const one = await execute(fixture.connection, { sql, resultFormats: [1, 0] });
      expect(one.rows).toEqual([[Uint8Array.of(0, 0, 1, 2), "x"]]);
    });

    test("a parameter of megabytes", async () => {
      const bytes = new Uint8Array(3_000_000).fill(7);
      const { rows } = await execute(fixture.connection, {
        sql: "SELECT length($1::bytea), md5($1)",
        parameters: [bytes],
      });
      expect(rows[0]?.[0]).toBe("3000000");
    });

    test.each([
      ["Parse", { sql: "SELEC" }, /^ERROR 42601 syntax error/],
      ["Bind", { sql: "SELECT $1::int", parameters: ["x"] }, /^ERROR 22P02 invalid input syntax/],
      ["Bind's count", { sql: "SELECT $1::int" }, /^ERROR 08P01 bind message supplies 0 parameters/],
      ["Execute", { sql: "SELECT 1/$1::int", parameters: ["0"] }, /^ERROR 22012 division by zero/],
    ])("an error in %s", async (_, statement, message) => {
      expect(await errorOf(execute(fixture.connection, statement))).toMatch(message);
      await fixture.works();
    });

    test("what cannot be written fails alone", async () => {
      const before = query(fixture.connection, "SELECT 'before'");
      const nul = execute(fixture.connection, { sql: "SELECT $1", parameters: ["x"], resultFormats: [] });
      const broken = execute(fixture.connection, { sql: "SELECT '\0'" });
      const after = query(fixture.connection, "SELECT 'after'");
      expect(await errorOf(broken)).toMatch(/^ERROR 22021 /);
      expect((await before)[0]?.rows).toEqual([["before"]]);
      expect((await nul).rows).toEqual([["x"]]);
      expect((await after)[0]?.rows).toEqual([["after"]]);
      await fixture.works();
    });

    test("an empty statement", async () => {
      expect(await execute(fixture.connection, { sql: "" })).toEqual({
        fields: [],
        rows: [],
        tag: "",
        suspended: false,
      });
    });
  });

  describe("pipelines", () => {
    test("calls made at once are answered in order", async () => {
      const results = await Promise.all(
        Array.from({ length: 200 }, (_, at) =>
          at % 2 === 0
            ? execute(fixture.connection, { sql: "SELECT $1::int", parameters: [String(at)] })
            : query(fixture.connection, `SELECT ${at}`).then(([first]) => first),
        ),
      );
      expect(results.map((result) => result?.rows[0]?.[0])).toEqual(
        Array.from({ length: 200 }, (_, at) => String(at)),
      );
    });

    test("one's error does not touch the others", async () => {
      const outcomes = await Promise.allSettled([
        execute(fixture.connection, { sql: "SELECT 1" }),
        execute(fixture.connection, { sql: "SELECT 1/0" }),
        query(fixture.connection, "nonsense"),
        execute(fixture.connection, { sql: "SELECT 4" }),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual([
        "fulfilled",
        "rejected",
        "rejected",
        "fulfilled",
      ]);
      await fixture.works();
    });

    test("statements of one pipeline: all or none", async () => {
      await query(fixture.connection, "CREATE TABLE p(a int primary key)");
      const insert = (a: number) => ({ sql: "INSERT INTO p VALUES ($1)", parameters: [String(a)] });
      const results = await pipeline(fixture.connection, [
        insert(1),
        insert(2),
        { sql: "SELECT count(*) FROM p" },
      ]);
      expect(results.map(({ tag }) => tag)).toEqual(["INSERT 0 1", "INSERT 0 1", "SELECT 1"]);
      expect(await errorOf(pipeline(fixture.connection, [insert(3), insert(1), insert(4)]))).toMatch(
        /^ERROR 23505 /,
      );
      const [count] = await query(fixture.connection, "SELECT count(*) FROM p; DROP TABLE p");
      expect(count?.rows).toEqual([["2"]]);
    });

    test("of no statement", async () => {
      expect(await pipeline(fixture.connection, [])).toEqual([]);
    });
  });

  describe("prepared statements", () => {
    test("described without being run, run many times, closed", async () => {
      const statement = await prepare(fixture.connection, "one", {
        sql: "SELECT $1::int * 2 AS double, $2::text",
      });
      expect(statement.parameterTypes).toEqual([int4, 25]);
      expect(statement.fields?.map(({ name, typeOid }) => [name, typeOid])).toEqual([
        ["double", int4],
        ["text", 25],
      ]);
      const runs = await Promise.all(["1", "2", "3"].map((a) => statement.execute([a, null])));
      expect(runs.map(({ rows }) => rows)).toEqual([[["2", null]], [["4", null]], [["6", null]]]);
      const binary = await statement.execute(["5", "x"], [1, 0]);
      expect(binary.rows).toEqual([[Uint8Array.of(0, 0, 0, 10), "x"]]);
      expect(await errorOf(statement.execute(["x", null]))).toMatch(/^ERROR 22P02 /);
      await statement.close();
      expect(await errorOf(statement.execute(["1", null]))).toBe(
        'ERROR 26000 prepared statement "one" does not exist',
      );
    });

    test("without columns, and with the name of another", async () => {
      const statement = await prepare(fixture.connection, "two", { sql: "SET application_name = 'x'" });
      expect(statement).toMatchObject({ fields: undefined, parameterTypes: [] });
      expect(await errorOf(prepare(fixture.connection, "two", { sql: "SELECT 1" }))).toBe(
        'ERROR 42P05 prepared statement "two" already exists',
      );
      await statement.close();
      await fixture.works();
    });
  });
}
