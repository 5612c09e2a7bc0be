// The lexical layer against real PostgreSQL: the same texts to both.

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { classify, commandTag, type StatementClass, splitStatements, tokenize } from "../../src/sql/mod.ts";
import { functionNameWords, reservedWords } from "../../src/sql/names.ts";
import { type ErrorFields, PgError } from "../../src/wire/mod.ts";
import { Postgres } from "./postgres.ts";

let postgres: Postgres;
beforeAll(async () => {
  postgres = await Postgres.open();
});
afterAll(() => postgres.close());

type Failure = Partial<Pick<ErrorFields, "code" | "message" | "position" | "hint" | "detail">>;

function failure(fields: ErrorFields | undefined): Failure | undefined {
  if (fields === undefined) return undefined;
  const { code, message, position, hint, detail } = fields;
  return { code, message, ...(position && { position }), ...(hint && { hint }), ...(detail && { detail }) };
}

function lexerFailure(sql: string): Failure | undefined {
  try {
    tokenize(sql);
    return undefined;
  } catch (error) {
    if (error instanceof PgError) return failure(error.fields);
    throw error;
  }
}

test("the reserved words", async () => {
  const words = async (code: string): Promise<Set<string>> => {
    const [list] = await postgres.row(
      `select string_agg(word, ' ') from pg_get_keywords() where catcode = '${code}'`,
    );
    return new Set(list?.split(" "));
  };
  expect(reservedWords).toEqual(await words("R"));
  expect(functionNameWords).toEqual(await words("T"));
});

describe("values", () => {
  const strings = [
    "'it''s \\n'",
    "'a'\n'b'",
    "'a' -- c '\n --d\n\t'b'''",
    "E'\\n\\t\\r\\b\\f\\v\\q\\8\\'\\\\'''",
    "E'\\1\\12\\123\\x9\\x41g'",
    "E'\\u0041\\U0001F600\\ud83d\\ude00'",
    "E'\\xc3\\xa9\\303'\n'\\251'",
    "U&'\\0041\\+01F600\\d83d\\de00\\\\'''",
    "U&'!0041!!é' UESCAPE '!'",
    "U&'a\u00a00041' uescape E'\\x21'",
    "$$ ' \\n $a$ $$",
    "$Ünï_1$ $$ $Ünï_1$",
    "'İ😀'",
  ];
  test.each(strings)("string %j", async (sql) => {
    expect(tokenize(sql).map(({ value }) => value)).toEqual(await postgres.row(`select ${sql}`));
  });

  test.each(["'a\\'b'", "'\\x41\\\\'", "'a'\n'\\t'"])("string %j with backslashes", async (sql) => {
    await postgres.query("set standard_conforming_strings = off");
    try {
      const tokens = tokenize(sql, { standardConformingStrings: false });
      expect(tokens.map(({ value }) => value)).toEqual(await postgres.row(`select ${sql}`));
    } finally {
      await postgres.query("reset standard_conforming_strings");
    }
  });

  test("bit strings", async () => {
    expect(tokenize("b'101'\n'1'")[0]?.value.slice(1)).toBe((await postgres.row("select b'101'\n'1'"))[0]);
    expect(tokenize("X'1F'")[0]?.value.slice(1)).toBe(
      (await postgres.row("select to_hex(X'1f'::int)"))[0]?.toUpperCase(),
    );
  });

  const numbers = [
    "0",
    "007",
    "42",
    "1_000",
    "0x1F",
    "0XdeadBEEF_00",
    "0o17",
    "0b1_01",
    "12345678901234567890",
    "1.50",
  ];
  test.each(numbers)("number %s", async (sql) => {
    expect(tokenize(sql)[0]?.value).toBe((await postgres.row(`select ${sql}`))[0]);
  });

  const names = [
    "Foo_$1",
    "ÉİÀABC",
    "a\u00a0B",
    '"Foo ""bar"""',
    'U&"d\\0061t\\+000061"',
    'u&"d!0061t""A" uescape \'!\'',
    "A".repeat(70),
    `"${"é".repeat(40)}"`,
    `x${"😀".repeat(20)}`,
    `U&"${"\\00e9".repeat(40)}"`,
  ];
  test.each(names)("name %s", async (sql) => {
    const messages = await postgres.query(`select 1 as ${sql}`);
    const description = messages.find((message) => message.type === "RowDescription");
    if (description?.type !== "RowDescription") throw new Error("no row description");
    expect(tokenize(sql).map(({ value }) => value)).toEqual(description.fields.map(({ name }) => name));
  });
});

