// The double is what Neon's own driver takes for Neon, by both of its ways.
import { Client, neon, neonConfig } from "@neondatabase/serverless";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type NeonDouble, startDouble } from "./double.ts";

let double: NeonDouble;
beforeAll(async () => {
  double = await startDouble();
  neonConfig.fetchEndpoint = `http://127.0.0.1:${double.port}/sql`;
  neonConfig.wsProxy = () => `127.0.0.1:${double.port}/v2`;
  neonConfig.useSecureWebSocket = false;
});
afterAll(() => double?.close());

const url = "postgresql://app:hush@ep-cool-1234.eu-central-1.aws.neon.tech/main";

test("over HTTP: results, errors, batches", async () => {
  const sql = neon(url, { fullResults: true, arrayMode: true });
  const result = await sql.query("select $1::int as a, null as b, 'x' as a", [1]);
  expect(result.rows).toEqual([[1, null, "x"]]);
  expect(result.fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual([
    ["a", 23],
    ["b", 25],
    ["a", 25],
  ]);
  expect([result.command, result.rowCount]).toEqual(["SELECT", 1]);
  await expect(sql.query("select nope")).rejects.toMatchObject({ code: "42703", position: "8" });
  await expect(sql.query("select 1; select 2")).rejects.toMatchObject({ code: "42601" });
  const batch = await sql.transaction([sql`create table kept (n int)`, sql`insert into kept values (1)`]);
  expect(batch.map(({ command, rowCount }) => [command, rowCount])).toEqual([
    ["CREATE", null],
    ["INSERT", 1],
  ]);
  await expect(sql.transaction([sql`insert into kept values (2)`, sql`select 1/0`])).rejects.toMatchObject({
    code: "22012",
  });
  expect((await sql`select * from kept`).rows).toEqual([[1]]);
  const stranger = neon(url.replace("hush", "other"));
  await expect(stranger`select 1`).rejects.toThrow("password authentication failed");
});

test("over WebSockets: a session", async () => {
  const client = new Client(url);
  await client.connect();
  await client.query("begin");
  await client.query("create temporary table mine as select 1 as n");
  expect((await client.query("select n from mine")).rows).toEqual([{ n: 1 }]);
  await client.query("rollback");
  await client.end();
});
