/** Whose turn it is: transactions, what cannot be moved, waiting with a bound, and cancelling it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Turns } from "../../../src/upstreams/shared/turns.ts";
import { PgError } from "../../../src/wire/mod.ts";
import {
  bind,
  copyData,
  copyDone,
  describePortal,
  execute,
  flush,
  parse,
  query,
  run,
  settled,
  sync,
} from "../../session/test-client.ts";
import { type SharedClient, SharedDatabase } from "./shared-database.ts";

let database: SharedDatabase;
/** Where nobody waits for long. */
let impatient: SharedDatabase;
beforeAll(async () => {
  [database, impatient] = await Promise.all([
    SharedDatabase.start(),
    SharedDatabase.start({ turnTimeout: 200 }),
  ]);
  for (const each of [database, impatient]) {
    const client = await each.client();
    await client.run("create table t (n int)");
    await client.vanish();
  }
});
afterAll(() => Promise.all([database.close(), impatient.close()]));
afterEach(() => Promise.all([database.gone(), impatient.gone()]));

async function two(of: SharedDatabase = database) {
  return [await of.client(), await of.client()] as const;
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The answer to a query that has to wait, and whether it has come. */
function waiting(
  client: SharedClient,
  sql = "select 'went on'",
): { answer: Promise<string | undefined>; done(): boolean } {
  let done = false;
  const answer = client.value(sql).then((value) => {
    done = true;
    return value;
  });
  return { answer, done: () => done };
}

const lockTimeout = "ErrorResponse ERROR 55P03 canceling statement due to lock timeout";

describe("a transaction", () => {
  for (const [name, begin, end] of [
    ["a block", [query("begin")], [query("commit")]],
    ["a failed block", [query("begin"), query("select 1/0")], [query("rollback")]],
    ["a block that was begun in the middle of a query", [query("select 1; begin; select 2")], [query("end")]],
    ["a block by the extended protocol", [...run("begin"), sync], [...run("commit"), sync]],
    ["a pipeline that was flushed and not ended", [...run("insert into t values (1)"), flush], [sync]],
    ["a COPY", [query("copy t from stdin")], [copyDone]],
  ] as const) {
    test(`${name} keeps the turn to its end`, async () => {
      const [a, b] = await two();
      void a.send(...begin);
      await settled();
      await pause(50);
      const other = waiting(b);
      await pause(50);
      expect(other.done()).toBe(false);
      void a.send(...end);
      expect(await other.answer).toBe("went on");
    });
  }

  test("nothing of another client comes in between", async () => {
    const [a, b] = await two();
    await a.run("begin; truncate t; insert into t values (1)");
    const other = waiting(b, "select count(*) from t");
    await pause(20);
    await a.run("insert into t values (2)");
    await a.run("commit");
    expect(await other.answer).toBe("2");
    await b.run("truncate t");
  });

  test("those who wait come in the order in which they asked", async () => {
    const [a] = await two();
    const others = await Promise.all([database.client(), database.client(), database.client()]);
    await a.run("begin");
    const order: number[] = [];
    const answers: Promise<unknown>[] = [];
    for (const [at, other] of others.entries()) {
      answers.push(other.value("select 1").then(() => order.push(at)));
      await settled();
    }
    await a.run("commit");
    await Promise.all(answers);
    expect(order).toEqual([0, 1, 2]);
  });

  test("a client that always has one more statement under way does not keep the others out", async () => {
    const [a, b] = await two();
    let stop = false;
    const busy = async (): Promise<void> => {
      void a.send(query("select 1"), query("select 2"));
      for (let at = 1; !stop; at++) {
        await a.until("ReadyForQuery", 1);
        a.messages = [];
        void a.send(query(`select ${at}`), query(`select ${at}`));
        await a.until("ReadyForQuery", 1);
      }
    };
    const running = busy();
    for (let at = 0; at < 20; at++) expect(await b.value("select 'went on'")).toBe("went on");
    stop = true;
    await running;
  });

  test("nor does one whose messages waited, and then were in a transaction, stop being read", async () => {
    const [a, b] = await two();
    void a.send(query("begin"));
    const other = waiting(b);
    // Behind a BEGIN that was not answered yet: it is for the next turn, until the answer says that this one goes on.
    const read = a.send(...run("select 1"), sync);
    await a.until("ReadyForQuery", 2);
    await read;
    void a.send(query("commit"));
    await a.until("ReadyForQuery", 3);
    expect(await other.answer).toBe("went on");
  });

  test("what is passed over behind a COPY that failed waits for no other COPY", async () => {
    const [a] = await two();
    void a.send(...run("copy t from stdin"), flush);
    await a.until("CopyInResponse");
    void a.send(copyData("not a number\n"));
    await a.until("ErrorResponse");
    void a.send(copyDone, ...run("select 1"), sync, query("select 'went on'"));
    await a.until("ReadyForQuery", 2);
    expect(a.take().at(-3)).toBe("DataRow went on");
  });

  test("nor is what such a client sends mixed up or lost", async () => {
    const [a, b] = await two();
    const sent: string[] = [];
    const received: string[] = [];
    for (let round = 0; round < 50; round++) {
      for (const at of [1, 2, 3]) {
        void a.send(query(`select '${round}.${at}'`), ...run("select $1", `${round}.${at}x`), sync);
        sent.push(`DataRow ${round}.${at}`, `DataRow ${round}.${at}x`);
      }
      if (round % 10 === 5) void a.send(query("begin"), query("select 'in'"), query("commit"));
      if (round % 10 === 5) sent.push("DataRow in");
      expect(await b.value("select 'other'")).toBe("other");
      received.push(...a.take());
    }
    void a.send(query("select 'end'"));
    while (!received.includes("DataRow end")) {
      await settled();
      received.push(...a.take());
    }
    expect(received.filter((line) => line.startsWith("DataRow"))).toEqual([...sent, "DataRow end"]);
    expect(received.filter((line) => line.startsWith("ErrorResponse"))).toEqual([]);
  });
});

describe("what cannot be moved keeps the turn, and gives it back when it is gone", () => {
  const pins: [string, string, string][] = [
    ["a temporary table", "create temp table tt (n int)", "drop table tt"],
    ["a temporary table as a query's result", "create temporary table tt as select 1 as n", "drop table tt"],
    ["SELECT INTO", "select 1 as n into temp tt", "discard temp"],
    ["a temporary view", "create temp view tt as select 1 as n", "drop view tt"],
    ["a temporary sequence", "create temp sequence tt", "drop sequence tt"],
    ["a table in pg_temp", "create table pg_temp.tt (n int)", "drop table tt"],
    ["an advisory lock", "select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"],
    ["a shared advisory lock", "select pg_advisory_lock_shared(1, 2)", "select pg_advisory_unlock_all()"],
    ["a cursor WITH HOLD", "declare c cursor with hold for select 1", "close c"],
    [
      "everything, ended by DISCARD ALL",
      "create temp table tt (n int); select pg_advisory_lock(1)",
      "discard all",
    ],
    [
      "a temporary table made by a DO block",
      "do $$ begin create temp table tt (n int); end $$",
      "drop table tt",
    ],
    [
      "a temporary table made by a function",
      "create or replace function make() returns void language sql as $$ create temp table tt (n int) $$; select make()",
      "drop table tt",
    ],
    [
      "an advisory lock by a function that was there before",
      "select lock_it()",
      "select pg_advisory_unlock(3)",
    ],
  ];
  beforeAll(async () => {
    const client = await database.client();
    await client.run(
      "create or replace function lock_it() returns void language sql as $$ select pg_advisory_lock(3) $$",
    );
    await client.vanish();
  });

  for (const [name, pin, unpin] of pins) {
    test(name, async () => {
      const [a, b] = await two();
      await a.run(pin);
      const other = waiting(b);
      await pause(60);
      expect(other.done()).toBe(false);
      // The client itself goes on, statement by statement.
      expect(await a.value("select 'mine'")).toBe("mine");
      expect(other.done()).toBe(false);
      await a.run(unpin);
      expect(await other.answer).toBe("went on");
      // And is itself no more than one of many again.
      expect(await a.value("select 1")).toBe("1");
      expect(await b.value("select 2")).toBe("2");
    });
  }

  test("nothing else does: an advisory lock of the transaction, a cursor without hold", async () => {
    const [a, b] = await two();
    await a.run("begin; select pg_advisory_xact_lock(1); declare c cursor for select 1; commit");
    await a.run("select 'temp'; select 'hold'");
    expect(await b.value("select 'went on'")).toBe("went on");
  });

  test("waiting for it is bounded, too", async () => {
    const [a, b] = await two(impatient);
    await a.run("create temp table tt (n int)");
    expect(await b.query("select 1")).toEqual([lockTimeout, "ReadyForQuery I"]);
    expect(await a.value("select count(*) from tt")).toBe("0");
    await a.run("drop table tt");
    expect(await b.value("select 1")).toBe("1");
  });

  test("while another one looks whether it does: nobody waits for the other", async () => {
    const [a, b] = await two();
    await a.run("create temp table tt (n int)");
    for (let round = 0; round < 10; round++) {
      const other = waiting(b);
      await settled();
      expect(await a.value("select 'mine'")).toBe("mine");
      await b.cancel();
      expect(await other.answer).toMatch(/57014|went on/);
    }
    await a.run("drop table tt");
  });
});

describe("waiting is bounded", () => {
  async function blocked(): Promise<readonly [SharedClient, SharedClient]> {
    const [a, b] = await two(impatient);
    await a.run("begin");
    return [a, b];
  }

  test("by a simple query: 55P03 with a hint, and ReadyForQuery", async () => {
    const [a, b] = await blocked();
    const before = performance.now();
    void b.send(query("select 1"));
    await b.until("ReadyForQuery");
    expect(performance.now() - before).toBeGreaterThan(190);
    expect(b.last("ErrorResponse").fields).toMatchObject({
      code: "55P03",
      detail: "Another client kept the shared database for more than 0.2 s.",
    });
    expect(b.last("ErrorResponse").fields.hint).toContain("COMMIT");
    expect(b.take()).toEqual([lockTimeout, "ReadyForQuery I"]);
    await a.run("commit");
    expect(await b.value("select 1")).toBe("1");
  });

  test("by the extended protocol: one error, everything up to Sync passed over", async () => {
    const [a, b] = await blocked();
    expect(await b.ask(...run("select 1"), ...run("select 2"), sync)).toEqual([
      lockTimeout,
      "ReadyForQuery I",
    ]);
    await a.run("commit");
    expect(await b.ask(...run("select 3"), sync)).toContain("DataRow 3");
  });

  test("of a pipeline whose Sync comes later", async () => {
    const [a, b] = await blocked();
    void b.send(...run("select 1"), flush);
    await b.until("ErrorResponse");
    expect(b.take()).toEqual([lockTimeout]);
    void b.send(bind(), describePortal(), execute());
    await settled();
    expect(b.take()).toEqual([]);
    expect(await b.ask(execute(), sync)).toEqual(["ReadyForQuery I"]);
    await a.run("commit");
    expect(await b.ask(...run("select 2"), sync)).toContain("DataRow 2");
  });

  test("of several queries in one chunk: each for itself", async () => {
    const [a, b] = await blocked();
    const lines = await b.ask(
      query("select 1"),
      query("select 2"),
      ...run("select 3"),
      sync,
      query("select 4"),
    );
    expect(lines).toEqual(Array(4).fill([lockTimeout, "ReadyForQuery I"]).flat());
    await a.run("commit");
    expect(await b.value("select 5")).toBe("5");
  });

  test("of a COPY: the data is passed over", async () => {
    const [a, b] = await blocked();
    void b.send(query("copy t from stdin"), copyData("1\n"), copyDone);
    await b.until("ReadyForQuery");
    expect(b.take()).toEqual([lockTimeout, "ReadyForQuery I"]);
    await a.run("commit");
    expect(await b.value("select count(*) from t")).toBe("0");
  });

  const stalled = "ErrorResponse FATAL 25P03 terminating connection due to idle-in-transaction timeout";

  test.each([
    ["a pipeline", run("insert into t values (1)")],
    ["a pipeline that failed", run("select 1/0")],
  ])("a client that stalls in %s is ended for it, and what it did is rolled back", async (_, pipeline) => {
    const [a, b] = await two(impatient);
    void a.send(...pipeline, flush);
    await pause(20);
    expect(await b.query("select 1")).toEqual([lockTimeout, "ReadyForQuery I"]);
    await a.untilClosed();
    expect(a.take().at(-1)).toBe(stalled);
    expect(await b.value("select count(*) from t")).toBe("0");
  });

  test("one that goes on is not, nor one in a transaction or a COPY", async () => {
    const [a, b] = await two(impatient);
    void a.send(...run("select 1"), flush);
    await pause(20);
    const waits = b.query("select 1");
    await pause(100);
    void a.send(...run("select 2"), flush);
    expect(await waits).toEqual([lockTimeout, "ReadyForQuery I"]);
    expect(await a.ask(sync)).toContain("DataRow 2");
    void a.send(query("copy t from stdin"));
    await pause(20);
    expect(await b.query("select 1")).toEqual([lockTimeout, "ReadyForQuery I"]);
    expect(await a.ask(copyDone)).toContain("CommandComplete COPY 0");
    await a.run("begin");
    void a.send(...run("select 3"), flush);
    expect(await b.query("select 1")).toEqual([lockTimeout, "ReadyForQuery I"]);
    expect(await a.ask(sync)).toContain("DataRow 3");
    await a.run("rollback");
  });

  test("the next one in the queue is not held up by it", async () => {
    const [a, b] = await blocked();
    const c = await impatient.client();
    void b.send(query("select 1"));
    await pause(150);
    const third = waiting(c);
    await b.until("ReadyForQuery");
    await a.run("commit");
    expect(await third.answer).toBe("went on");
  });

  test("and can be cancelled", async () => {
    const [a, b] = await blocked();
    const cancelled = "ErrorResponse ERROR 57014 canceling statement due to user request";
    void b.send(query("select 1"));
    await settled();
    await b.cancel();
    await b.until("ReadyForQuery");
    expect(b.take()).toEqual([cancelled, "ReadyForQuery I"]);
    void b.send(...run("select 1"), sync);
    await settled();
    await b.cancel();
    await b.until("ReadyForQuery");
    expect(b.take()).toEqual([cancelled, "ReadyForQuery I"]);
    await a.run("commit");
    expect(await b.value("select 1")).toBe("1");
  });
});

describe("cancel", () => {
  test("stops the client's statement", async () => {
    const [a, b] = await two();
    void a.send(query("select pg_sleep(10)"));
    await pause(50);
    await a.cancel();
    await a.until("ReadyForQuery");
    expect(a.take()).toEqual([
      "RowDescription pg_sleep",
      "ErrorResponse ERROR 57014 canceling statement due to user request",
      "ReadyForQuery I",
    ]);
    expect(await b.value("select 1")).toBe("1");
  });

  test("does not stop another client's", async () => {
    const [a, b] = await two();
    await a.run("select 1");
    void b.send(query("select pg_sleep(0.1), 'done'"));
    await settled();
    for (let at = 0; at < 10; at++) {
      await a.cancel();
      await pause(5);
    }
    await b.until("ReadyForQuery");
    expect(b.take()).toContain("DataRow |done");
  });

  test("of short statements hits nobody else's, however it falls", async () => {
    const [a, b] = await two();
    const end = performance.now() + 1500;
    const own = async (): Promise<void> => {
      while (performance.now() < end) {
        void a.send(query("select pg_sleep(0.002)"));
        await pause(Math.random() * 4);
        await a.cancel();
        await a.until("ReadyForQuery");
        a.take();
      }
    };
    const others = async (): Promise<number> => {
      let count = 0;
      for (; performance.now() < end; count++) expect(await b.value("select 'other'")).toBe("other");
      return count;
    };
    const [, count] = await Promise.all([own(), others()]);
    expect(count).toBeGreaterThan(10);
  });
});

describe("the queue", () => {
  const client = (name: string): object => ({ name });
  const refused = (promise: void | Promise<void>): Promise<unknown> =>
    Promise.resolve(promise).then(
      () => "granted",
      (error: PgError) => error.code,
    );

  test("is taken at once when it is free, and again by its holder", () => {
    const turns = new Turns(1000);
    const a = client("a");
    expect(turns.acquire(a)).toBeUndefined();
    expect(turns.acquire(a)).toBeUndefined();
    expect(turns.holder).toBe(a);
    turns.release(a);
    expect(turns.holder).toBeUndefined();
  });

  test("goes to the one who has waited longest", async () => {
    const turns = new Turns(1000);
    const [a, b, c] = [client("a"), client("b"), client("c")];
    turns.acquire(a);
    const order: string[] = [];
    const second = Promise.resolve(turns.acquire(b)).then(() => order.push("b"));
    const third = Promise.resolve(turns.acquire(c)).then(() => order.push("c"));
    expect(turns.waiting).toBe(2);
    turns.release(b);
    expect(turns.holder).toBe(a);
    turns.release(a);
    await second;
    expect(turns.holder).toBe(b);
    turns.release(b);
    await third;
    expect(order).toEqual(["b", "c"]);
    expect(turns.waiting).toBe(0);
  });

  test("refuses, by time and by word; who is refused is passed over", async () => {
    const turns = new Turns(30);
    const [a, b, c] = [client("a"), client("b"), client("c")];
    turns.acquire(a);
    const second = refused(turns.acquire(b));
    const third = refused(turns.acquire(c));
    expect(turns.refuse(c, new PgError("57014", "cancelled"))).toBe(true);
    expect(turns.refuse(c, new PgError("57014", "cancelled"))).toBe(false);
    expect(await third).toBe("57014");
    expect(await second).toBe("55P03");
    turns.release(a);
    expect(turns.holder).toBeUndefined();
  });

  test("a turn that is given back goes to one who already waits for it, before all others", async () => {
    const turns = new Turns(1000);
    const [a, b, c] = [client("a"), client("b"), client("c")];
    turns.acquire(b);
    const other = refused(turns.acquire(c));
    const pinned = refused(turns.acquire(a));
    turns.giveBack(b, a);
    expect(turns.holder).toBe(a);
    expect(await pinned).toBe("granted");
    expect(turns.waiting).toBe(1);
    turns.release(a);
    expect(await other).toBe("granted");
  });

  test("a turn that is given back to one who does not wait is kept for it", () => {
    const turns = new Turns(1000);
    const [a, b] = [client("a"), client("b")];
    turns.acquire(b);
    turns.giveBack(b, a);
    expect(turns.holder).toBe(a);
    turns.giveBack(b, b);
    expect(turns.holder).toBe(a);
  });
});

test("a client whose portal is suspended outside of a transaction loses it with its turn, as at any Sync", async () => {
  const [a, b] = await two();
  await a.ask(parse("select generate_series(1, 5)"), bind([], { portal: "p" }), execute(2, "p"), sync);
  expect(await b.value("select 1")).toBe("1");
  expect(await a.ask(execute(2, "p"), sync)).toEqual([
    'ErrorResponse ERROR 34000 portal "p" does not exist',
    "ReadyForQuery I",
  ]);
});

test("a text that only speaks of COPY FROM STDIN does not hold up what follows", async () => {
  const [a, b] = await two();
  const text = "select n /* copy t from stdin */ from generate_series(1, 3) n";
  expect(await a.ask(query(text), query("select 'next'"))).toContain("DataRow next");
  const lines = await a.ask(parse(text), bind(), execute(1), execute(0), sync, ...run("select 'last'"), sync);
  expect(lines.slice(-2)).toEqual(["CommandComplete SELECT 1", "ReadyForQuery I"]);
  expect(lines).toContain("PortalSuspended");
  expect(await a.ask(parse("-- copy t from stdin"), bind(), execute(), sync)).toContain("EmptyQueryResponse");
  expect(await b.value("select 1")).toBe("1");
});
