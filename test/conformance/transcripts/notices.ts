/** Notices and notifications: where they stand among the other messages. */
import {
  bind,
  describePortal,
  execute,
  parse,
  query,
  run,
  sync,
  type Transcript,
  transcript,
  untilReady,
} from "../transcript.ts";

export const notices: readonly Transcript[] = [
  transcript("RAISE of each level", [
    query(
      `do $$ begin raise debug 'd'; raise log 'l'; raise info 'i'; raise notice 'n'; raise warning 'w'; end $$`,
    ),
    query("set client_min_messages = debug1; do $$ begin raise debug 'd'; raise log 'l'; end $$"),
    query("set client_min_messages = error"),
    query(`do $$ begin raise info 'i'; raise notice 'n'; raise warning 'w'; end $$`),
  ]),
  transcript("RAISE with every field", [
    query(`do $$ begin raise warning using message = 'm', errcode = '01777', detail = 'd', hint = 'h', column = 'c',
      constraint = 'k', datatype = 't', table = 'a', schema = 's'; end $$`),
  ]),
  transcript(
    "a notice between rows",
    [query("select n, shout(n) from generate_series(1, 3) n"), run("select shout(7)"), sync],
    {
      setup:
        "create function shout(n int) returns int language plpgsql as $$ begin raise notice 'n is %', n; return n; end $$",
    },
  ),
  transcript(
    "a notice of a portal that is run in steps",
    [
      query("begin"),
      parse("", "select shout(n) from generate_series(1, 3) n"),
      bind(),
      execute("", 1),
      sync,
      execute("", 2),
      execute("", 2),
      sync,
      query("commit"),
    ],
    {
      setup:
        "create function shout(n int) returns int language plpgsql as $$ begin raise notice 'n is %', n; return n; end $$",
    },
  ),
  transcript("notices of statements that skip what is there", [
    query("drop table if exists nosuch"),
    query("create table if not exists t (n int); create table if not exists t (n int)"),
    query("drop schema if exists a, b; drop function if exists f(int)"),
    run("drop view if exists v"),
    sync,
  ]),
  transcript("notices of a cascade have a detail", [query("drop table parent cascade")], {
    setup:
      "create table parent (id int primary key); create table child (id int references parent); create view v as table parent; create view w as table v",
  }),
  transcript("a notice of Parse and of Bind", [
    parse("", "select 'x'::varchar(3), e'\\\\'"),
    bind(),
    describePortal(),
    execute(),
    sync,
    query("set escape_string_warning = on; set standard_conforming_strings = off"),
    parse("", "select 'a\\\\b'"),
    bind(),
    execute(),
    sync,
  ]),
  transcript("a notice then an error", [
    query("do $$ begin raise notice 'first'; raise exception 'then'; end $$"),
  ]),

  // Notifications, to oneself: those of others come when they come.
  transcript("NOTIFY to oneself", [
    query("listen c"),
    query("notify c, 'payload'"),
    query("notify c"),
    query("notify other, 'x'"),
    query("unlisten c"),
    query("notify c, 'gone'"),
  ]),
  transcript("NOTIFY waits for COMMIT, and one text comes once", [
    query("listen c; listen d"),
    query("begin"),
    query("notify c, 'one'; notify c, 'two'; notify c, 'one'; notify d, 'three'"),
    query("select 1"),
    query("commit"),
    query("begin; notify c, 'never'"),
    query("rollback"),
  ]),
  transcript("LISTEN in a transaction that is rolled back", [
    query("begin; listen c; rollback"),
    query("notify c"),
    query("begin; listen c; notify c, 'mine'; commit"),
  ]),
  transcript("pg_notify and pg_listening_channels", [
    query('listen c; listen "C d"'),
    query("select pg_notify('c', 'x' || 1)"),
    query("select * from pg_listening_channels() c order by c"),
    query("unlisten *"),
    query("select pg_notify('c', 'gone')"),
  ]),
  transcript("NOTIFY through the extended protocol comes before ReadyForQuery", [
    run("listen c"),
    sync,
    run("notify c, 'one'"),
    run("select 'after' as after"),
    sync,
    untilReady,
    run("select pg_notify('c', $1)", "two"),
    sync,
  ]),
  transcript("names and payloads that are refused", [
    query(`notify "${"c".repeat(70)}"`),
    query("select pg_notify('', 'x')"),
    query("select pg_notify('c', repeat('x', 8000))"),
    query("select pg_notify(repeat('c', 64), 'x')"),
  ]),
];
