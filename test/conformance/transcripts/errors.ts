/** The fields of errors: detail, hint, position, and the names of what was violated. */
import {
  bind,
  describeStatement,
  execute,
  parse,
  query,
  run,
  sync,
  type Transcript,
  transcript,
} from "../transcript.ts";

const setup = `
  create table parent (id int primary key);
  create domain even as int constraint is_even check (value % 2 = 0);
  create table child (
    id int constraint child_key unique,
    parent int constraint child_parent references parent,
    name varchar(5) not null,
    size int constraint size_positive check (size > 0),
    pair even,
    during int4range,
    constraint apart exclude using gist (during with &&)
  )`;

export const errors: readonly Transcript[] = [
  transcript(
    "unique, foreign key, not null, check, exclusion and domain violations",
    [
      query("insert into child (id, name) values (1, 'a'); insert into child (id, name) values (1, 'b')"),
      query("insert into child (parent, name) values (7, 'a')"),
      query("insert into child (id) values (2)"),
      query("insert into child (name, size) values ('a', 0)"),
      query("insert into child (name, during) values ('a', '[1,5)'), ('b', '[4,9)')"),
      query("insert into child (name, pair) values ('a', 3)"),
      query("insert into child (name) values ('too long')"),
      query("update child set name = null"),
    ],
    { setup },
  ),
  transcript(
    "the same through the extended protocol",
    [
      run("insert into child (parent, name) values ($1, $2)", "7", "a"),
      sync,
      run("insert into child (name, pair) values ('a', $1)", "3"),
      sync,
      run("insert into child (name) values ($1)", "too long"),
      sync,
    ],
    { setup },
  ),
  transcript("RAISE EXCEPTION with every field", [
    query(`do $$ begin raise exception using message = 'm', errcode = 'P0777', detail = 'd', hint = 'h', column = 'c',
      constraint = 'k', datatype = 't', table = 'a', schema = 's'; end $$`),
    query("do $$ begin raise exception 'text with % and %', 1, 'two'; end $$"),
    query("do $$ begin raise division_by_zero; end $$"),
    query("do $$ begin assert false, 'not so'; end $$"),
  ]),
  transcript(
    "an error inside a function has a context",
    [query("select outer_one()"), query("select failing_sql(0)")],
    {
      setup: `create function inner_one() returns int language plpgsql as $$ begin return 1 / 0; end $$;
      create function outer_one() returns int language plpgsql as $$ declare n int; begin n := inner_one(); return n; end $$;
      create function failing_sql(n int) returns int language sql as 'select 1 / n'`,
      differs: { older: "the context of PL/pgSQL expressions was reworded" },
    },
  ),
  transcript("an error in the text that a function runs has an internal position and query", [
    query("do $$ begin execute 'select nosuch from nowhere'; end $$"),
    query("do $$ begin perform nosuch; end $$"),
    query("do $$ begin nosuch; end $$"),
    query("create function broken() returns int language plpgsql as $$ begin return 1 $$"),
    query("create function broken() returns int language sql as 'select nosuch'"),
  ]),
  transcript(
    "hints",
    [
      query("select id from parent where ide = 1"),
      query("select lengthh('x')"),
      query("select sum('a'::text)"),
      query("insert into parent (idd) values (1)"),
      query("select p.id from parent"),
      query("drop table parent"),
      query("create table x (a int); create table y (b int) inherits (nosuch)"),
    ],
    { setup },
  ),
  transcript(
    "positions through the extended protocol",
    [
      parse("", "select id,\n  nosuch\nfrom parent"),
      sync,
      parse("", "select 'grün', nosuch"),
      sync,
      parse("", "select 1 + 'x'"),
      sync,
    ],
    { setup },
  ),
  transcript("errors at run time", [
    query("select 1/0"),
    query("select 2147483647 + 1"),
    query("select sqrt(-1)"),
    query("select (array[1,2])[1:2:3]"),
    query("select substring('x' from 1 for -1)"),
    query("select (select n from generate_series(1, 2) n)"),
    query("select to_date('x', 'YYYY')"),
    query("select 'a' ~ '('"),
    query("select 'x' like 'y' escape 'zz'"),
    query("select lo_get(1)"),
    query("select pg_sleep('x')"),
  ]),
  transcript(
    "privileges",
    [
      query("set role clerk; select 1"),
      query("set role clerk"),
      query("select * from parent"),
      query("drop table parent"),
      query("create table made (n int)"),
      query("alter table parent add n int"),
      query("reset role"),
    ],
    { setup: `${setup}; drop role if exists clerk; create role clerk` },
  ),
  transcript(
    "features that are not there",
    [
      query("select * from parent for update of nosuch"),
      query("create table p partition of parent for values in (1)"),
      query("select distinct id from parent for update"),
      query("select row_number() over () from parent where row_number() over () = 1"),
      query("select id, count(*) from parent"),
    ],
    { setup },
  ),
  transcript("an error of Describe, of Bind and of Execute have no position of their own", [
    parse("s", "select $1::int / $2::int as q"),
    describeStatement("s"),
    bind("", "s", ["1", "0"]),
    execute(),
    sync,
    bind("", "s", ["1", "z"]),
    sync,
  ]),
  transcript("a lock that cannot be had", [
    query(
      "select pg_try_advisory_lock(7), pg_advisory_lock(7), pg_advisory_unlock(7), pg_advisory_unlock(7)",
    ),
    query("select pg_advisory_unlock(7)"),
    query(
      "begin; select pg_advisory_xact_lock(1, 2); select count(*) from pg_locks where locktype = 'advisory'; commit",
    ),
    query("select count(*) from pg_locks where locktype = 'advisory'"),
    query("select pg_advisory_lock_shared(9); select pg_advisory_unlock_all()"),
  ]),
];