describe("errors", () => {
  const texts = [
    "'abc",
    "'é', 'abc \n x",
    "E'abc\\",
    "U&'abc",
    "N'abc",
    "b'01",
    "X'0",
    '"abc',
    'U&"abc',
    '""',
    'U&""',
    "$$abc",
    "$é$abc $ $b$",
    "1 /* a /* b */",
    "1x",
    "1.5x",
    "1\u00a0",
    "0x",
    "0x_",
    "0b12",
    "0o8",
    "1_",
    "1e",
    "1.5e-x",
    "1e5x",
    "1e0$é$",
    "$1a",
    "$2147483648",
    "@".repeat(64),
    "E'\\u00'",
    "'é', E'é\\u00x'",
    "E'\\U0000000'",
    "E'\\u0000'",
    "E'\\U00110000'",
    "E'a\\ud800'",
    "E'a\\ud800",
    "E'a\\ud800b'",
    "E'a\\ud800\\n'",
    "E'a\\ud800\\u12'",
    "E'a\\udc00'",
    "E'\\ud83d\\u0041'",
    "E'\\ud83d'\n'\\ude00'",
    "E'\\xff'",
    "E'\\xe9abc'",
    "E'\\xf0\\x9f'",
    "E'é\\0'",
    "E'\\777'",
    "U&'é\\zz'",
    "U&'a''\\0'",
    "U&'\\0000'",
    "U&'\\+110000'",
    "U&'\\d83d'",
    "U&'\\d83dx'",
    "U&'\\d83d\\\\'",
    "U&'\\dc00'",
    'U&"a\\00"',
    "U&'!0041' UESCAPE 'ab'",
    "U&'!0041' UESCAPE '+'",
    "U&'!0041' UESCAPE ''",
    "U&'!0041' UESCAPE",
    "U&'!0041' UESCAPE x",
    "U&'!0041' UESCAPE U&'!'",
    "U&'!0041' UESCAPE '!'\n'x'",
    "U&'\\' 'x",
  ];
  test.each(texts)("%j", async (text) => {
    const sql = `select ${text}`;
    const expected = failure(await postgres.parseError(sql));
    expect(expected).toBeDefined();
    expect(lexerFailure(sql)).toEqual(expected);
  });

  test("a string with Unicode escapes, when backslashes are escapes", async () => {
    await postgres.query("set standard_conforming_strings = off");
    const expected = failure(await postgres.parseError("U&'a'"));
    await postgres.query("reset standard_conforming_strings");
    expect(expected?.code).toBe("0A000");
    expect(() => tokenize("U&'a'", { standardConformingStrings: false })).toThrow(
      expect.objectContaining({ fields: { severity: "ERROR", ...expected } }),
    );
  });
});

// PostgreSQL shows a token where its grammar fails: there must be one here too, of the same length. Where the scanner
// fails, it must be the same error, unless the grammar failed before.
test("tokens of random texts", async () => {
  const pieces =
    `' " $$ $a$ $é$ -- /* */ E' e' U&' U&" b' x' n' \\ a é 1 0 x 0x _ . .. e + - * / @ < = > : :: := $ $1 ( ) [ , ; uescape
    '' \\u \\x d83d 0041 \\' 😀 {`.split(/\s+/);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...pieces, "\n", "\t", " ", "\u00a0"), { minLength: 1, maxLength: 7 }),
      async (parts) => {
        const sql = `select ${parts.join("")}`;
        const actual = lexerFailure(sql);
        const expected = failure(await postgres.parseError(sql));
        const shown = /^syntax error at or near "([\s\S]*)"$/.exec(expected?.message ?? "")?.[1];
        if (actual !== undefined) {
          if (shown !== undefined && (expected?.position ?? 0) <= (actual.position ?? 0)) return;
          expect(actual).toEqual(expected);
        } else if (shown !== undefined) {
          const start = [...sql].slice(0, (expected?.position ?? 0) - 1).join("").length;
          expect(tokenize(sql).find((token) => token.start === start)?.text).toBe(shown);
        } else
          expect(expected?.message ?? "syntax error at end of input").toBe("syntax error at end of input");
      },
    ),
    { numRuns: 1500, seed: 20 },
  );
});

