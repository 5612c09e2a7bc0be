/** Clients that die: nothing of them is left for the next one. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  bind,
  bytesOf,
  copyData,
  execute,
  flush,
  parse,
  query,
  run,
  type Sent,
  settled,
  sync,
} from "../../session/test-client.ts";
import { type SharedClient, SharedDatabase } from "./shared-database.ts";

let database: SharedDatabase;
beforeAll(async () => {
  database = await SharedDatabase.start();
});
afterAll(() => database.close());

beforeEach(async () => {
  const client = await database.client();
  await client.run("drop table if exists t; create table t (n int)");
  await client.vanish();
});
// One that does not let go of a client would make all tests behind it fail, too.
afterEach(async () => {
  const stuck = Symbol();
  const late = new Promise((resolve) => setTimeout(resolve, 5_000, stuck));
  if ((await Promise.race([database.gone(), late])) !== stuck) return;
  void database.backend.close();
  database = await SharedDatabase.start();
});

/** What must be as if the client had never been there. */
async function expectNothingLeft(other: SharedClient): Promise<void> {
  expect(await other.value("select count(*) from t")).toBe("0");
  expect(await other.value("select count(*) from pg_locks where locktype = 'advisory'")).toBe("0");
  expect(await other.value("select count(*) from pg_prepared_statements")).toBe("0");
  expect(await other.value("select count(*) from pg_cursors")).toBe("0");
  expect(await other.value("show timezone")).toBe("UTC");
  expect(await other.query("select 1")).toEqual([
    "RowDescription ?column?",
    "DataRow 1",
    "CommandComplete SELECT 1",
    "ReadyForQuery I",
  ]);
}

const insert = "insert into t values (1)";

