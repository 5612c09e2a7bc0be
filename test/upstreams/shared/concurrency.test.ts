/** Many clients at once, doing everything; and the end of the database that they share. */
import { expect, test } from "vitest";
import { openPglite } from "../../../adapters/node/pglite.ts";
import {
  bind,
  copyData,
  copyDone,
  execute,
  flush,
  parse,
  query,
  run,
  type Sent,
  sync,
} from "../../session/test-client.ts";
import { type SharedClient, SharedDatabase } from "./shared-database.ts";

/** Reproducible choices, of each client its own. */
function choices(seed: number): (count: number) => number {
  let state = (seed + 1) * 0x9e3779b1;
  return (count) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % count;
  };
}

async function work(client: SharedClient, number: number, rounds: number): Promise<number> {
  const choose = choices(number);
  let added = 0;
  const add = async (...messages: Sent[]): Promise<void> => {
    const lines = await client.ask(...messages);
    const errors = lines.filter((line) => line.startsWith("ErrorResponse"));
    if (errors.length > 0) throw new Error(errors.join());
    added++;
  };
  await client.run(`set my.number = '${number}'; prepare own as select ${number}`);
  await client.ask(parse(`select '${number}' || $1`, "s"), sync);
  for (let round = 0; round < rounds; round++) {
    switch (choose(9)) {
      case 0:
        await add(query("update counter set n = n + 1"));
        break;
      case 1:
        await client.run("begin");
        await add(query("update counter set n = n + 1"));
        await client.run("commit");
        break;
      case 2:
        await client.run("begin; update counter set n = n + 100");
        await client.query("select 1/0");
        await client.run("rollback");
        break;
      case 3:
        await add(parse("update counter set n = n + $1"), bind(["1"]), execute(), sync);
        break;
      case 4:
        // An error in a pipeline takes back all of it.
        await client.ask(...run("update counter set n = n + 100"), ...run("select 1/0"), sync);
        break;
      case 5: {
        const lines = await client.ask(bind(["x"], { statement: "s" }), execute(), sync);
        expect(lines).toContain(`DataRow ${number}x`);
        break;
      }
      case 6:
        expect(await client.value("execute own")).toBe(String(number));
        expect(await client.value("select current_setting('my.number')")).toBe(String(number));
        break;
      case 7:
        void client.send(parse("update counter set n = n + 1"), bind(), execute(), flush);
        await client.until("CommandComplete");
        await client.ask(sync);
        added++;
        break;
      case 8:
        void client.send(query("copy log from stdin"), copyData(`${number}\n`), copyDone);
        await client.until("ReadyForQuery");
        expect(client.take()).toContain("CommandComplete COPY 1");
    }
  }
  return added;
}

test("fifty clients: nothing is lost, nothing is mixed up", { timeout: 120_000 }, async () => {
  const database = await SharedDatabase.start();
  const owner = await database.client();
  await owner.run("create table counter (n int); insert into counter values (0); create table log (n int)");
  const clients = await Promise.all(Array.from({ length: 50 }, () => database.client()));
  const added = await Promise.all(clients.map((client, number) => work(client, number, 12)));
  const total = added.reduce((sum, count) => sum + count, 0);
  expect(total).toBeGreaterThan(100);
  expect(await owner.value("select n from counter")).toBe(String(total));
  await Promise.all(clients.map((client) => client.vanish()));
  expect(await owner.value("select count(*) from pg_prepared_statements")).toBe("0");
  await database.close();
});

test("fifty clients, of which every third dies at some point", { timeout: 120_000 }, async () => {
  const database = await SharedDatabase.start();
  const owner = await database.client();
  await owner.run("create table counter (n int); insert into counter values (0); create table log (n int)");
  const clients = await Promise.all(Array.from({ length: 50 }, () => database.client()));
  const workers = clients.map((client, number) => {
    const working = work(client, number, 8);
    if (number % 3 !== 0) return working;
    setTimeout(() => client.session.end(), 20 + number * 10);
    // It fails where its client has gone.
    return working.then(
      () => undefined,
      () => undefined,
    );
  });
  await Promise.all(workers);
  await Promise.all(clients.map((client) => client.vanish()));
  expect(await owner.value("select n % 100 < 100 from counter")).toBe("t");
  // A hundred was only ever added in what was rolled back.
  expect(Number(await owner.value("select n from counter"))).toBeLessThan(50 * 8);
  expect(await owner.value("select count(*) from pg_locks where locktype <> 'virtualxid'")).toMatch(
    /^[0-2]$/,
  );
  await database.close();
});

test("when the database ends, all its clients are told, and none of them hangs", {
  timeout: 60_000,
}, async () => {
  const database = new SharedDatabase(await openPglite(undefined));
  const [idle, busy, waiting, listening] = await Promise.all([1, 2, 3, 4].map(() => database.client()));
  if (!idle || !busy || !waiting || !listening) throw new Error("no clients");
  await listening.run("listen one");
  void busy.send(query("begin; select pg_sleep(30)"));
  void waiting.send(query("select 1"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await database.backend.close();
  for (const client of [idle, busy, waiting, listening]) {
    await client.untilClosed();
    expect(client.take().at(-1)).toBe("ErrorResponse FATAL 08006 the database ended unexpectedly");
  }
  await expect(database.client()).rejects.toThrow(/the database ended unexpectedly/);
  await database.upstream.close?.();
});