describe("splitting", () => {
  const body = "create or replace function f(begin int) returns int begin atomic";
  const texts = [
    "",
    " ; ;",
    "-- x\n/* ; */",
    "select 1",
    "select ';' as \";\"; select $$;$$;;",
    "/* ; */ select 1 /* ; */; -- ;\n select 2; /* x */",
    "select E'\\';'; select '\\'; select 'a' -- ;\n'b'",
    "create temp table t (a int); create rule r as on insert to t do also (select 1; select 2); drop table t",
    `${body} select 1; end; select 2`,
    `${body} select 1 as end; select case when true then 1 else 2 end as case; end; select f(1)`,
    `${body} end; ${body} ; ; select 1 end; end`,
    "select 1 as begin, 2 as atomic; select 3 as end",
    "begin; select 1; end; begin; rollback",
  ];
  // CREATE FUNCTION with an empty body fails on its return type, after it was parsed.
  test.each(texts)("%j", async (sql) => {
    const statements = splitStatements(sql);
    const messages = await postgres.query(sql);
    const count = messages.filter(({ type }) => type === "CommandComplete").length;
    const failed = messages.some(({ type }) => type === "ErrorResponse");
    if (failed) {
      expect(await postgres.parseError(sql)).toBeUndefined();
      for (const { text } of statements) expect(await postgres.parseError(text)).toBeUndefined();
    } else {
      expect(statements.length).toBe(count);
      expect(messages.some(({ type }) => type === "EmptyQueryResponse")).toBe(count === 0);
    }
  });

  test("random texts of statements", async () => {
    const statements = [
      "select ';', $$;$$, $q$;$$;$q$",
      "select E'\\';' -- ;\n, \n'--;'",
      'select 1 as ";" /* ; /* ; */ */ , 2',
      `${body} select 1 as end; select case when true then 2 end; end`,
      "begin",
      "rollback",
      "set my.x = ';'",
    ];
    const blanks = ["", " ", "\n", "/* ; */", "-- ;\n", ";;"];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...blanks), fc.constantFrom(...statements)), {
          minLength: 1,
          maxLength: 6,
        }),
        async (parts) => {
          const sql = `rollback;${parts.map((part) => part.join("")).join(";")}`;
          const tags = await postgres.tags(sql);
          expect(splitStatements(sql).map(({ text }) => commandTag(text, 1))).toEqual(tags);
        },
      ),
      { numRuns: 50, seed: 22 },
    );
  });
});

