/**
 * Sessions over the wire upstream that are suspended, and get another server connection when they go on: over a real
 * PostgreSQL server, where one is installed, and over the embedded one behind a gateway of its own.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPglite } from "../../../adapters/node/pglite.ts";
import { openSocket } from "../../../adapters/node/socket-stream.ts";
import { parseUrl } from "../../../src/client/mod.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { sharedUpstream, type WireOptions, wireUpstream } from "../../../src/upstreams/mod.ts";
import type { PgError } from "../../../src/wire/mod.ts";
import { testServer } from "../../client/server.ts";
import { startOracle } from "../../conformance/oracle-server.ts";
import {
  bind,
  connect,
  describeStatement,
  execute,
  parse,
  query,
  sync,
  type TestClient,
} from "../../session/test-client.ts";
import { ScriptedServers } from "./scripted-servers.ts";

interface Server {
  readonly open: WireOptions["open"];
  stop(): Promise<void>;
}

async function realServer(): Promise<Server | string> {
  const server = await startOracle();
  if (typeof server === "string") return server;
  const { options, ...address } = parseUrl(`postgres://postgres@127.0.0.1:${server.port}?sslmode=disable`);
  return { stop: server.stop, open: () => openSocket(address, options.connectTimeout) };
}

async function embeddedServer(): Promise<Server> {
  const embedded: Upstream = sharedUpstream(await openPglite(undefined));
  const behind = testServer({ upstream: embedded });
  return {
    open: async () => {
      await behind.settled();
      return behind.open();
    },
    async stop() {
      await behind.closed();
      await embedded.close?.();
    },
  };
}

const real = await realServer();
if (typeof real === "string") console.log(`suspending sessions over PostgreSQL: not run, ${real}`);

console.log(
  "not run over the embedded database: another session user, and what the server reports otherwise now: " +
    "its one session cannot go back to its first user, and has no administrator beside it",
);

describe.skipIf(typeof real === "string")("over PostgreSQL", () => suite(async () => real as Server, true));
describe("over the embedded database behind a gateway", () => suite(embeddedServer, false));

describe("over a server that the test plays", () => {
  async function joined() {
    const servers = new ScriptedServers();
    const upstream = wireUpstream({
      open: servers.open,
      client: { user: "gateway", sslMode: "disable" },
      idleTimeout: 0,
    });
    const errors: string[] = [];
    const onError = ({ code }: PgError): undefined => void errors.push(code);
    const connecting = connect({ upstream, suspendable: true, onError });
    const server = await servers.accepted();
    return { servers, server, client: await connecting, errors };
  }

  const ready = { type: "ReadyForQuery", status: "I" } as const;
  const failure = (severity: "ERROR" | "FATAL", code: string) =>
    ({ type: "ErrorResponse", fields: { severity, code, message: "told" } }) as const;

  test("one that is no PostgreSQL is asked once, and its clients are not suspended", async () => {
    const { server, client, errors } = await joined();
    const suspending = client.suspend();
    await server.expect("Query");
    server.send(failure("ERROR", "42883"), ready);
    expect(await suspending).toBeUndefined();
    expect(await client.suspend()).toBeUndefined();
    expect(errors).toEqual(["42883"]);
    const answer = client.query("select 1");
    expect((await server.expect("Query")).query).toBe("select 1");
    server.send({ type: "CommandComplete", tag: "SELECT 0" }, ready);
    expect(await answer).toEqual(["CommandComplete SELECT 0", "ReadyForQuery I"]);
  });

  test("one that ends the connection while it is asked: the client is told", async () => {
    const { server, client } = await joined();
    const suspending = client.suspend();
    await server.expect("Query");
    server.send(failure("FATAL", "57P01"));
    server.close();
    expect(await suspending).toBeUndefined();
    await client.untilClosed();
    expect(client.take()).toEqual(["ErrorResponse FATAL 57P01 told"]);
  });

  test("one that cannot be reached when the client goes on: the client is told", async () => {
    const { servers, server, client } = await joined();
    const suspending = client.suspend();
    const rows = [["f"], [], [], []];
    for (const row of rows) {
      await server.expect("Query");
      const fields = row.map(() => ({
        name: "x",
        tableOid: 0,
        columnAttribute: 0,
        typeOid: 16,
        typeSize: 1,
        typeModifier: -1,
        format: 0,
      }));
      server.send({ type: "RowDescription", fields });
      if (row.length > 0) server.send({ type: "DataRow", values: row });
      server.send({ type: "CommandComplete", tag: "SELECT" }, ready);
    }
    await server.expect("Terminate");
    await server.expectClose();
    const snapshot = await suspending;
    if (!snapshot) throw new Error("not suspended");
    servers.failure = new Error("no route");
    client.resume(snapshot);
    await client.untilClosed();
    expect(client.take()[0]).toMatch(/^ErrorResponse FATAL XX000 no route/);
  });
});

function suite(start: () => Promise<Server>, isReal: boolean): void {
  let server: Server;
  const upstreams: Upstream[] = [];

  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    for (const upstream of upstreams) await upstream.close?.();
    await server.stop();
  });

  /** Connections that were opened. */
  let opened = 0;

  function upstream(options: Partial<WireOptions> = {}): Upstream {
    const made = wireUpstream({
      open: () => {
        opened++;
        return server.open();
      },
      client: { user: "postgres", database: "postgres", sslMode: "disable" },
      idleTimeout: 0,
      ...options,
    });
    upstreams.push(made);
    return made;
  }

  const open = (parameters: Record<string, string> = {}, options: Partial<WireOptions> = {}) =>
    connect({ upstream: upstream(options), suspendable: true }, parameters);

  async function value(client: TestClient, sql: string): Promise<string | undefined> {
    const lines = await client.query(sql);
    const error = lines.find((line) => line.startsWith("ErrorResponse"));
    if (error) return error;
    return lines.find((line) => line.startsWith("DataRow "))?.slice("DataRow ".length);
  }

  test("another connection, the same session", async () => {
    const client = await open({ application_name: "first" });
    const before = opened;
    await client.query("set application_name = 'second'; set search_path = pg_catalog, \"$user\", public");
    await client.query("set statement_timeout = '7s'");
    await client.pause();
    expect(await value(client, "show application_name")).toBe("second");
    expect(opened).toBe(before + 1);
    expect(await value(client, "show search_path")).toBe('pg_catalog, "$user", public');
    expect(await value(client, "show statement_timeout")).toBe("7s");
    expect(await client.query("reset application_name")).toContain("ParameterStatus application_name=first");
    await client.pause();
    expect(await value(client, "show application_name")).toBe("first");
    await client.vanish();
  });

  test("one that never had anything", async () => {
    const client = await open();
    const snapshot = await client.pause();
    expect(snapshot.upstream).toMatchObject({ settings: [], prepared: [], prepares: [], role: "none" });
    expect(await value(client, "select 1")).toBe("1");
    await client.vanish();
  });

  test("custom settings", async () => {
    const client = await open();
    await client.query("set app.tenant = 'it''s \\ me'");
    await client.query("select set_config('app.user', '42', false)");
    await client.pause();
    expect(await value(client, "select current_setting('app.tenant')")).toBe("it's \\ me");
    // The names are known from before.
    await client.pause();
    expect(await value(client, "select current_setting('app.user')")).toBe("42");
    await client.vanish();
  });

  test("the protocol's prepared statements, named and unnamed", async () => {
    const client = await open();
    await client.ask(parse("select $1 + 1", "plus one", [23]), sync);
    await client.ask(parse("select $1 || '!'"), sync);
    await client.pause();
    const answer = await client.ask(bind(["7"]), execute(), sync);
    expect(answer).toContain("DataRow 7!");
    expect(await client.ask(bind(["7"], { statement: "plus one" }), execute(), sync)).toContain("DataRow 8");
    expect((await client.ask(describeStatement("plus one"), sync))[0]).toBe("ParameterDescription 23");
    await client.query("select 1");
    await client.ask({ type: "Close", kind: "S", name: "plus one" }, sync);
    await client.pause();
    for (const statement of ["plus one", ""]) {
      expect((await client.ask(bind(["7"], { statement }), sync))[0]).toMatch(/^ErrorResponse ERROR 26000/);
    }
    await client.vanish();
  });

  test("a statement whose table has gone is gone", async () => {
    const [client, other] = [await open(), await open()];
    await client.query("create table brief (a int)");
    await client.ask(parse("select a from brief", "s"), sync);
    const snapshot = await client.suspend();
    await other.query("drop table brief");
    if (!snapshot) throw new Error("not suspended");
    client.resume(snapshot);
    expect((await client.ask(bind([], { statement: "s" }), sync))[0]).toMatch(/^ErrorResponse ERROR 26000/);
    expect(await value(client, "select 1")).toBe("1");
    await client.vanish();
    await other.vanish();
  });

  test("SQL's PREPARE", async () => {
    const client = await open();
    await client.query("select 1; prepare plus (int) as select $1 + 1; select 2");
    await client.pause();
    expect(await value(client, "execute plus (41)")).toBe("42");
    await client.query("deallocate plus");
    await client.pause();
    expect(await value(client, "execute plus (41)")).toMatch(/^ErrorResponse ERROR 26000/);
    await client.vanish();
  });

  test("the role", async () => {
    const client = await open();
    await client.query("create role somebody");
    await client.query("set role somebody");
    await client.pause();
    expect(await value(client, "select current_user || ' ' || session_user")).toBe("somebody postgres");
    await client.query("reset role");
    await client.pause();
    expect(await value(client, "select current_user")).toBe("postgres");
    await client.query("drop role somebody");
    await client.vanish();
  });

  test.skipIf(!isReal)("another session user", async () => {
    const client = await open();
    await client.query("create role another");
    expect(await client.query("set session authorization another")).toContain(
      "ParameterStatus session_authorization=another",
    );
    await client.pause();
    expect(await value(client, "select session_user")).toBe("another");
    expect(await client.query("reset session authorization")).toContain(
      "ParameterStatus session_authorization=postgres",
    );
    await client.query("drop role another");
    await client.vanish();
  });

  test("after an error, and in whatever was said last", async () => {
    const client = await open();
    await client.ask(parse("select nonsense", "n"), sync);
    await client.query("selec");
    await client.pause();
    // Whether the unnamed statement is the old one is not known: it stays until that is clear.
    await client.ask(parse("select 1"), parse("select nonsense", "n"), sync);
    expect(await client.suspend()).toBeUndefined();
    await client.query("select 1");
    await client.pause();
    expect(await value(client, "select 2")).toBe("2");
    await client.vanish();
  });

  test.each([
    ["a temporary table", "create temp table t (a int)", "drop table t"],
    ["a temporary type", "create type pg_temp.t as (a int)", "drop type pg_temp.t"],
    ["a cursor WITH HOLD", "begin; declare c cursor with hold for select 1; commit", "close c"],
    ["an advisory lock", "select pg_advisory_lock(42)", "select pg_advisory_unlock(42)"],
    ["a channel", "listen jobs", "unlisten jobs"],
  ])("not with %s", async (_, sql, end) => {
    const client = await open();
    await client.query(sql);
    expect(await client.suspend()).toBeUndefined();
    expect(await value(client, "select 1")).toBe("1");
    await client.query(end);
    await client.pause();
    expect(await value(client, "select 2")).toBe("2");
    await client.vanish();
  });

  test.each([
    ["a setting whose name is computed", "select set_config('app.' || 'x', '1', false)"],
    ["a library", "load 'plpgsql'"],
  ])("not behind %s", async (_, sql) => {
    const client = await open();
    await client.query(sql);
    expect(await client.suspend()).toBeUndefined();
    await client.vanish();
  });

  test("not in a transaction, nor while something runs", async () => {
    const client = await open();
    await client.query("begin");
    expect(await client.suspend()).toBeUndefined();
    await client.query("rollback");
    void client.send(query("select pg_sleep(0.05)"));
    expect(await client.session.suspend()).toBeUndefined();
    await client.until("ReadyForQuery");
    client.take();
    await client.ask(parse("select 1", "half"), { type: "Flush" }, sync);
    await client.pause();
    await client.vanish();
  });

  test("not unless it is wanted", async () => {
    const client = await connect({ upstream: upstream() });
    expect(await client.suspend()).toBeUndefined();
    await client.vanish();
  });

  test("what comes while it is asked is answered in order", async () => {
    const client = await open();
    await client.query("set application_name = 'x'");
    const suspending = client.session.suspend();
    void client.send(query("show application_name"), query("select 2"));
    expect(await suspending).toBeUndefined();
    await client.until("ReadyForQuery", 2);
    expect(client.take().filter((line) => line.startsWith("DataRow"))).toEqual(["DataRow x", "DataRow 2"]);
    await client.pause();
    await client.vanish();
  });

  test("its client leaves while it is asked", async () => {
    const client = await open();
    const suspending = client.session.suspend();
    await client.vanish();
    expect(await suspending).toBeUndefined();
  });

  test("through a pool", async () => {
    const pooled = upstream({ idleTimeout: 5_000, size: 1 });
    const one = await connect({ upstream: pooled, suspendable: true }, { application_name: "x" });
    const before = opened;
    await one.query("set work_mem = '8MB'");
    await one.ask(parse("select 1", "s"), sync);
    const snapshot = await one.suspend();
    if (!snapshot) throw new Error("not suspended");
    const other = await connect({ upstream: pooled, suspendable: true }, { application_name: "x" });
    expect(await value(other, "show work_mem")).not.toBe("8MB");
    expect(await other.ask(parse("select 2", "s"), sync)).toEqual(["ParseComplete", "ReadyForQuery I"]);
    await other.vanish();
    one.resume(snapshot);
    expect(await value(one, "show work_mem")).toBe("8MB");
    expect(await one.ask(bind([], { statement: "s" }), execute(), sync)).toContain("DataRow 1");
    expect(opened).toBe(before);
    await one.vanish();
  });

  test.skipIf(!isReal)("what the server reports otherwise now, the client is told", async () => {
    const [client, admin] = [await open(), await open()];
    const snapshot = await client.suspend();
    await admin.query("alter role postgres set timezone = 'Asia/Tokyo'");
    if (!snapshot) throw new Error("not suspended");
    client.resume(snapshot);
    await client.until("ParameterStatus");
    expect(client.take()).toEqual(["ParameterStatus TimeZone=Asia/Tokyo"]);
    await admin.query("alter role postgres reset timezone");
    await client.vanish();
    await admin.vanish();
  });

  test("a setting that is refused by then is FATAL", async () => {
    const [client, admin] = [await open(), await open()];
    await admin.query("create role brief");
    await client.query("set role brief");
    const snapshot = await client.suspend();
    await admin.query("drop role brief");
    if (!snapshot) throw new Error("not suspended");
    client.resume(snapshot);
    await client.untilClosed();
    expect(client.take()[0]).toMatch(/^ErrorResponse FATAL 22023 role "brief" does not exist/);
    await admin.vanish();
  });
}
