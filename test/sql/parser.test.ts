/** The parser: statements and their texts, errors as PostgreSQL words them, and what statements need of a session. */
import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadParser } from "../../adapters/node/parser.ts";
import { type Parser, type SessionNeed, sessionNeeds, splitStatements } from "../../src/sql/mod.ts";
import { PgError } from "../../src/wire/mod.ts";

let parser: Parser;
let postgres: PGlite;
beforeAll(async () => {
  [parser, postgres] = await Promise.all([loadParser(), PGlite.create()]);
});
afterAll(() => postgres.close());

function errorOf(sql: string): PgError {
  try {
    parser.parse(sql);
  } catch (error) {
    if (error instanceof PgError) return error;
    throw error;
  }
  throw new Error(`parsed: ${sql}`);
}

describe("statements", () => {
  test.each([
    "",
    " ",
    ";;",
    "-- nothing",
    "select 1",
    "select 1;",
    " /* a /* b */ c */ select 'ö', '😀' ; -- x\n select 2;; values (3) ",
    "select '😀'; select 'a;b'; select $$;$$ ;",
    "create function f() returns int begin atomic select 1; select 2; end; select 3",
    "create rule r as on insert to t do (select 1; select 2); select 3",
  ])("the texts of %j are those that the scanner finds", (sql) => {
    const expected = splitStatements(sql).map(({ text, start }) => [text, start]);
    expect(parser.parse(sql).map(({ text, start }) => [text, start])).toEqual(expected);
  });

  test("a tree has the type and the node of its statement", () => {
    const [statement] = parser.parse("select $1::int4 as n");
    expect(statement).toMatchObject({
      type: "SelectStmt",
      node: { targetList: [{ ResTarget: { name: "n" } }] },
    });
  });

  test("a text is parsed once", () => {
    expect(parser.parse("select 'once'")).toBe(parser.parse("select 'once'"));
  });

  test("a long text works; thousands of texts do not stay, and fewer long ones", () => {
    const list = Array.from({ length: 50_000 }, (_, at) => at).join(", ");
    expect(parser.parse(`select ${list}; select 2`)).toHaveLength(2);
    const longer = Array.from({ length: 60 }, (_, at) => `select ${at} /* ${"x".repeat(3_900)} */`);
    const many = Array.from({ length: 2_000 }, (_, at) => `select ${at}`);
    for (const others of [longer, many]) {
      const first = parser.parse("select 'first'");
      for (const other of others.slice(0, 10)) parser.parse(other);
      expect(parser.parse("select 'first'")).toBe(first);
      for (const other of others) parser.parse(other);
      expect(parser.parse("select 'first'")).not.toBe(first);
      expect(parser.parse("select 'first'")).toEqual(first);
    }
  });
});

describe("errors have PostgreSQL's text and position", () => {
  test.each([
    "selec 1",
    "select 1 frm x y",
    "select 'ö😀' frm x y",
    "select from where",
    "select 'abc",
    "select 1; selec 2",
    'select "a',
    "select /* a",
    "select (1",
    "create table t (a int,)",
  ])("%j", async (sql) => {
    const expected = await postgres.exec(sql).then(
      () => undefined,
      (error) => error,
    );
    const { code, fields } = errorOf(sql);
    expect({ code, message: fields.message, position: String(fields.position ?? "") }).toEqual({
      code: expected.code,
      message: expected.message,
      position: expected.position ?? "",
    });
  });

  test("a zero byte does not hide what is behind it", () => {
    expect(errorOf("select 1 \0; drop table t").code).toBe("22021");
  });
});

describe("what a statement needs of a session", () => {
  const needs: [SessionNeed | "nothing", string[]][] = [
    [
      "nothing",
      [
        "select 1",
        "select * from t where a = $1 for update",
        "with x as (delete from t returning *) select * from x",
        "insert into t values (1) returning a",
        "create table t (a int)",
        "create index concurrently i on t (a)",
        "vacuum t",
        "notify c, 'x'",
        "set local timezone = 'UTC'",
        "select set_config('timezone', 'UTC', true)",
        "select pg_advisory_xact_lock(1)",
        "select nextval('s'), setval('s', 1)",
        "select mine.lastval(), mine.set_config('a', 'b', false)",
        "copy t from '/a/file'",
        "copy t to program 'cat'",
        "lock table t",
        "show timezone",
        "explain select 1",
        "select 'currval(''s'')', pg_temp from t",
      ],
    ],
    [
      "transaction",
      ["begin", "start transaction read only", "commit", "end", "abort", "rollback to a", "savepoint a"],
    ],
    [
      "transaction",
      ["prepare transaction 'a'", "commit prepared 'a'", "select pg_catalog.pg_export_snapshot()"],
    ],
    ["setting", ["set timezone = 'UTC'", "set session timezone to default", "reset all", "reset timezone"]],
    ["setting", ["set session characteristics as transaction read only", "discard all", "set role r"]],
    [
      "setting",
      ["select set_config('timezone', 'UTC', false)", "select pg_catalog.set_config('a.b', $1, $2)"],
    ],
    [
      "temporary",
      ["create temp table t (a int)", "create temporary table t as select 1", "select 1 into temp t"],
    ],
    [
      "temporary",
      ["create temp view v as select 1", "create temp sequence s", "insert into pg_temp.t values (1)"],
    ],
    ["temporary", ["select * from a join pg_temp.t using (b)", "drop table pg_temp.t", "select pg_temp.f()"]],
    ["temporary", ["create function pg_temp.f() returns int language sql as 'select 1'"]],
    ["prepared", ["prepare p as select 1", "execute p", "deallocate p", "create table t as execute p"]],
    ["cursor", ["declare c cursor with hold for select 1", "fetch c", "move all in c", "close c"]],
    ["listen", ["listen c", "unlisten *"]],
    ["copy", ["copy t from stdin", "copy (select 1) to stdout"]],
    ["advisoryLock", ["select pg_advisory_lock(1)", "select 1 where pg_try_advisory_lock_shared(1, 2)"]],
    ["advisoryLock", ["explain analyze select pg_advisory_unlock(1)"]],
    ["advisoryUnlock", ["select pg_advisory_unlock_all()"]],
    ["sequence", ["select currval('s')", "insert into t values (lastval())"]],
    ["unknown", ["do $$ begin end $$", "call p()", "load 'x'"]],
  ];
  for (const [need, texts] of needs) {
    test.each(texts)(`${need}: %s`, (sql) => {
      const found = parser.parse(sql).flatMap((statement) => [...sessionNeeds(statement)]);
      expect(found).toEqual(need === "nothing" ? [] : [need]);
    });
  }

  test("a statement may need several things", () => {
    const [statement] = parser.parse("create temp table t as select currval('s'), pg_advisory_lock(1)");
    expect(statement && sessionNeeds(statement)).toEqual(new Set(["temporary", "sequence", "advisoryLock"]));
  });
});
