import { describe, expect, test } from "vitest";
import { Parameters } from "../../src/session/parameters.ts";
import { errorOf } from "../wire/bytes.ts";
import { type Scripted, scripted, transactional } from "./scripted-upstream.ts";
import { bind, connect, describeStatement, parse, run, sync } from "./test-client.ts";

/** The answers to one query after the other, each joined, without ReadyForQuery. */
async function answers(queries: readonly string[], script: Scripted = transactional()): Promise<string[]> {
  const client = await connect(script);
  const all: string[] = [];
  for (const sql of queries) {
    const lines = await client.query(sql);
    all.push(lines.filter((line) => !line.startsWith("ReadyForQuery")).join(", "));
  }
  return all;
}

describe("SET, RESET and SHOW", () => {
  test("a reported setting", async () => {
    expect(
      await answers([
        "set application_name = 'a b'",
        "show application_name",
        "set application_name to default",
        "set TIME ZONE 'Europe/Berlin'",
        "reset timezone",
        "reset timezone",
      ]),
    ).toEqual([
      "CommandComplete SET, ParameterStatus application_name=a b",
      "RowDescription application_name, DataRow a b, CommandComplete SHOW",
      "CommandComplete SET, ParameterStatus application_name=",
      "CommandComplete SET, ParameterStatus TimeZone=Europe/Berlin",
      "CommandComplete RESET, ParameterStatus TimeZone=UTC",
      "CommandComplete RESET",
    ]);
  });

  test("the modes of a transaction, and outside of one those of the next", async () => {
    const shown = await answers([
      "begin isolation level serializable, read only",
      "show transaction isolation level",
      "show transaction_read_only",
      "savepoint a",
      "rollback to a",
      "show transaction_isolation",
      "commit and chain",
      "show transaction_isolation",
      "rollback",
      "show transaction_isolation",
      "set session characteristics as transaction isolation level repeatable read",
      "show transaction_isolation",
      "begin",
      "show transaction_isolation",
    ]);
    const values = shown.flatMap((line) => /DataRow ([^,]*)/.exec(line)?.[1] ?? []);
    expect(values).toEqual([
      "serializable",
      "on",
      "serializable",
      "serializable",
      "read committed",
      "repeatable read",
      "repeatable read",
    ]);
  });

  test("one that is not reported", async () => {
    expect(await answers(["set statement_timeout = 100", "show statement_timeout", "reset all"])).toEqual([
      "CommandComplete SET",
      "RowDescription statement_timeout, DataRow 100ms, CommandComplete SHOW",
      "CommandComplete RESET",
    ]);
  });

  test.each([
    ["statement_timeout", "60000", "1min"],
    ["statement_timeout", "500", "500ms"],
    ["lock_timeout", "'1.5s'", "1500ms"],
    ["idle_session_timeout", "'48h'", "2d"],
    ["idle_in_transaction_session_timeout", "0", "0"],
    ["row_security", "'f'", "off"],
    ["default_transaction_deferrable", "1", "on"],
    ["default_transaction_read_only", "TRUE", "on"],
    ["default_transaction_isolation", "'Repeatable Read'", "repeatable read"],
    ["role", "none", "none"],
    ["session_authorization", "postgres", "postgres"],
  ])("%s = %s is shown as %s", async (name, value, shown) => {
    expect((await answers([`set ${name} = ${value}`, `show ${name}`]))[1]).toBe(
      `RowDescription ${name}, DataRow ${shown}, CommandComplete SHOW`,
    );
  });

  test("names have no case; SHOW's column is the setting's own", async () => {
    expect(await answers(["set DATESTYLE to 'ISO, DMY'", "show datestyle"])).toEqual([
      "CommandComplete SET, ParameterStatus DateStyle=ISO, DMY",
      "RowDescription DateStyle, DataRow ISO, DMY, CommandComplete SHOW",
    ]);
  });

  test("custom settings", async () => {
    expect(await answers(["set my.var = 'x'", "show my.var", "show other.var"])).toEqual([
      "CommandComplete SET",
      "RowDescription my.var, DataRow x, CommandComplete SHOW",
      'ErrorResponse ERROR 42704 unrecognized configuration parameter "other.var"',
    ]);
  });

  test("lists", async () => {
    expect(await answers(['set search_path to a, "B c"', "show search_path"])).toEqual([
      'CommandComplete SET, ParameterStatus search_path=a, "B c"',
      'RowDescription search_path, DataRow a, "B c", CommandComplete SHOW',
    ]);
  });

  test.each([
    ["'$user', public", '"$user", public'],
    ["'a, b', \"select\"", '"a, b", "select"'],
    ["'we\"ird'", '"we""ird"'],
  ])("set search_path to %s", async (list, value) => {
    expect(await answers([`set search_path to ${list}, x`])).toEqual([
      `CommandComplete SET, ParameterStatus search_path=${value}, x`,
    ]);
  });

  test("startup settings are what RESET goes back to", async () => {
    const client = await connect(transactional(), {
      application_name: "mine",
      options: "-c TimeZone=Asia/Tokyo",
    });
    await client.query("set application_name = 'other'; set timezone = 'UTC'");
    expect(await client.query("reset all")).toEqual([
      "CommandComplete RESET",
      "ParameterStatus application_name=mine",
      "ParameterStatus TimeZone=Asia/Tokyo",
      "ReadyForQuery I",
    ]);
  });

  test("SHOW ALL has three columns and every setting, in order", async () => {
    const client = await connect(transactional());
    const lines = await client.query("show all");
    expect(lines[0]).toBe("RowDescription name setting description");
    expect(lines.slice(-2)).toEqual(["CommandComplete SHOW", "ReadyForQuery I"]);
    const names = lines.slice(1, -2).map((line) => line.slice("DataRow ".length).split("|")[0]);
    expect(names.length).toBeGreaterThan(30);
    expect(names).toContain("TimeZone");
    expect([...names].sort((a = "", b = "") => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))).toEqual(names);
  });

  test("by the extended protocol, described without being run", async () => {
    const client = await connect(transactional());
    expect(await client.ask(parse("show timezone"), describeStatement(), sync)).toEqual([
      "ParseComplete",
      "ParameterDescription",
      "RowDescription TimeZone",
      "ReadyForQuery I",
    ]);
    expect(await client.ask(...run("show timezone"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "RowDescription TimeZone",
      "DataRow UTC",
      "CommandComplete SHOW",
      "ReadyForQuery I",
    ]);
    expect(await client.ask(...run("set timezone = 'Asia/Tokyo'"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "NoData",
      "CommandComplete SET",
      "ParameterStatus TimeZone=Asia/Tokyo",
      "ReadyForQuery I",
    ]);
    expect(
      await client.ask(parse("show all"), bind(), { type: "Describe", kind: "P", name: "" }, sync),
    ).toContain("RowDescription name setting description");
  });

  test.each([
    ["set nosuch = 1", '42704 unrecognized configuration parameter "nosuch"'],
    ["show nosuch", '42704 unrecognized configuration parameter "nosuch"'],
    ["reset nosuch", '42704 unrecognized configuration parameter "nosuch"'],
    ["set server_version = '9'", '55P02 parameter "server_version" cannot be changed'],
    ["set is_superuser = on", '55P02 parameter "is_superuser" cannot be changed'],
    ["set client_encoding = 'LATIN1'", "0A000 conversion between LATIN1 and UTF8 is not supported"],
    ["set standard_conforming_strings = off", "0A000 standard_conforming_strings cannot be turned off"],
    [
      "set standard_conforming_strings = maybe",
      '22023 parameter "standard_conforming_strings" requires a Boolean value',
    ],
    ["set datestyle = 'German'", '0A000 DateStyle "German" is not supported'],
    ["set datestyle = 'xyz'", '22023 invalid value for parameter "DateStyle": "xyz"'],
    ["set row_security = maybe", '22023 parameter "row_security" requires a Boolean value'],
    ["set row_security = o", '22023 parameter "row_security" requires a Boolean value'],
    [
      "set default_transaction_isolation = 'none'",
      '22023 invalid value for parameter "default_transaction_isolation": "none"',
    ],
    ["set statement_timeout = 'soon'", '22023 invalid value for parameter "statement_timeout": "soon"'],
    ["set lock_timeout = '5 sec'", '22023 invalid value for parameter "lock_timeout": "5 sec"'],
    [
      "set statement_timeout = '30d'",
      '22023 2592000000 ms is outside the valid range for parameter "statement_timeout" (0 ms .. 2147483647 ms)',
    ],
    [
      "set idle_session_timeout = -1",
      '22023 -1 ms is outside the valid range for parameter "idle_session_timeout" (0 ms .. 2147483647 ms)',
    ],
    [
      "set transaction_read_only = on",
      '0A000 parameter "transaction_read_only" cannot be set in this database',
    ],
    ["set role admin", "0A000 roles are not supported by this database"],
    ["set session authorization admin", "0A000 roles are not supported by this database"],
  ])("%s is refused", async (sql, error) => {
    expect(await answers([sql])).toEqual([`ErrorResponse ERROR ${error}`]);
  });

  test.each(["UTF8", "utf-8", "'UTF8'", "unicode"])("client_encoding %s is UTF8", async (value) => {
    expect(await answers([`set client_encoding = '${value.replaceAll("'", "")}'`])).toEqual([
      "CommandComplete SET",
    ]);
  });

  test("nothing of it reaches the upstream", async () => {
    const script = transactional();
    await answers(["set timezone = 'UTC'", "show timezone", "reset all", "discard all"], script);
    expect(script.calls).toEqual([]);
  });
});

describe("in a transaction", () => {
  const tokyo = "CommandComplete SET, ParameterStatus TimeZone=Asia/Tokyo";
  const back = "ParameterStatus TimeZone=UTC";

  test("SET is undone by ROLLBACK, kept by COMMIT", async () => {
    const set = "set timezone = 'Asia/Tokyo'";
    expect(await answers(["begin", set, "rollback", "begin", set, "commit"])).toEqual([
      "CommandComplete BEGIN",
      tokyo,
      `CommandComplete ROLLBACK, ${back}`,
      "CommandComplete BEGIN",
      tokyo,
      "CommandComplete COMMIT",
    ]);
  });

  test("SET LOCAL ends with it", async () => {
    const set = "set local timezone = 'Asia/Tokyo'";
    for (const end of ["commit", "rollback"]) {
      expect(await answers(["begin", set, end])).toEqual([
        "CommandComplete BEGIN",
        tokyo,
        `CommandComplete ${end.toUpperCase()}, ${back}`,
      ]);
    }
  });

  test("SET LOCAL outside of one warns, and does nothing", async () => {
    expect(await answers(["set local timezone = 'Asia/Tokyo'", "show timezone"])).toEqual([
      "NoticeResponse WARNING 25P01 SET LOCAL can only be used in transaction blocks, CommandComplete SET",
      "RowDescription TimeZone, DataRow UTC, CommandComplete SHOW",
    ]);
  });

  test("a multi-statement query that fails undoes its SET", async () => {
    expect(await answers(["set timezone = 'Asia/Tokyo'; fail", "show timezone"])).toEqual([
      "CommandComplete SET, ErrorResponse ERROR 22012 division by zero",
      "RowDescription TimeZone, DataRow UTC, CommandComplete SHOW",
    ]);
  });

  test("a pipeline that fails does, too", async () => {
    const client = await connect(transactional());
    const lines = await client.ask(...run("set timezone = 'Asia/Tokyo'"), ...run("fail"), sync);
    expect(lines).not.toContain("ParameterStatus TimeZone=Asia/Tokyo");
    expect(await client.query("show timezone")).toContain("DataRow UTC");
  });

  test("DISCARD ALL is refused", async () => {
    const error = "ErrorResponse ERROR 25001 DISCARD ALL cannot run inside a transaction block";
    expect((await answers(["begin", "discard all"]))[1]).toBe(error);
    expect(await answers(["x; discard all"])).toEqual([`CommandComplete X, ${error}`]);
  });
});

describe("DISCARD ALL", () => {
  test("resets settings and ends prepared statements", async () => {
    const script = transactional();
    const client = await connect(script);
    await client.query("set timezone = 'Asia/Tokyo'");
    await client.ask(parse("x", "s"), sync);
    expect(await client.query("discard all")).toEqual([
      "CommandComplete DISCARD ALL",
      "ParameterStatus TimeZone=UTC",
      "ReadyForQuery I",
    ]);
    expect(await client.ask(bind([], { statement: "s" }), sync)).toEqual([
      'ErrorResponse ERROR 26000 prepared statement "s" does not exist',
      "ReadyForQuery I",
    ]);
  });

  test.each(["TEMP", "PLANS", "SEQUENCES"])("DISCARD %s", async (what) => {
    expect(await answers([`discard ${what}`])).toEqual([`CommandComplete DISCARD ${what}`]);
  });
});

describe("settings of the upstream's own", () => {
  test("SET, SHOW, RESET and DISCARD are its queries; what it tells is reported", async () => {
    const script: Scripted = scripted({
      settings: "upstream",
      query: ({ sql }) => {
        if (sql.startsWith("set")) script.client.setParameter("my_reported", "1");
        return { type: "command", tag: sql.toUpperCase() };
      },
    });
    const client = await connect(script);
    expect(await client.query("set x = 1")).toEqual([
      "CommandComplete SET X = 1",
      "ParameterStatus my_reported=1",
      "ReadyForQuery I",
    ]);
    await client.query("show x");
    await client.query("reset x");
    await client.query("discard all");
    expect(script.calls).toEqual(["query set x = 1", "query show x", "query reset x", "query discard all"]);
  });

  test("DISCARD ALL ends the session's prepared statements all the same", async () => {
    const script = scripted({ settings: "upstream" });
    const client = await connect(script);
    await client.ask(parse("x", "s"), sync);
    await client.query("discard all");
    expect(await client.ask(bind([], { statement: "s" }), sync)).toContain(
      'ErrorResponse ERROR 26000 prepared statement "s" does not exist',
    );
  });
});

describe("Parameters", () => {
  function started(): { settings: Parameters; told: string[] } {
    const told: string[] = [];
    const settings = new Parameters((name, value) => told.push(`${name}=${value}`));
    settings.start(new Map());
    told.length = 0;
    return { settings, told };
  }

  const zone = (settings: Parameters): string => settings.show("timezone");

  test("levels: a savepoint's values come back, others' stay", () => {
    const { settings } = started();
    settings.begin();
    settings.set("TimeZone", "1");
    settings.begin("a");
    settings.set("TimeZone", "2");
    settings.begin("b");
    settings.set("TimeZone", "3");
    settings.rollbackTo("b");
    expect(zone(settings)).toBe("2");
    settings.set("TimeZone", "4");
    settings.rollbackTo("b");
    expect(zone(settings)).toBe("2");
    settings.release("b");
    settings.rollbackTo("a");
    expect(zone(settings)).toBe("1");
    settings.rollback();
    expect(zone(settings)).toBe("UTC");
  });

  test("two savepoints of one name: the newer one hides the older", () => {
    const { settings } = started();
    settings.begin();
    settings.begin("a");
    settings.set("TimeZone", "1");
    settings.begin("a");
    settings.set("TimeZone", "2");
    settings.rollbackTo("a");
    expect(zone(settings)).toBe("1");
    settings.release("a");
    settings.rollbackTo("a");
    expect(zone(settings)).toBe("UTC");
  });

  test("SET LOCAL over SET, and SET over SET LOCAL", () => {
    const { settings } = started();
    settings.begin();
    settings.set("TimeZone", "1");
    settings.set("TimeZone", "2", "local");
    settings.commit();
    expect(zone(settings)).toBe("1");
    settings.begin();
    settings.set("TimeZone", "2", "local");
    settings.set("TimeZone", "3");
    settings.commit();
    expect(zone(settings)).toBe("3");
  });

  test("a SET that a savepoint takes back leaves the SET LOCAL before it local", () => {
    const { settings } = started();
    settings.begin();
    settings.set("TimeZone", "1", "local");
    settings.begin("a");
    settings.set("TimeZone", "2");
    settings.rollbackTo("a");
    expect(zone(settings)).toBe("1");
    settings.commit();
    expect(zone(settings)).toBe("UTC");
  });

  test("a SET LOCAL that a savepoint takes back hides nothing any more", () => {
    const { settings } = started();
    settings.begin();
    settings.begin("a");
    settings.set("TimeZone", "1", "local");
    settings.rollbackTo("a");
    settings.release("a");
    settings.set("TimeZone", "2");
    settings.commit();
    expect(zone(settings)).toBe("2");
  });

  test("a custom setting that is rolled back is not there any more", () => {
    const { settings } = started();
    settings.begin();
    settings.set("my.var", "1");
    settings.rollback();
    expect(errorOf(() => settings.show("my.var"))).toBe(
      'ERROR 42704 unrecognized configuration parameter "my.var"',
    );
  });

  test("a custom setting that was local is not there any more, or empty as in PostgreSQL", () => {
    const { settings } = started();
    settings.begin();
    settings.set("my.var", "1", "local");
    settings.commit();
    expect(settings.show("my.var")).toBe("");
  });

  test("changes are told once, and not what is back where it was", () => {
    const { settings, told } = started();
    settings.set("TimeZone", "1");
    settings.set("TimeZone", "2");
    settings.announce();
    settings.set("TimeZone", "3");
    settings.set("TimeZone", "2");
    settings.announce();
    expect(told).toEqual(["TimeZone=2"]);
  });

  test("RESET ALL leaves the transaction's own and the user alone", () => {
    const { settings } = started();
    settings.initialize("session_authorization", "alice");
    settings.reset("all");
    expect(settings.show("session_authorization")).toBe("alice");
    expect(settings.show("transaction_isolation")).toBe("read committed");
  });
});
