// Clients of the embedded database that die in the middle of something: the next client finds nothing of them.

import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openers } from "../../../adapters/node/databases.ts";
import type { Listener } from "../../../adapters/node/listen.ts";
import { serve } from "../../../adapters/node/serve.ts";
import { frontendBytes } from "../../wire/bytes.ts";
import { query, RawClient } from "./raw-client.ts";

let listener: Listener;
let control: pg.Client;

beforeAll(async () => {
  const open = openers.pglite;
  if (!open) throw new Error("there is no PGlite");
  listener = await serve({ upstream: await open("pglite:"), lostClientGrace: 30 });
  control = new pg.Client({
    host: listener.host,
    port: listener.port,
    user: "postgres",
    database: "postgres",
  });
  await control.connect();
  await control.query("create table kept (a int)");
  await control.query("insert into kept values (1)");
});

afterAll(async () => {
  await control?.end();
  await listener?.close();
});

const extended = (name: string, sql: string): Uint8Array[] => [
  frontendBytes({ type: "Parse", statement: name, query: sql, parameterTypes: [] }),
  frontendBytes({
    type: "Bind",
    portal: name,
    statement: name,
    parameterFormats: [],
    parameters: [],
    resultFormats: [],
  }),
  frontendBytes({ type: "Execute", portal: name, maxRows: 5 }),
];

/** What a client does, and the message that it waits for before it dies. */
const lives: [string, Uint8Array[], Parameters<RawClient["until"]>[0]?][] = [
  ["idle", []],
  [
    "in a transaction that holds a lock",
    [query("begin; lock table kept; update kept set a = 2")],
    "ReadyForQuery",
  ],
  ["in a failed transaction", [query("begin"), query("select 1/0")], "ErrorResponse"],
  ["in a statement", [query("select pg_sleep(30)")]],
  ["in a statement of a transaction", [query("begin; update kept set a = 3; select pg_sleep(30)")]],
  ["while rows stream", [query("select repeat('x', 1000) from generate_series(1, 1000000)")], "DataRow"],
  ["in COPY FROM STDIN", [query("copy kept from stdin")], "CopyInResponse"],
  ["in COPY TO STDOUT", [query("copy (select generate_series(1, 1000000)) to stdout")], "CopyData"],
  [
    "with a portal",
    [query("begin"), ...extended("p", "select generate_series(1, 100)"), frontendBytes({ type: "Flush" })],
    "PortalSuspended",
  ],
  ["in a pipeline", extended("p", "insert into kept values (4)")],
  ["with a prepared statement", [query("prepare s as select 1")], "ReadyForQuery"],
  ["with settings", [query("set work_mem = '1MB'; set application_name = 'ghost'")], "ReadyForQuery"],
  ["with a temporary table", [query("create temp table ghost (a int)")], "ReadyForQuery"],
  ["with an advisory lock", [query("select pg_advisory_lock(1)")], "ReadyForQuery"],
  ["listening", [query("listen ghost")], "ReadyForQuery"],
  ["with a cursor", [query("begin; declare c cursor with hold for select 1; commit")], "ReadyForQuery"],
  ["waiting for another one's transaction", [query("begin; select pg_sleep(0.1)"), query("select 1")]],
  ["in the middle of a message", [query("select 1").subarray(0, 9)]],
];

const deaths: [string, (client: RawClient) => void][] = [
  ["reset", (client) => void client.socket.resetAndDestroy()],
  ["closed", (client) => client.destroy()],
  ["half-closed", (client) => client.half()],
];

async function live(at: number): Promise<void> {
  const [, messages, awaited] = lives[at % lives.length] as (typeof lives)[number];
  const [, die] = deaths[Math.floor(at / lives.length) % deaths.length] as (typeof deaths)[number];
  const client = await RawClient.connect(listener);
  await client.login({ user: "postgres", database: "postgres" });
  if (messages.length > 0) client.send(...messages);
  if (awaited) await client.until(awaited);
  die(client);
  await client.end();
  client.destroy();
}

/** Everything that could be left of a client. */
async function remains(): Promise<Record<string, unknown>> {
  const rows = async (sql: string) => (await control.query(sql)).rows;
  return {
    kept: await rows("select a from kept"),
    statements: await rows("select name from pg_prepared_statements"),
    cursors: await rows("select name from pg_cursors where name <> ''"),
    channels: await rows("select pg_listening_channels()"),
    temporary: await rows("select relname from pg_class where relpersistence = 't'"),
    locks: await rows("select locktype, mode from pg_locks where locktype in ('advisory', 'transactionid')"),
    settings: await rows(
      "select current_setting('work_mem') as work_mem, current_setting('application_name') as name",
    ),
  };
}

test("one after the other, and many at a time", { timeout: 120_000 }, async () => {
  const before = await remains();
  expect(before).toMatchObject({
    kept: [{ a: 1 }],
    statements: [],
    cursors: [],
    channels: [],
    temporary: [],
    locks: [],
  });
  for (const [at, [name]] of lives.entries()) {
    await live(at);
    expect(await remains(), name).toEqual(before);
  }
  const all = lives.length * deaths.length;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < all) await live(next++);
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  expect(await remains()).toEqual(before);
  await expect.poll(() => listener.size, { timeout: 10_000 }).toBe(1);
});
