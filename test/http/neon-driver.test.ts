// Neon's own driver over HTTP, against a Node server with the embedded PostgreSQL.
import { NeonDbError, neon, neonConfig, type types } from "@neondatabase/serverless";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openers } from "../../adapters/node/databases.ts";
import { type HttpListener, listenHttp } from "../../adapters/node/http.ts";
import { scramVerifier } from "../../src/auth/mod.ts";
import { createGateway, type Gateway } from "../../src/gateway/mod.ts";
import { createApp } from "../../src/http/mod.ts";

// The host is of no account; the rest is what Neon's console shows.
const url = (password: string): string =>
  `postgresql://app:${password}@ep-cool-1234-pooler.eu-central-1.aws.neon.tech/main?sslmode=require&channel_binding=require`;

let gateway: Gateway;
let server: HttpListener;
beforeAll(async () => {
  const users = new Map([["app", await scramVerifier("hush")]]);
  gateway = createGateway({ databases: new Map([["main", "pglite:"]]), users }, openers);
  await gateway.open();
  server = await listenHttp(createApp({ gateway }));
  neonConfig.fetchEndpoint = `http://127.0.0.1:${server.port}/sql`;
});
afterAll(async () => {
  await server?.close();
  await gateway?.close();
});

const sql = neon(url("hush"));
beforeEach(async () => {
  await sql`drop table if exists notes`;
  await sql`create table notes (id serial primary key, text text unique, tags text[], data jsonb, at timestamptz)`;
});

test("queries with parameters", async () => {
  const at = new Date("2024-02-29T12:34:56.789Z");
  const tags = ["a", 'b "c"', "d\ne", "NULL"];
  const [note] = await sql`insert into notes (text, tags, data, at)
    values (${"it's"}, ${tags}, ${{ deep: [1, null, "é"] }}, ${at}) returning *`;
  expect(note).toEqual({ id: 1, text: "it's", tags, data: { deep: [1, null, "é"] }, at });
  expect(await sql`select ${null}::text as n, ${1}::int + ${2}::int as sum, ${true}::bool as b`).toEqual([
    { n: null, sum: 3, b: true },
  ]);
  expect(await sql.query("select $1::text as a", ["x"])).toEqual([{ a: "x" }]);
  expect(await sql`select ${sql.unsafe("'raw' as x")}, ${sql`${1}::int`} as nested`).toEqual([
    { x: "raw", nested: 1 },
  ]);
});

test("values as the driver's types make them", async () => {
  const [row] = await sql`select 9007199254740993 as big, 1.10::numeric as n, 'NaN'::float8 as nan,
    '-Infinity'::float8 as inf, '\\xdead'::bytea as bytes, '2024-02-29'::date as d, array[1, null] as a, null as nothing`;
  expect(row).toEqual({
    big: "9007199254740993",
    n: "1.10",
    nan: Number.NaN,
    inf: Number.NEGATIVE_INFINITY,
    bytes: Buffer.from("dead", "hex"),
    d: new Date(2024, 1, 29),
    a: [1, null],
    nothing: null,
  });
  const raw = { getTypeParser: () => (text: string) => text } as unknown as typeof types;
  expect(await sql.query("select true as b, 1 as i", [], { types: raw })).toEqual([{ b: "t", i: "1" }]);
});

test("arrays, and full results", async () => {
  const options = { arrayMode: true, fullResults: true } as const;
  const full = await neon(url("hush"), options)`select 1 as a, 2 as a`;
  expect(full).toMatchObject({ rows: [[1, 2]], command: "SELECT", rowCount: 1, rowAsArray: true });
  expect(full.fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([
    ["a", 23],
    ["a", 23],
  ]);
  const made = await sql.query("create table if not exists notes (a int)", [], { fullResults: true });
  expect(made).toMatchObject({ rows: [], fields: [], command: "CREATE", rowCount: null });
  expect(await sql`select 1 as a where false`).toEqual([]);
});

test("transactions", async () => {
  const [inserted, seen] = await sql.transaction([
    sql`insert into notes (text) values (${"one"}), (${"two"}) returning id`,
    sql`select count(*)::int as n from notes`,
  ]);
  expect(inserted).toEqual([{ id: 1 }, { id: 2 }]);
  expect(seen).toEqual([{ n: 2 }]);
  const settings = await sql.transaction(
    (tx) => [
      tx`select current_setting('transaction_isolation') as i`,
      tx`select current_setting('transaction_read_only') as r, current_setting('transaction_deferrable') as d`,
    ],
    { isolationLevel: "Serializable", readOnly: true, deferrable: true, arrayMode: true },
  );
  expect(settings).toEqual([[["serializable"]], [["on", "on"]]]);
  const write = sql.transaction([sql`insert into notes (text) values ('three')`], { readOnly: true });
  await expect(write).rejects.toMatchObject({ code: "25006" });
});

test("errors, which undo their transaction", async () => {
  await sql`insert into notes (text) values ('taken')`;
  const failed = sql.transaction([
    sql`insert into notes (text) values ('free')`,
    sql`insert into notes (text) values ('taken')`,
  ]);
  await expect(failed).rejects.toBeInstanceOf(NeonDbError);
  await expect(failed).rejects.toMatchObject({
    message: 'duplicate key value violates unique constraint "notes_text_key"',
    code: "23505",
    severity: "ERROR",
    detail: "Key (text)=(taken) already exists.",
    schema: "public",
    table: "notes",
    constraint: "notes_text_key",
    routine: "_bt_check_unique",
  });
  expect(await sql`select text from notes`).toEqual([{ text: "taken" }]);
  await expect(sql`selec`).rejects.toMatchObject({ code: "42601", position: "1" });
  await expect(neon(url("wrong"))`select 1`).rejects.toMatchObject({
    code: "28P01",
    message: 'password authentication failed for user "app"',
  });
});

test("a signal that stops a query, and frees the database for the next one", async () => {
  const leaving = new AbortController();
  const slow = sql.query("select pg_sleep(60)", [], { fetchOptions: { signal: leaving.signal } });
  setTimeout(() => leaving.abort(), 300);
  await expect(slow).rejects.toThrow();
  expect(await sql`select 1 as a`).toEqual([{ a: 1 }]);
});

test("answers that are too long are refused, and the next one is not", async () => {
  await expect(sql`select repeat('x', 1000) from generate_series(1, 20000)`).rejects.toThrow(
    /response is too large \(max is 10485760 bytes\)/,
  );
  expect(await sql`select length(repeat('x', 9000000)) as n`).toEqual([{ n: 9_000_000 }]);
});
