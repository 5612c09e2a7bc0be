// Which way each kind of statement goes, and what is asked of the session behind it.
import { describe, expect, test } from "vitest";
import { loadParser } from "../../../adapters/node/parser.ts";
import { type Plan, planOf, tagInCleanSession } from "../../../src/upstreams/neon/plan.ts";

const parser = await loadParser();
const plan = (sql: string): Plan => planOf(parser, sql);

/** The properties that are true, in the order of this list. */
function marks(sql: string): string {
  const made = plan(sql);
  const flags = ["plain", "pins", "hides", "frees", "changesSchema", "harmless"] as const;
  return [made.way, ...flags.filter((flag) => made[flag])].join(" ");
}

describe("plans", () => {
  test.each([
    ["select 1", "http plain harmless"],
    ["select f(1)", "http plain"],
    ["select * from t for update", "http plain"],
    ["select count(*), lower(a) from t group by 2", "http plain harmless"],
    ["select random()", "http plain"],
    ["with gone as (delete from t returning *) select * from gone", "http plain"],
    ["insert into t values ($1) returning id", "http plain"],
    ["show work_mem", "http plain"],
    ["explain analyze select 1", "http plain frees"],
    ["create table t (n int)", "http changesSchema"],
    ["select 1 as n into t", "http plain changesSchema"],
    ["vacuum", "http"],
    ["notify news", "http"],
    ["truncate t", "http changesSchema"],
    ["begin", "tunnel frees"],
    ["set work_mem = '8MB'", "tunnel pins frees"],
    ["set local work_mem = '8MB'", "tunnel"],
    ["set transaction read only", "tunnel frees"],
    ["set constraints all deferred", "tunnel"],
    ["reset work_mem", "tunnel frees"],
    ["set work_mem = default", "tunnel frees"],
    ["select set_config('work_mem', '8MB', true)", "http plain"],
    ["select set_config('work_mem', '8MB', false)", "tunnel pins frees"],
    ["select set_config(name, value, false) from t", "tunnel pins hides frees"],
    ["discard all", "tunnel frees"],
    ["create temp table t (n int)", "tunnel pins changesSchema"],
    ["select 1 as n into temp t", "tunnel pins changesSchema"],
    ["drop table t", "http frees changesSchema"],
    ["prepare p as select 1", "tunnel pins"],
    ["execute p", "tunnel pins frees"],
    ["deallocate p", "tunnel frees"],
    ["declare c cursor for select 1", "tunnel"],
    ["declare c cursor with hold for select 1", "tunnel pins"],
    ["fetch c", "tunnel"],
    ["close c", "tunnel frees"],
    ["listen news", "tunnel pins"],
    ["unlisten news", "tunnel frees"],
    ["copy t from stdin", "tunnel"],
    ["copy t to '/a/file'", "http"],
    ["select pg_advisory_lock(1)", "tunnel pins frees"],
    ["select pg_advisory_unlock_all()", "tunnel frees"],
    ["select pg_advisory_xact_lock(1)", "http plain"],
    ["select currval('s')", "tunnel"],
    ["do $$ begin null; end $$", "tunnel pins frees changesSchema"],
    ["do $$ begin set my.tenant = '1'; end $$", "tunnel pins hides frees changesSchema"],
    ["call p()", "tunnel pins frees changesSchema"],
    ["selec 1", "tunnel pins frees changesSchema"],
    ["select 1; select 2", "tunnel pins frees changesSchema"],
  ])("%s: %s", (sql, expected) => {
    expect(marks(sql)).toBe(expected);
  });

  test("name the custom settings that are set", () => {
    expect(plan("set My.Tenant = '1'").customSettings).toEqual(["my.tenant"]);
    expect(plan("set session my.tenant to 1").customSettings).toEqual(["my.tenant"]);
    expect(plan("set work_mem = '8MB'").customSettings).toEqual([]);
    const both = plan(
      "select set_config('my.a', '1', false), set_config('my.b', '2', false), set_config('work_mem', '8MB', false)",
    );
    expect([both.customSettings, both.hides]).toEqual([["my.a", "my.b"], false]);
  });
});

test("what has nothing to do where there is nothing", () => {
  const tag = (sql: string): string | undefined => tagInCleanSession(plan(sql));
  expect(
    ["discard all", "discard temp", "deallocate all", "close all", "reset all", "unlisten *"].map(tag),
  ).toEqual(["DISCARD ALL", "DISCARD TEMP", "DEALLOCATE ALL", "CLOSE CURSOR ALL", "RESET", "UNLISTEN"]);
  expect(["deallocate p", "close c", "reset work_mem", "select 1"].map(tag)).toEqual(
    Array(4).fill(undefined),
  );
});
