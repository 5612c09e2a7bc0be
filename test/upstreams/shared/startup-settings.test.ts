/** RESET goes back to the settings of the startup packet, as it does where PostgreSQL has got that packet itself. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { resetsSettings, startupAgain } from "../../../src/upstreams/shared/startup-settings.ts";
import {
  bind,
  copyData,
  copyDone,
  execute,
  parse,
  query,
  run,
  settled,
  sync,
} from "../../session/test-client.ts";
import { FakeBackend, ready, row } from "./fake-backend.ts";
import { type SharedClient, SharedDatabase } from "./shared-database.ts";

let database: SharedDatabase;
beforeAll(async () => {
  database = await SharedDatabase.start();
  const client = await database.client();
  await client.run("create table t (n int); create role reader");
  await client.vanish();
});
afterAll(() => database.close());
afterEach(() => database.gone());

const tokyo = "ParameterStatus TimeZone=Asia/Tokyo";
const berlin = "ParameterStatus TimeZone=Europe/Berlin";

/** Started with a zone of its own, and a custom setting; it has another zone now. */
async function client(): Promise<SharedClient> {
  const started = await database.client({
    TimeZone: "Asia/Tokyo",
    options: "-c my.var=x -c work_mem=7MB -c log_min_duration_statement=9s",
  });
  await started.run("set timezone = 'Europe/Berlin'; set my.var = 'y'; set work_mem = '9MB'");
  return started;
}

describe("after RESET", () => {
  test.each([
    "reset timezone; reset my.var",
    "reset all",
    "discard all",
    "set timezone to default; set my.var = default",
    "do $$ begin reset timezone; reset my.var; end $$",
  ])("%s", async (sql) => {
    const a = await client();
    const b = await database.client();
    if (sql === "reset all") await a.run("reset my.var");
    // The client is told once, before it may go on.
    expect((await a.query(sql)).slice(-2)).toEqual([tokyo, "ReadyForQuery I"]);
    await b.run("select 1");
    expect(await a.value("show timezone")).toBe("Asia/Tokyo");
    expect(await a.value("show my.var")).toBe("x");
    expect(await a.value("show work_mem")).toBe(sql.includes("my.var") ? "9MB" : "7MB");
    expect(await b.value("show timezone")).toBe("UTC");
  });

  test("what comes behind it without waiting finds it done", async () => {
    const a = await client();
    expect(
      await a.ask(query("reset timezone"), query("show timezone"), ...run("show timezone"), sync),
    ).toEqual([
      "CommandComplete RESET",
      tokyo,
      "ReadyForQuery I",
      "RowDescription TimeZone",
      "DataRow Asia/Tokyo",
      "CommandComplete SHOW",
      "ReadyForQuery I",
      "ParseComplete",
      "BindComplete",
      "RowDescription TimeZone",
      "DataRow Asia/Tokyo",
      "CommandComplete SHOW",
      "ReadyForQuery I",
    ]);
  });

  test("by the extended protocol", async () => {
    const a = await client();
    expect(await a.ask(...run("reset timezone"), sync, ...run("show timezone"), sync)).toEqual([
      "ParseComplete",
      "BindComplete",
      "NoData",
      "CommandComplete RESET",
      tokyo,
      "ReadyForQuery I",
      "ParseComplete",
      "BindComplete",
      "RowDescription TimeZone",
      "DataRow Asia/Tokyo",
      "CommandComplete SHOW",
      "ReadyForQuery I",
    ]);
  });

  test("a value that is the startup packet's again all along is not reported", async () => {
    const a = await client();
    await a.run("reset timezone");
    expect(await a.query("reset timezone")).toEqual(["CommandComplete RESET", "ReadyForQuery I"]);
    expect(await a.query("discard all")).toEqual(["CommandComplete DISCARD ALL", "ReadyForQuery I"]);
  });

  test("in a transaction, and back with it", async () => {
    const a = await client();
    await a.run("begin");
    expect(await a.query("reset timezone")).toEqual(["CommandComplete RESET", tokyo, "ReadyForQuery T"]);
    expect(await a.value("show timezone")).toBe("Asia/Tokyo");
    expect(await a.query("rollback")).toEqual(["CommandComplete ROLLBACK", berlin, "ReadyForQuery I"]);
    expect(await a.value("show timezone")).toBe("Europe/Berlin");
    expect(await a.query("begin; reset timezone; commit")).toContain(tokyo);
    expect(await a.value("show timezone")).toBe("Asia/Tokyo");
  });

  test("that failed, nothing has changed", async () => {
    const a = await client();
    const lines = await a.query("reset timezone; select 1/0");
    expect(lines.at(-1)).toBe("ReadyForQuery I");
    expect(lines).not.toContain(tokyo);
    expect(await a.value("show timezone")).toBe("Europe/Berlin");
    await a.ask(query("begin"), query("select 1/0"));
    expect((await a.query("reset timezone")).at(-1)).toBe("ReadyForQuery E");
    expect((await a.ask(...run("reset timezone"), sync)).at(-1)).toBe("ReadyForQuery E");
    await a.run("rollback");
    expect(await a.value("show timezone")).toBe("Europe/Berlin");
  });

  test("SET LOCAL to the default ends with its transaction", async () => {
    const a = await client();
    await a.run("begin; set local timezone to default; commit");
    expect(await a.value("show timezone")).toBe("Europe/Berlin");
  });

  test("by a role that may not set what the startup packet has set", async () => {
    const a = await client();
    await a.run("set role reader");
    await a.run("begin");
    expect((await a.query("reset all")).at(-1)).toBe("ReadyForQuery T");
    expect(await a.value("show timezone")).toBe("Asia/Tokyo");
    await a.run("commit");
  });

  test("the client's unnamed statement and portal are still there", async () => {
    const a = await client();
    await a.run("begin");
    await a.ask(
      parse("reset timezone", "r"),
      parse("select generate_series(1, 3)"),
      bind(),
      execute(1),
      bind([], { statement: "r", portal: "r" }),
      execute(0, "r"),
      sync,
    );
    expect(await a.ask(execute(1), bind([], { portal: "again" }), execute(1, "again"), sync)).toEqual([
      "DataRow 2",
      "PortalSuspended",
      "BindComplete",
      "DataRow 1",
      "PortalSuspended",
      "ReadyForQuery T",
    ]);
    expect(await a.value("select count(*) from pg_prepared_statements")).toBe("1");
  });
});

