// Each example as a process, with real drivers.
import { readdirSync, readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import Cursor from "pg-cursor";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { certificateFolder, makeCertificate } from "../adapters/node/certificates.ts";
import { startExample } from "./example-process.ts";

const tested = ["cancel", "constant", "copy", "notifications", "sqlite", "tls-scram", "transactions"];

async function connect(port: number, config: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ host: "127.0.0.1", port, user: "me", database: "any", ...config });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

function connectPostgresJs(port: number, options: postgres.Options<never> = {}): postgres.Sql {
  const sql = postgres({
    host: "127.0.0.1",
    port,
    user: "me",
    database: "any",
    max: 1,
    onnotice: () => {},
    ...options,
  });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

test("every example is tested", () => {
  const names = readdirSync(new URL("../../examples/", import.meta.url)).filter((name) =>
    name.endsWith(".ts"),
  );
  expect(names.map((name) => name.slice(0, -3)).sort()).toEqual(tested);
});

test("constant, in less than 30 lines", async () => {
  const source = readFileSync(new URL("../../examples/constant.ts", import.meta.url), "utf8");
  expect(source.split("\n").length).toBeLessThan(30);
  const { port } = await startExample("constant");
  const client = await connect(port);
  expect((await client.query("select 1")).rows).toEqual([{ answer: 42 }]);
  expect((await client.query("select $1, $2", ["a", 2])).rows).toEqual([{ answer: 42 }]);
  const sql = connectPostgresJs(port);
  expect(await sql`whatever ${"you"} ask`).toEqual([{ answer: 42 }]);
});

test("transactions", async () => {
  const { port } = await startExample("transactions");
  const client = await connect(port);
  const other = await connect(port);
  const apples = async (who: pg.Client) => (await who.query("get apples")).rows;
  await client.query("put apples 3");
  await client.query("begin");
  await client.query("put apples 2");
  await client.query("savepoint before");
  await client.query("put apples 1");
  expect(await apples(client)).toEqual([{ apples: "1" }]);
  expect(await apples(other)).toEqual([{ apples: "3" }]);
  await client.query("rollback to before");
  expect(await apples(client)).toEqual([{ apples: "2" }]);
  await client.query("rollback");
  expect(await apples(client)).toEqual([{ apples: "3" }]);

  await client.query("begin");
  await other.query("begin");
  await client.query("put apples 4");
  await other.query("put apples 5");
  await client.query("commit");
  await expect(other.query("commit")).rejects.toMatchObject({ code: "40001" });
  expect(await apples(other)).toEqual([{ apples: "4" }]);

  await client.query("begin");
  await client.query("put apples 6");
  await expect(client.query("eat apples")).rejects.toMatchObject({ code: "42601", position: "1" });
  await expect(apples(client)).rejects.toMatchObject({ code: "25P02" });
  expect((await client.query("commit")).command).toBe("ROLLBACK");
  expect(await apples(client)).toEqual([{ apples: "4" }]);

  // All or nothing, also without BEGIN.
  await expect(client.query("put apples 7; eat apples")).rejects.toMatchObject({ code: "42601" });
  expect(await apples(client)).toEqual([{ apples: "4" }]);
});

test("cancel", async () => {
  const example = await startExample("cancel");
  const client = await connect(example.port);
  expect((await client.query("sleep 0.01")).command).toBe("SLEEP");
  await client.query("set statement_timeout = 100");
  await expect(client.query("sleep 60")).rejects.toMatchObject({ code: "57014" });
  await expect(client.query("count")).rejects.toMatchObject({ code: "57014" });
  await expect.poll(example.output).toMatch(/sleep was stopped\ncount was stopped\n/);

  const sql = connectPostgresJs(example.port, { fetch_types: false });
  const sleeping = sql`sleep 60`.simple();
  const failure = sleeping.catch((error: unknown) => error);
  await setTimeout(100);
  sleeping.cancel();
  expect(await failure).toMatchObject({ code: "57014" });

  const gone = await connect(example.port);
  gone.query("count").catch(() => {});
  await setTimeout(100);
  (gone as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  await expect.poll(() => example.output().match(/count was stopped/g)?.length, { timeout: 10_000 }).toBe(2);
});

test("cancel: a cursor that has read enough", async () => {
  const example = await startExample("cancel");
  const client = await connect(example.port);
  const cursor = client.query(new Cursor("count"));
  const rows = await cursor.read(250);
  expect(rows).toHaveLength(250);
  expect(rows[249]).toEqual({ n: "250" });
  await cursor.close();
  await expect.poll(example.output).toMatch(/count was stopped/);
  expect((await client.query("sleep 0")).command).toBe("SLEEP");
});

test("copy", async () => {
  const { port } = await startExample("copy");
  const client = await connect(port);
  const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at} ä€🐘\n`);
  const whole = Buffer.from(lines.join(""));
  // Cut into pieces of a prime length, so that characters are cut, too.
  const pieces = Array.from({ length: Math.ceil(whole.length / 1009) }, (_, at) =>
    whole.subarray(at * 1009, (at + 1) * 1009),
  );
  const into = client.query(copyFrom("copy lines from stdin"));
  await pipeline(Readable.from(pieces), into);
  expect(into.rowCount).toBe(20_000);
  expect(await text(client.query(copyTo("copy lines to stdout")))).toBe(lines.join(""));

  const failing = client.query(copyFrom("copy lines from stdin"));
  const failed = pipeline(failing.on("error", () => {}) && Readable.from(brokenSource()), failing);
  await expect(failed).rejects.toThrow("no more");
  expect(await text(client.query(copyTo("copy lines to stdout")))).toBe(lines.join(""));
  expect((await client.query("delete from lines")).rowCount).toBe(20_000);
});

async function* brokenSource(): AsyncGenerator<Buffer> {
  yield Buffer.from("one more\n");
  throw new Error("no more");
}

test("notifications", async () => {
  const { port } = await startExample("notifications");
  const listener = await connect(port);
  const heard: unknown[] = [];
  listener.on("notification", ({ channel, payload, processId }) => heard.push([channel, payload, processId]));
  await listener.query("listen news");
  const speaker = new pg.Client({ host: "127.0.0.1", port, user: "me", database: "any" });
  const notices: unknown[] = [];
  speaker.on("notice", ({ message }) => notices.push(message));
  await speaker.connect();
  onTestFinished(() => speaker.end());
  await speaker.query("notify news, 'hello'");
  await speaker.query("notify weather, 'rain'");
  const { processID } = speaker as unknown as { processID: number };
  await expect.poll(() => heard).toEqual([["news", "hello", processID]]);
  expect(notices).toEqual(["1 channels have listeners"]);
  await listener.query("unlisten *");
  await speaker.query("notify news, 'anybody?'");

  const sql = connectPostgresJs(port, { fetch_types: false });
  const told = Promise.withResolvers<string>();
  await sql.listen("news", told.resolve);
  await speaker.query("notify news, 'postgres.js'");
  expect(await told.promise).toBe("postgres.js");
  expect(heard).toHaveLength(1);
});

test("tls-scram", async () => {
  const folder = certificateFolder();
  onTestFinished(() => folder.remove());
  const certificate = makeCertificate({ names: ["localhost"], authority: true });
  const { cert, key } = folder.write("server", certificate);
  const { port } = await startExample("tls-scram", [cert, key]);
  const config = {
    user: "alice",
    password: "wonderland",
    ssl: { ca: certificate.cert, servername: "localhost", checkServerIdentity: () => undefined },
    enableChannelBinding: true,
  };
  const client = await connect(port, config as pg.ClientConfig);
  expect((await client.query("who am I")).rows).toEqual([
    { user: "alice", tls: "TLSv1.3", address: "127.0.0.1" },
  ]);
  await expect(connect(port, { ...config, password: "looking glass" })).rejects.toMatchObject({
    code: "28P01",
  });
  await expect(connect(port, { ...config, user: "bob" })).rejects.toMatchObject({ code: "28P01" });
});

test("sqlite with pg", async () => {
  const { port } = await startExample("sqlite");
  const client = await connect(port);
  await client.query(
    "create table fruit (id integer primary key, name text unique, price real, data blob, ripe boolean)",
  );
  const inserted = await client.query("insert into fruit (name, price, data, ripe) values ($1, $2, $3, $4)", [
    "apple",
    1.5,
    Buffer.from([1, 2]),
    1,
  ]);
  expect(inserted).toMatchObject({ command: "INSERT", rowCount: 1 });
  expect((await client.query("insert into fruit (name) values ('kiwi') returning id, name")).rows).toEqual([
    { id: "2", name: "kiwi" },
  ]);
  const { rows } = await client.query("select * from fruit where name = $1", ["apple"]);
  expect(rows).toEqual([{ id: "1", name: "apple", price: 1.5, data: Buffer.from([1, 2]), ripe: true }]);
  expect((await client.query("select count(*) as n, sum(price) as s, null as x from fruit")).rows).toEqual([
    { n: "2", s: 1.5, x: null },
  ]);
  // SQLite's own SQL.
  expect((await client.query("select iif(1, 'yes', 'no') as a, typeof(x'00') as b")).rows).toEqual([
    { a: "yes", b: "blob" },
  ]);
  expect((await client.query("update fruit set price = 2")).rowCount).toBe(2);
  await expect(client.query("select * form fruit")).rejects.toMatchObject({ code: "42000" });
  await expect(client.query("insert into fruit (name) values ('kiwi')")).rejects.toMatchObject({
    code: "23505",
  });
});

test("sqlite: transactions of two clients", async () => {
  const { port } = await startExample("sqlite");
  const [client, other] = [await connect(port), await connect(port)];
  await client.query("create table t (a integer)");
  await client.query("begin");
  await client.query("insert into t values (1)");
  await client.query("savepoint s");
  await client.query("insert into t values (2)");
  await client.query("rollback to s");
  await expect(other.query("insert into t values (9)")).rejects.toMatchObject({ code: "55P03" });
  await client.query("commit");
  expect((await other.query("select a from t")).rows).toEqual([{ a: "1" }]);
  await expect(client.query("insert into t values (3); insert into missing values (1)")).rejects.toThrow();
  expect((await other.query("select count(*) as n from t")).rows).toEqual([{ n: "1" }]);
  // A client that goes away in a transaction leaves no lock.
  const gone = new pg.Client({ host: "127.0.0.1", port, user: "me", database: "any" });
  gone.on("error", () => {});
  await gone.connect();
  await gone.query("begin");
  await gone.query("insert into t values (4)");
  await gone.end();
  await other.query("insert into t values (5)");
  expect((await other.query("select a from t order by a")).rows).toEqual([{ a: "1" }, { a: "5" }]);
});

test("sqlite with postgres.js, which describes first", async () => {
  const { port } = await startExample("sqlite");
  const sql = connectPostgresJs(port, { fetch_types: false });
  await sql`create table t (a integer, b text)`;
  await sql`insert into t values (${1}, ${"one"}), (${2}, ${null})`;
  expect(await sql`select * from t where a = ${1}`).toEqual([{ a: "1", b: "one" }]);
  // What is known only with values was described as text.
  expect(await sql`select count(*) as n from t`).toEqual([{ n: "2" }]);
  await expect(
    sql.begin(async (transaction) => {
      await transaction`insert into t values (3, 'three')`;
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect(await sql`select a from t order by a`).toEqual([{ a: "1" }, { a: "2" }]);
});
