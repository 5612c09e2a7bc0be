// Supabase's upstream in a Worker, before the real postgres-meta.
import { neon, neonConfig } from "@neondatabase/serverless";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningWorker, startWorker } from "../../adapters/cloudflare/wrangler-dev.ts";
import { type Database, databases } from "./gateway.ts";
import { type PostgresMeta, startPostgresMeta } from "./postgres-meta/server.ts";

let database: Database;
let meta: PostgresMeta;
let worker: RunningWorker;

beforeAll(async () => {
  const [, start] = databases[0] as (typeof databases)[number];
  database = await start();
  meta = await startPostgresMeta(database);
  worker = await startWorker({
    vars: {
      EDGEWIRE_DATABASES: `app=${meta.url.replace(/^http/, "supabase+http")}`,
      EDGEWIRE_AUTH: "trust",
    },
  });
});

afterAll(async () => {
  await worker?.stop();
  await meta?.close();
  await database?.stop();
});

test("a client over TCP", async () => {
  const client = new pg.Client(`postgres://someone@127.0.0.1:${worker.tcpPort}/app`);
  await client.connect();
  try {
    expect((await client.query("select $1::int * 7 as n", [6])).rows).toEqual([{ n: 42 }]);
    await client.query("create table books (id int primary key, title text)");
    expect(
      (await client.query("insert into books values ($1, $2) returning title", [1, "Emma"])).rows,
    ).toEqual([{ title: "Emma" }]);
    await expect(client.query("insert into books values (1, 'again')")).rejects.toMatchObject({
      code: "23505",
    });
    await expect(client.query("selec 1")).rejects.toMatchObject({ code: "42601", position: "1" });
  } finally {
    await client.end();
  }
});

test("SQL over HTTP", async () => {
  neonConfig.fetchEndpoint = `${worker.url}/sql`;
  const sql = neon("postgres://someone@db.example.com/app");
  expect(await sql`select ${20}::int + 22 as sum`).toEqual([{ sum: 42 }]);
});
