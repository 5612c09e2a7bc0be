/** Settings: SET, RESET and SHOW, and the ParameterStatus of each setting that PostgreSQL reports. */
import {
  bind,
  execute,
  flush,
  message,
  parse,
  query,
  run,
  sync,
  type Transcript,
  text,
  transcript,
  untilReady,
} from "../transcript.ts";

/** PGlite cannot, and so none of the sessions over it can. */
const overPglite = (reason: string) => ({
  pglite: reason,
  relay: reason,
  statement: reason,
  settings: reason,
});

/** RESET SESSION AUTHORIZATION leaves it to nobody: PGlite has no authenticated user. */
const noAuthorization = "PGlite cannot go back to its first user";

const noTimers = "WebAssembly has no timer signals";
const noSearchPath = "search_path is reported since 18";
const noConversions = "PGlite has no conversions between encodings, and dies of their error";

export const settings: readonly Transcript[] = [
  transcript("SET, SHOW, RESET of a setting that is not reported", [
    query("set work_mem = '8MB'"),
    query("show work_mem"),
    query("reset work_mem"),
    query("show work_mem"),
  ]),
  ...(
    [
      ["application_name", "'transcript'", "'other'"],
      ["client_encoding", "'LATIN1'", "'UTF8'"],
      ["DateStyle", "'German'", "'SQL, DMY'"],
      ["default_transaction_read_only", "on", "off"],
      ["IntervalStyle", "'iso_8601'", "'sql_standard'"],
      ["standard_conforming_strings", "off", "on"],
      ["TimeZone", "'Europe/Berlin'", "'-03:30'"],
    ] as const
  ).map(([name, first, second]) =>
    transcript(`ParameterStatus of ${name}`, [
      query(`set ${name} = ${first}`),
      query(`set ${name} = ${first}`),
      query(`set session ${name} to ${second}`),
      query(`reset ${name}`),
    ]),
  ),
  transcript(
    "an application_name that is not ASCII",
    [query("set application_name = 'grün'"), query("reset application_name")],
    {
      differs: { older: "before 16, what is not ASCII became ?" },
    },
  ),
  transcript(
    "ParameterStatus of scram_iterations and search_path",
    [
      query("set scram_iterations = 5000"),
      query("reset scram_iterations"),
      query("set search_path = pg_catalog, public"),
      query("set search_path = public"),
    ],
    { differs: { older: "scram_iterations came with 16, and search_path is reported since 18" } },
  ),
  transcript(
    "ParameterStatus of session_authorization",
    [query("set session authorization clerk"), query("reset session authorization")],
    {
      setup: "drop role if exists clerk; create role clerk",
      without: {
        pglite: noAuthorization,
        relay: noAuthorization,
        statement: noAuthorization,
        settings: noAuthorization,
      },
    },
  ),
  transcript(
    "ParameterStatus of is_superuser, by SET ROLE",
    [
      query("set role clerk"),
      query("show is_superuser"),
      query("reset role"),
      query("begin; set local role clerk"),
      query("rollback"),
    ],
    { setup: "drop role if exists clerk; create role clerk" },
  ),
  transcript("a setting that cannot be set", [
    query("set server_version = '1'"),
    query("set integer_datetimes = off"),
    query("set server_encoding = 'UTF8'"),
    query("set is_superuser = off"),
    query("set in_hot_standby = on"),
  ]),
  transcript("values that are refused", [
    query("set datestyle = 'nosuch'"),
    query("set timezone = 'Nosuch/Place'"),
    query("set client_encoding = 'nosuch'"),
    query("set \"IntervalStyle\" = 'nosuch'"),
    query("set work_mem = '8XB'"),
    query("set statement_timeout = 'x'"),
    query("set nosuch = 1"),
    query("show nosuch"),
    query("reset nosuch"),
  ]),
  transcript("settings with a prefix of their own", [
    query("set my.setting = 'x'"),
    query("show my.setting"),
    query("reset my.setting"),
    query("show my.setting"),
    query("show other.setting"),
  ]),
  transcript(
    "SET in other writings",
    [
      query("set timezone to 'UTC'"),
      query("set time zone 'America/New_York'"),
      query("set time zone local"),
      query("set time zone interval '-08:00' hour to minute"),
      query("set names 'UTF8'"),
      query("set application_name = bare_word"),
      query("set datestyle to iso, dmy"),
      query("set search_path to 'a b', \"C\", d"),
      query("show search_path"),
      query("set application_name to default"),
    ],
    { differs: { older: noSearchPath } },
  ),
  transcript("SET LOCAL ends with COMMIT", [
    query("set application_name = 'before'"),
    query("begin"),
    query("set local application_name = 'inside'"),
    query("show application_name"),
    query("commit"),
    query("show application_name"),
  ]),
  transcript("SET LOCAL ends with ROLLBACK", [
    query("begin"),
    query("set local timezone = 'Asia/Tokyo'"),
    query("rollback"),
    query("show timezone"),
  ]),
  transcript("SET in a transaction that is rolled back", [
    query("begin"),
    query("set intervalstyle = 'iso_8601'"),
    query("rollback"),
    query("show intervalstyle"),
  ]),
  transcript("SET in a transaction that is committed", [
    query("begin"),
    query("set intervalstyle = 'iso_8601'"),
    query("select 1"),
    query("commit"),
    query("show intervalstyle"),
  ]),
  transcript("SET behind a savepoint", [
    query("begin; set application_name = 'one'"),
    query("savepoint s; set application_name = 'two'"),
    query("rollback to s"),
    query("commit"),
    query("show application_name"),
  ]),
  transcript("SET and back within one message is not reported", [
    query("set application_name = 'x'; set application_name = ''"),
    query("begin; set application_name = 'x'; rollback"),
  ]),
  transcript("SET LOCAL outside a transaction warns", [
    query("set local application_name = 'x'"),
    query("show application_name"),
  ]),
  transcript("SET through the extended protocol is reported at Sync", [
    run("set application_name = 'x'"),
    flush,
    run("select 1"),
    run("set timezone = 'Asia/Tokyo'"),
    sync,
    run("show application_name"),
    sync,
  ]),
  transcript("set_config reports too", [
    query("select set_config('application_name', 'by function', false)"),
    query("select set_config('TimeZone', 'Asia/Tokyo', true)"),
    query("show timezone"),
  ]),
  transcript("current_setting, and one that is missing", [
    query("select current_setting('DateStyle')"),
    query("select current_setting('nosuch.x', true) is null as missing"),
    query("select current_setting('nosuch.x')"),
  ]),
  transcript("SHOW through the extended protocol", [
    parse("s", "show timezone"),
    bind("", "s", [], { results: [1] }),
    execute(),
    sync,
    untilReady,
    query("set timezone = 'Asia/Tokyo'"),
    bind("", "s"),
    execute(),
    sync,
  ]),
  transcript("RESET ALL and DISCARD ALL put the reported settings back", [
    query("set application_name = 'x'; set intervalstyle = 'iso_8601'"),
    query("reset all"),
    query("set application_name = 'y'; set work_mem = '9MB'"),
    query("discard all"),
    query("show work_mem"),
  ]),
  transcript("DISCARD in a transaction", [
    query("begin"),
    query("discard all"),
    query("rollback"),
    query("select 1; discard all"),
    query("discard sequences; discard plans; discard temp"),
  ]),
  transcript("DISCARD ALL drops temporary tables, cursors and channels", [
    query("create temp table tt (n int); listen c"),
    query("begin; declare k cursor with hold for select 1; commit"),
    query("discard all"),
    query("table tt"),
    query("fetch k"),
    query("notify c"),
  ]),
  transcript(
    "a function's own SET is reported, if at all, when it is over",
    [query("select f()"), query("show application_name")],
    {
      setup:
        "create function f() returns text language sql set application_name = 'inside' as $$ select current_setting('application_name') $$",
    },
  ),
  transcript(
    "client_encoding LATIN1 recodes both ways",
    [
      query("set client_encoding = 'LATIN1'"),
      message("Q", text("select '"), 0xfc, text("' as umlaut, length('"), 0xfc, "')"),
      query("select U&'\\20ac' as euro"),
      query("reset client_encoding"),
    ],
    {
      without: {
        pglite: noConversions,
        relay: noConversions,
        statement: noConversions,
        settings: noConversions,
      },
    },
  ),
  transcript(
    "statement_timeout",
    [
      query("set statement_timeout = '50ms'"),
      query("select pg_sleep(5)"),
      run("select pg_sleep(5)"),
      sync,
      query("reset statement_timeout; select 1"),
    ],
    { without: overPglite(noTimers) },
  ),
];