describe("command tags and whether there are rows", () => {
  const texts = `
    create table t (a int) | create role r | create table if not exists t (a int)
    insert into t values (1), (2) | insert into t select 3 returning a | with x as (select 4) insert into t select * from x
    with x as (insert into t values (1) returning *) select * from x | with x as (select 1) update t set a = a returning 1
    update t set a = a + 1 where a = 2 | delete from t where a = 9 | delete from t where a = 3 returning *
    merge into t using (values (1)) v (x) on a = x when matched then update set a = x
    merge into t using (values (1)) v (x) on a = x when matched then update set a = x returning t.a
    select 1 | select * from t for update | (select 1) union all (select 2) | ((values (1), (2))) | table t | select
    with recursive x (n) as (select 1 union all select n + 1 from x where n < 3) search depth first by n set o select n from x
    create table c1 as select 1 | create temp table c2 (x) as values (1), (2) | create table c3 as select 1 with no data
    select 1 as x into c4 | (select 1 as x into c5) | with x as (select 1) select * into c6 from x | select 2 as into
    create table c7 as table t with data
    create materialized view m1 as select 1 | create materialized view m2 as select 1 with no data
    refresh materialized view m2 | drop materialized view m1, m2 | alter materialized view if exists nope rename to n
    prepare p as select 1 | create table c8 as execute p | deallocate p | deallocate all | deallocate prepare all
    explain select 1 | explain analyze delete from t | do $$begin end$$
    create procedure pr() language sql as '' | call pr() | drop procedure pr | drop routine if exists x
    begin | savepoint s | rollback to s | release s | declare c scroll cursor for table t | fetch c | fetch all c | fetch 0 c
    move backward all in c | move 2 c | close c | close all | lock table t | set local work_mem = '5MB' | commit and chain
    rollback and no chain | start transaction read only | set transaction isolation level serializable | abort
    begin | end | set session characteristics as transaction read write | set constraints all immediate | set names 'utf8'
    set time zone interval '-08:00' hour to minute | show time zone | reset time zone | show all | reset all
    set role r | reset role | discard temp | discard plans | discard sequences | discard all
    listen l | notify l, 'x' | unlisten l | unlisten * | copy t to stdout | copy (select 1) to stdout with (format csv)
    truncate t | comment on table t is 'x' | analyse t | analyze | vacuum t | vacuum (analyze) t | reindex table t | cluster
    checkpoint | grant select on t to r | revoke select on t from r | grant select (a) on table t to r with grant option
    revoke all on t from r | grant r to postgres | revoke admin option for r from postgres | revoke r from postgres
    alter default privileges grant select on tables to r | alter default privileges revoke select on tables from r
    reassign owned by r to postgres | drop owned by r | create user u1 | alter user u1 login | create group g1
    alter group g1 add user u1 | alter role u1 set my.x = 1 | drop user u1 | drop group g1 | alter system reset work_mem
    alter database postgres reset all | alter table t add b int | alter table t rename b to c | alter table t drop c
    create unique index i on t (a) | create index concurrently i2 on t (a) | alter index i rename to i3 | drop index i3, i2
    create or replace view v as select 1 as x | alter view v rename x to y | create or replace temp recursive view rv (n) as select 1
    drop view v, rv | create type ty as (a int) | alter type ty add attribute b int | drop type ty | create domain d as int
    alter domain d set default 1 | drop domain d | create sequence s | alter sequence s restart | drop sequence s
    create schema sc | alter schema sc rename to sc2 | drop schema sc2
    create or replace function f2() returns int begin atomic select 1; end | alter function f2() stable | drop function f2
    create text search configuration tsc (copy = english) | alter text search configuration tsc rename to tsc2
    drop text search configuration tsc2 | create text search dictionary tsd (template = simple) | drop text search dictionary tsd
    create rule ru as on insert to t do also (select 1; select 2) | drop rule ru on t | create policy po on t | drop policy po on t
    create operator === (leftarg = int, rightarg = int, function = int4eq) | drop operator === (int, int)
    create operator family fam using btree | drop operator family fam using btree
    create aggregate agg (int) (sfunc = int4pl, stype = int) | drop aggregate agg (int)
    create function tf() returns trigger language plpgsql as $$begin return null; end$$
    create constraint trigger ct after insert on t for each row execute function tf() | drop trigger ct on t
    create or replace trigger ct after insert on t for each row execute function tf() | alter table t disable trigger ct
    create function ef() returns event_trigger language plpgsql as $$begin end$$
    create event trigger et on ddl_command_start execute function ef() | drop event trigger et | drop function tf, ef cascade
    create extension if not exists plpgsql | create collation co from "C" | drop collation co
    create default conversion cv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8 | drop conversion cv
    create cast (int as t) with inout | drop cast (int as t) | create access method am type index handler bthandler
    drop access method am | create foreign data wrapper w | create server srv foreign data wrapper w
    create user mapping for r server srv | alter user mapping for r server srv options (a 'b') | create foreign table ft () server srv
    drop foreign table ft | drop user mapping for r server srv | drop server srv | drop foreign data wrapper w
    create statistics st on (a + 1) from t | alter statistics st rename to st2 | drop statistics st2
    create publication pub | alter publication pub set (publish = 'insert') | drop publication pub
    create unlogged table ut () | create global temporary table gt () | drop table ut, gt | select lo_create(4711)
    alter large object 4711 owner to postgres | drop role r
  `
    .split(/\s+\|\s+|\n\s*/)
    .filter((text) => text !== "");

  test("of each statement", async () => {
    for (const sql of texts) {
      const messages = await postgres.query(sql);
      const complete = messages.find((message) => message.type === "CommandComplete");
      if (complete?.type !== "CommandComplete") throw new Error(`${sql}: ${JSON.stringify(messages)}`);
      const count = /\d+$/.exec(complete.tag)?.[0];
      expect(commandTag(sql, count === undefined ? 99 : Number(count)), sql).toBe(complete.tag);

      const statement = classify(sql);
      const described = messages.some((message) => message.type === "RowDescription");
      if (statement.type !== "other") expect(described, sql).toBe(givesRows(statement));
      else if (statement.returnsRows !== undefined) expect(statement.returnsRows, sql).toBe(described);
    }
  });

  function givesRows(statement: StatementClass): boolean {
    return statement.type === "show" || statement.type === "fetch";
  }

  test("a skipped CREATE TABLE AS", async () => {
    const sql = "create temp table if not exists skipped as select 1";
    expect(await postgres.tags(sql)).toEqual([commandTag(sql, 1)]);
    expect(await postgres.tags(sql)).toEqual([commandTag(sql)]);
  });
});