describe("where it cannot be done at once, it is done later", () => {
  test("with a COPY in the same text", async () => {
    const a = await client();
    await a.ask(query("reset timezone; copy t from stdin"), copyData("1\n"), copyDone);
    const b = await database.client();
    await b.run("select 1");
    expect(await a.value("show timezone")).toBe("Asia/Tokyo");
  });

  test("in a query behind a pipeline's error: it never ran", async () => {
    const a = await client();
    void a.send(...run("select 1/0"), query("reset timezone"), sync);
    await a.until("ReadyForQuery");
    expect(a.take()).toEqual([
      "ParseComplete",
      "ErrorResponse ERROR 22012 division by zero",
      "ReadyForQuery I",
    ]);
    expect(await a.value("show timezone")).toBe("Europe/Berlin");
  });

  test("where a cancel came in between", async () => {
    const backend = new FakeBackend();
    const fake = new SharedDatabase(backend);
    const a = await fake.client({ TimeZone: "Asia/Tokyo" });
    await a.query("select 1");
    backend.received.length = 0;
    backend.muted = true;
    void a.send(query("reset timezone"));
    await settled();
    expect(backend.received.map(({ type }) => type).join(" ")).toBe(
      "Query Parse Bind Execute Close Close Sync",
    );
    void backend.say({ type: "CommandComplete", tag: "RESET" }, ready());
    await settled();
    expect(a.take()).toEqual(["CommandComplete RESET"]);
    backend.received.length = 0;
    const fields = { severity: "ERROR", code: "57014", message: "canceling statement" } as const;
    void backend.say({ type: "ErrorResponse", fields }, ready());
    await settled();
    expect(a.take()).toEqual(["ReadyForQuery I"]);
    expect(backend.queries()).toEqual([expect.stringContaining("Asia/Tokyo")]);
    backend.muted = false;
    void backend.say(...row("Asia/Tokyo"), ready());
    await fake.close();
  });
});

test("which SQL takes settings back", () => {
  const cases: [string, boolean][] = [
    ["reset all", true],
    ["RESET TimeZone", true],
    ["select 1; reset search_path", true],
    ["set session work_mem to default", true],
    ["set time zone default", true],
    ["discard all", true],
    ["do 'begin reset all; end'", true],
    ["discard plans", false],
    ["set local work_mem to default", false],
    ["set my.text = 'reset'", false],
    ["update t set n = default", false],
    ["alter table t alter n set default 1", false],
    ["insert into log values ('reset')", false],
    ["reset all; 'unterminated", false],
  ];
  for (const [sql, resets] of cases) expect(resetsSettings(sql), sql).toBe(resets);
  expect(startupAgain(new Map())).toBeUndefined();
});