describe("a client that dies", () => {
  const phases: [string, Sent[][]][] = [
    ["idle", []],
    ["in a transaction", [[query("begin")], [query(insert)]]],
    ["in a failed transaction", [[query("begin")], [query(insert)], [query("select 1/0")]]],
    ["in a transaction that the client does not know of yet", [[query(`begin; ${insert}`)]]],
    [
      "in a failed transaction that the client does not know of yet",
      [[query(`begin; ${insert}; select 1/0`)]],
    ],
    ["in an implicit transaction of a pipeline", [[...run(insert), flush]]],
    ["in the middle of a pipeline that failed", [[...run(insert), ...run("select 1/0"), flush]]],
    ["with a pipeline that was not flushed", [run(insert)]],
    ["while its statement runs", [[query(`begin; ${insert}`)], [query("select pg_sleep(30)")]]],
    ["while its statement runs, in a pipeline", [[...run(insert), ...run("select pg_sleep(30)"), sync]]],
    [
      "with more statements behind the one that runs",
      [[query("select pg_sleep(30)"), query("select 1"), ...run("select 1"), sync]],
    ],
    [
      "with long statements behind the one that runs",
      [[query("select 1"), query("select pg_sleep(30)"), query("select pg_sleep(30)")]],
    ],
    ["while rows stream", [[query("select generate_series(1, 10000000)")]]],
    [
      "with a portal that is suspended",
      [[query("begin"), parse("select generate_series(1, 10)"), bind(), execute(2), sync]],
    ],
    ["with a COPY that has begun", [[query("copy t from stdin")], [copyData("1\n")]]],
    [
      "with a COPY that has begun, in a transaction",
      [[query("begin"), query("copy t from stdin"), copyData("1\n")]],
    ],
    ["with a COPY that the client does not know of yet", [[query("copy t from stdin"), copyData("1\n")]]],
    ["with a COPY by the extended protocol", [[...run("copy t from stdin"), sync], [copyData("1\n")]]],
    [
      "with a COPY by the extended protocol, and no Sync",
      [[...run("copy t from stdin"), flush], [copyData("1\n")]],
    ],
    [
      "with a COPY whose end it has sent",
      [[query("begin"), query("copy t from stdin"), copyData("1\n"), { type: "CopyDone" }]],
    ],
    ["with two COPYs in one query", [[query("copy t from stdin; copy t from stdin"), copyData("1\n")]]],
    ["while data is copied out", [[query("copy (select generate_series(1, 1000000)) to stdout")]]],
    [
      "with settings, a role and statements of its own",
      [
        [
          query(
            "set timezone = 'Asia/Tokyo'; prepare q as select 1; create temp table tt (n int); select pg_advisory_lock(1)",
          ),
        ],
        [parse("select 1", "s"), sync],
        [query("declare c cursor with hold for select 1")],
      ],
    ],
    [
      "with half of a message",
      [[query("begin"), query(insert), bytesOf([query("select 1")]).subarray(0, 8)]],
    ],
    [
      "while messages are skipped up to Sync",
      [[query("begin"), query(insert)], [parse("nonsense"), flush], run("select 1")],
    ],
  ];

  for (const [phase, steps] of phases) {
    for (const settle of [true, false]) {
      test(`${phase}, ${settle ? "after" : "before"} the answers came`, { timeout: 20_000 }, async () => {
        const client = await database.client();
        const other = await database.client();
        for (const messages of steps) {
          void client.send(...messages);
          if (settle) {
            await settled();
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
        // Another client already waits for its turn.
        const waiting = other.value("select count(*) from t");
        await settled();
        await client.vanish();
        expect(await waiting).toBe("0");
        await expectNothingLeft(other);
      });
    }
  }

  test.each([
    ["which PostgreSQL sees as the end, too", [copyData("1\n")]],
    ["with the data on its way", [copyData("1\n"), copyData("2")]],
  ] as const)("by closing its side in the middle of a COPY: %s", async (_, data) => {
    const client = await database.client();
    const other = await database.client();
    void client.send(query("copy t from stdin"), ...data);
    client.session.finish();
    await client.untilClosed();
    await expectNothingLeft(other);
    await other.vanish();
  });

  test("by closing its side behind a COPY that is whole: it gets its answer", async () => {
    const client = await database.client();
    void client.send(query("copy t from stdin"), copyData("1\n"), { type: "CopyDone" });
    client.session.finish();
    await client.untilClosed();
    expect(client.take()).toEqual(["CopyInResponse 0 0", "CommandComplete COPY 1", "ReadyForQuery I"]);
    const other = await database.client();
    await other.run("truncate t");
    await other.vanish();
  });

  test("while it waits for its turn", async () => {
    const [holder, client, other] = [
      await database.client(),
      await database.client(),
      await database.client(),
    ];
    await holder.run("begin");
    void client.send(query(insert));
    await settled();
    await client.vanish();
    const waiting = other.value("select count(*) from t");
    await holder.run("commit");
    expect(await waiting).toBe("0");
    await expectNothingLeft(other);
  });

  test("while its turn is just being granted", async () => {
    const [holder, client, other] = [
      await database.client(),
      await database.client(),
      await database.client(),
    ];
    await client.run("set timezone = 'Asia/Tokyo'");
    await holder.run("begin");
    void client.send(query(insert));
    void holder.send(query("commit"));
    await holder.until("ReadyForQuery");
    await client.vanish();
    await expectNothingLeft(other);
  });

  test("many at once, in every phase", { timeout: 60_000 }, async () => {
    const other = await database.client();
    const clients = await Promise.all(phases.map(() => database.client()));
    for (const [at, [, steps]] of phases.entries()) void clients[at]?.send(...steps.flat());
    await settled();
    await Promise.all(clients.map((client) => client.vanish()));
    await expectNothingLeft(other);
  });
});

test("a running statement is cancelled: the next client does not wait for its end", async () => {
  const client = await database.client();
  const other = await database.client();
  void client.send(query("select pg_sleep(20)"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = performance.now();
  await client.vanish();
  expect(await other.value("select 1")).toBe("1");
  expect(performance.now() - before).toBeLessThan(5_000);
});