// A control statement is `other` exactly where PostgreSQL's grammar refuses it.
test("random control statements", async () => {
  const vocabulary: Record<string, string> = {
    begin:
      "work transaction isolation level serializable repeatable read committed uncommitted only write deferrable not , x",
    "start transaction":
      "isolation level serializable repeatable read committed uncommitted only write deferrable not , x",
    start: "transaction work read only",
    commit: "work transaction and no chain prepared 'x' x",
    end: "work transaction and no chain prepared 'x'",
    rollback: "work transaction and no chain prepared 'x' to savepoint x select \"Q\"",
    abort: "work transaction and no chain to savepoint x",
    savepoint: "x savepoint select left \"Q\" 'x' 1 between",
    release: "savepoint x select \"Q\" 'x' left",
    "prepare transaction": "'x' x $$x$$ U&'x'",
    "prepare x": "( ) int , text as [ ]",
    execute: "x ( 1 transaction select",
    deallocate: 'prepare all x select "Q"',
    set: "session local x . y = to 'v' v 1 -1 + 1.5 , on true false default select left authorization role names schema time zone transaction isolation level read only characteristics as snapshot xml option document content interval ( 2 ) off none",
    "set x": "to = 'v' on true false default select left 1 -1 + 1.5 , . y null x",
    "set time zone": "local default 'x' interval ( 1 ) -8 + 'utc' x , left select",
    "set time zone interval": "'x' ( 1 ) hour to minute second",
    "set session": "authorization x default 'x' characteristics as transaction read only to = session local",
    "set transaction": "isolation level serializable read only write deferrable snapshot 'x' , not",
    reset: "x . y all time zone transaction isolation level session authorization role",
    show: "x . y all time zone transaction isolation level session authorization role",
    discard: "all temp temporary plans sequences x",
    "declare x": "no scroll binary insensitive cursor with without hold for select",
    "declare x cursor": "with without hold for select values insert",
    fetch:
      "next prior first last absolute relative forward backward all from in x 5 -1 + 99999999999 0x10 1.5 select",
    move: "next prior first last absolute relative forward backward all from in x 5",
    close: "all x \"Q\" select 'x'",
    listen: "x * , 'p' select \"Q\" .",
    unlisten: "x * , 'p' select",
    notify: "x , 'p' p \"Q\" ''",
    copy: "binary t public . order ( a ) to from stdin stdout program 'x' select 1",
    "copy t": "to from stdin stdout program 'x' (a) (a,b)",
  };
  // What is inside of these is not looked at, nor is every keyword known that is no time zone: they may be refused for it.
  const outer: ReadonlySet<string> = new Set(["prepare", "execute", "declare", "copy"]);

  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.entries(vocabulary)).chain(([verb, words]) => {
        const word = fc.constantFrom(...words.split(" "));
        return fc.array(word, { maxLength: 6 }).map((rest) => [verb, ...rest].join(" "));
      }),
      async (sql) => {
        const statement = classify(sql);
        const { type } = statement;
        const zone = type === "set" && statement.name === "timezone";
        const error = await postgres.parseError(sql);
        if (error === undefined) expect(type).not.toBe("other");
        else if (error.code === "42601" && !outer.has(type) && !zone) expect(type).toBe("other");
      },
    ),
    { numRuns: 2500, seed: 21 },
  );
});
