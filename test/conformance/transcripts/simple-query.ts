/** Simple query: one Query message, and the implicit transaction of several statements in one. */
import { message, query, type Transcript, text, transcript } from "../transcript.ts";

const empty = "create table t (n int primary key)";
const items = `
  create table items (id int primary key, name text not null, price numeric(8,2));
  insert into items values (1, 'one', 1.50), (2, 'two', 2), (3, 'three', null)`;

export const simpleQuery: readonly Transcript[] = [
  transcript("one row", [query("select 1 as one")]),

  transcript("types, modifiers and NULL in RowDescription and DataRow", [
    query(`select 1::int2 as a, 2::int4 as b, 3::int8 as c, null::text as d, 'x'::varchar(3) as e, 'y'::char(4) as f,
      true as g, 1.5::numeric(5,2) as h, 'n'::name as i, '\\x00ff'::bytea as j, 2.5::float4 as k, 'u' as l`),
  ]),

  transcript(
    "columns of a table carry its OID and their numbers",
    [query("select name, id, price, id + 1 from items")],
    {
      setup: items,
    },
  ),

  transcript("no columns", [query("select"), query("select from items where id < 3")], { setup: items }),

  transcript("two columns of one name, and one without a name", [query("select 1 as a, 2 as a, 3")]),

  transcript("no rows", [query("select id from items where false")], { setup: items }),

  transcript("three thousand rows", [
    query("select n, repeat('x', 30) as filler from generate_series(1, 3000) n"),
  ]),

  transcript("one large value", [query("select repeat('0123456789', 30000) as large")]),

  transcript("text that is not ASCII", [query("select 'grün € 😀' as text, length('grün € 😀') as length")]),

  transcript("several Query messages in one write", [
    query("select 1"),
    query("select 2"),
    query("select 3"),
  ]),

  transcript("several statements in one message", [
    query("select 1; select 'two' as two; select 3 where false"),
  ]),

  transcript("a trailing comment and a leading one", [
    query("/* first */ select 1 -- last"),
    query("-- a\nselect 2; -- b"),
  ]),

  transcript("semicolons inside literals, identifiers, comments and dollar quotes", [
    query(`select ';' as "a;b"; select $$;$$ as c; /* ; */ select $x$ $$;$$ $x$ as d; select e'\\';' as e`),
  ]),

  transcript("a function body with semicolons of its own", [
    query(`create function twice(n int) returns int language sql begin atomic select n; select n * 2; end;
      select twice(4)`),
  ]),

  // Empty queries.
  transcript("empty", [query("")]),
  transcript("white space only", [query("  \n\t ")]),
  transcript("one semicolon", [query(";")]),
  transcript("three semicolons", [query(";;;")]),
  transcript("a line comment only", [query("-- nothing here")]),
  transcript("a nested block comment only", [query("/* outer /* inner */ still outer */ ;")]),
  transcript("empty statements between others are not answered", [query("select 1;; ; select 2;")]),

  // The implicit transaction.
  transcript(
    "an error rolls back what came before it in the same message",
    [
      query("insert into t values (1); insert into t values (2); select 1/0; insert into t values (3)"),
      query("table t"),
    ],
    { setup: empty },
  ),
  transcript("an error ends the message, the next message runs", [
    query("select 1; select 1/0; select 3"),
    query("select 4"),
  ]),
  transcript(
    "a syntax error in the second statement: the first one does not run",
    [query("insert into t values (1); selec 2"), query("table t")],
    { setup: empty },
  ),
  transcript(
    "an unknown column in the second statement: the first one has run",
    [query("insert into t values (1) returning n; select nosuch"), query("table t")],
    { setup: empty },
  ),
  transcript(
    "BEGIN in the middle makes a transaction of all of it",
    [query("insert into t values (1); begin; insert into t values (2)"), query("rollback"), query("table t")],
    { setup: empty },
  ),
  transcript(
    "an error behind BEGIN leaves a failed transaction",
    [
      query("insert into t values (1); begin; select 1/0; select 2"),
      query("select 3"),
      query("rollback"),
      query("table t"),
    ],
    { setup: empty },
  ),
  transcript(
    "COMMIT in the middle commits what came before, with a warning",
    [query("insert into t values (1); commit; insert into t values (2); select 1/0"), query("table t")],
    { setup: empty },
  ),
  transcript(
    "ROLLBACK in the middle drops what came before, with a warning",
    [query("insert into t values (1); rollback; insert into t values (2)"), query("table t")],
    { setup: empty },
  ),
  transcript(
    "a whole transaction in one message, then an error",
    [
      query("begin; insert into t values (1); commit; insert into t values (2); select 1/0"),
      query("table t"),
    ],
    { setup: empty },
  ),
  transcript(
    "two whole transactions in one message, the second one rolled back",
    [
      query("begin; insert into t values (1); commit; begin; insert into t values (2); rollback"),
      query("table t"),
    ],
    { setup: empty },
  ),
  transcript(
    "a transaction open at the end of the message goes on",
    [
      query("begin; insert into t values (1)"),
      query("insert into t values (2); select 5"),
      query("commit; table t"),
    ],
    { setup: empty },
  ),
  transcript("SAVEPOINT needs a transaction block", [
    query("savepoint a"),
    query("select 1; savepoint a; select 2"),
  ]),
  transcript("statements that cannot be in a transaction", [
    query("select 1; vacuum"),
    query("create table a (); drop table a; vacuum"),
    query("vacuum"),
  ]),
  transcript("SET LOCAL lasts as long as the message", [
    query("set local work_mem = '2MB'"),
    query("select 1; set local work_mem = '3MB'; show work_mem"),
    query("show work_mem"),
  ]),
  transcript("a table created in a message that fails is gone", [
    query("create table a (n int); create table a (n int)"),
    query("select to_regclass('a') as a"),
  ]),
  transcript(
    "a deferred constraint fails at the end, in place of the last CommandComplete",
    [
      query("insert into child values (1)"),
      query("insert into child values (2); select 3"),
      query("table child"),
    ],
    {
      setup: `create table parent (id int primary key);
        create table child (parent int references parent deferrable initially deferred)`,
    },
  ),

  // Errors.
  transcript("syntax errors have a position", [
    query("selec 1"),
    query("select from where"),
    query("select 1 select"),
  ]),
  transcript("unterminated comment, string, identifier and dollar quote", [
    query("select 1 /* open"),
    query("select 'open"),
    query('select "open'),
    query("select $$open"),
    query('select ""'),
  ]),
  transcript("a position counts characters, not bytes", [query("select 'grün 😀', nosuch")]),
  transcript("the position in the second statement counts from the start of the message", [
    query("select 1;  select nosuch"),
  ]),
  transcript("an error after some rows", [query("select 6 / (4 - n) as q from generate_series(1, 6) n")]),
  transcript("a parameter in a simple query", [query("select $1::int")]),
  transcript("names that are not there", [
    query("select * from nosuch"),
    query("select nosuch()"),
    query("select 'a'::nosuch"),
    query("select 1 from nosuch.items"),
  ]),
  transcript("unknown and ambiguous operators", [query("select 1 + true"), query("select '1' + '1'")]),
  transcript("input that a type refuses", [
    query("select 'x'::int"),
    query("select 'x'::date"),
    query("select 99999::int2"),
    query("select '{1,2'::int[]"),
    query("select '{\"a\":}'::json"),
  ]),
  transcript("invalid UTF-8", [message("Q", text("select '"), 0xc3, 0x28, text("'"), 0), query("select 1")]),
  transcript("a NUL character cannot be written", [query("select chr(0)"), query("select e'\\u0000'")]),

  // Tags.
  transcript(
    "the tags of INSERT, UPDATE, DELETE and MERGE",
    [
      query("insert into t values (1), (2), (3)"),
      query("insert into t select 4 where false"),
      query("update t set n = n + 10 where n > 1"),
      query("delete from t where n = 1"),
      query(
        "merge into t using (values (12), (20)) as s (n) on t.n = s.n when matched then delete when not matched then insert values (s.n)",
      ),
      query("table t order by n"),
    ],
    { setup: empty },
  ),
  transcript(
    "RETURNING",
    [
      query("insert into t values (1), (2) returning n, n * 2 as twice"),
      query("update t set n = n + 1 where n = 2 returning *"),
      query("delete from t where false returning n"),
      query("delete from t returning n"),
    ],
    { setup: empty },
  ),
  transcript("statements that count as SELECT", [
    query("create table a as select generate_series(1, 3) as n"),
    query("select n into b from a where n < 3"),
    query("create materialized view c as table a"),
    query("create table d as table a with no data"),
    query("values (1), (2)"),
    query("table a"),
    query("with deleted as (delete from a returning n) select count(*) from deleted"),
  ]),
  transcript("the tags of definitions", [
    query(
      "create schema s; create table s.t (a int, b text); create index on s.t (a); create view s.v as table s.t",
    ),
    query("create type s.mood as enum ('sad', 'ok'); create domain s.positive as int check (value > 0)"),
    query("create sequence s.q; alter table s.t add c int; comment on table s.t is 'x'; truncate s.t"),
    query(
      "create function s.f() returns int language sql as 'select 1'; create role nobody_else; grant select on s.t to nobody_else",
    ),
    query(
      "revoke all on s.t from nobody_else; drop role nobody_else; analyze s.t; reindex table s.t; lock table s.t in share mode",
    ),
    query(
      "alter view s.v rename to w; drop view s.w; drop function s.f; drop table s.t; drop schema s cascade",
    ),
  ]),
  transcript("EXPLAIN and SHOW answer rows", [
    query("explain (costs off) select 1"),
    query("show server_encoding"),
  ]),
  transcript("CALL, with and without an output parameter", [query("call p(1)"), query("call q(20, null)")], {
    setup: `create procedure p(n int) language sql as 'select n';
      create procedure q(n int, out twice int) language plpgsql as 'begin twice := n * 2; end'`,
  }),
];
