/** LISTEN and NOTIFY among clients that share one session. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { bind, execute, parse, query, run, settled, sync } from "../../session/test-client.ts";
import { type SharedClient, SharedDatabase } from "./shared-database.ts";

let database: SharedDatabase;
beforeAll(async () => {
  database = await SharedDatabase.start();
});
afterAll(() => database.close());
afterEach(() => database.gone());

async function clients(count: number): Promise<SharedClient[]> {
  return Promise.all(Array.from({ length: count }, () => database.client()));
}

/** The notifications that came to a client without its asking. */
async function notified(client: SharedClient): Promise<string[]> {
  await settled();
  return client
    .take()
    .filter((line) => line.startsWith("NotificationResponse"))
    .map((line) => line.slice("NotificationResponse ".length));
}

const channels = (client: SharedClient): Promise<string[]> =>
  client.rows("select * from pg_listening_channels() order by 1");

describe("a notification", () => {
  test("goes to those who listen, with the notifier's own process id", async () => {
    const [a, b, c, d] = (await clients(4)) as [SharedClient, SharedClient, SharedClient, SharedClient];
    await a.run("listen one");
    await b.run("listen one; listen two");
    await d.run("notify one, 'hello'");
    expect(await notified(a)).toEqual([`${d.processId} one hello`]);
    expect(await notified(b)).toEqual([`${d.processId} one hello`]);
    expect(await notified(c)).toEqual([]);
    expect(await notified(d)).toEqual([]);
    await c.run("select pg_notify('two', 'x')");
    expect(await notified(a)).toEqual([]);
    expect(await notified(b)).toEqual([`${c.processId} two x`]);
  });

  test("of one's own comes before ReadyForQuery", async () => {
    const [a] = (await clients(1)) as [SharedClient];
    await a.run("listen one");
    expect(await a.query("notify one, 'self'")).toEqual([
      "CommandComplete NOTIFY",
      `NotificationResponse ${a.processId} one self`,
      "ReadyForQuery I",
    ]);
    expect(await a.ask(...run("select pg_notify($1, $2)", "one", "x"), sync)).toContain(
      `NotificationResponse ${a.processId} one x`,
    );
  });

  test("of LISTEN and NOTIFY in one query, or one transaction", async () => {
    const [a] = (await clients(1)) as [SharedClient];
    expect(await a.query("listen one; notify one")).toContain(`NotificationResponse ${a.processId} one`);
    await a.run("begin; listen two; notify two");
    expect(await a.query("commit")).toContain(`NotificationResponse ${a.processId} two`);
  });

  test("of a transaction comes at its end, and not if it is rolled back", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await a.run("listen one");
    await b.run("begin");
    await b.run("notify one, 'later'");
    expect(await notified(a)).toEqual([]);
    await b.run("commit");
    expect(await notified(a)).toEqual([`${b.processId} one later`]);
    await b.run("begin; notify one, 'never'; rollback");
    expect(await notified(a)).toEqual([]);
  });

  test("reaches a client that waits for its turn", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await a.run("listen one");
    await b.run("begin");
    void a.send(query("select 'mine'"));
    await settled();
    await b.run("notify one; commit");
    await a.until("ReadyForQuery");
    expect(a.take()).toContain(`NotificationResponse ${b.processId} one`);
  });

  test("with every kind of name and payload", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    const payload = `'"\\ \n😀`;
    await a.run('listen "Wei""rd; name"');
    await b.run(`notify "Wei""rd; name", '${payload.replaceAll("'", "''")}'`);
    await a.until("NotificationResponse");
    expect(a.last("NotificationResponse")).toMatchObject({ channel: 'Wei"rd; name', payload });
  });
});

describe("LISTEN", () => {
  test("that is rolled back is none", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await a.run("begin; listen one; rollback");
    await b.run("notify one");
    expect(await notified(a)).toEqual([]);
    await a.run("begin");
    await a.run("listen one");
    await a.run("rollback");
    await b.run("notify one");
    expect(await notified(a)).toEqual([]);
    // Also where another client listens to it.
    await b.run("listen one");
    await a.run("begin");
    await a.run("listen one");
    await a.run("rollback");
    await b.query("notify one");
    expect(await notified(a)).toEqual([]);
    await a.query("listen one; select 1/0");
    await b.query("notify one");
    expect(await notified(a)).toEqual([]);
  });

  test("that is undone by ROLLBACK TO is none, nor is an UNLISTEN, also where another client listens", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await b.run("listen one; listen two");
    await a.run("listen two");
    await a.run("begin");
    await a.run("savepoint s");
    await a.run("listen one; unlisten two");
    await a.query("select 1/0");
    await a.run("rollback to s");
    await a.run("commit");
    await b.run("notify one; notify two");
    expect(await notified(a)).toEqual([`${b.processId} two`]);
  });

  test("that is committed is one, also where another client listens already", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await b.run("listen one");
    await a.run("begin");
    await a.run("listen one");
    await a.run("commit");
    await b.run("notify one");
    expect(await notified(a)).toEqual([`${b.processId} one`]);
  });

  test("by the extended protocol, and in a pipeline with an error elsewhere", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await b.run("listen one; listen two");
    await a.ask(
      ...run("listen one"),
      sync,
      ...run("select 1/0"),
      sync,
      ...run("listen two"),
      ...run("select 1/0"),
      sync,
    );
    await b.run("notify one; notify two");
    expect(await notified(a)).toEqual([`${b.processId} one`]);
  });

  test("by a function's EXECUTE", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await a.run("do $$ begin execute 'listen hidden'; end $$; listen other");
    await b.run("notify hidden");
    expect(await notified(a)).toEqual([`${b.processId} hidden`]);
  });
});

describe("UNLISTEN", () => {
  test("of one client leaves the others", async () => {
    const [a, b, c] = (await clients(3)) as [SharedClient, SharedClient, SharedClient];
    for (const client of [a, b]) await client.run("listen one; listen two");
    await a.run("unlisten one");
    await c.run("notify one; notify two");
    expect(await notified(a)).toEqual([`${c.processId} two`]);
    expect(await notified(b)).toEqual([`${c.processId} one`, `${c.processId} two`]);
  });

  for (const sql of ["unlisten *", "discard all"]) {
    test(`${sql} of one client leaves the others`, async () => {
      const [a, b, c] = (await clients(3)) as [SharedClient, SharedClient, SharedClient];
      for (const client of [a, b]) await client.run("listen one; listen two");
      await a.run(sql);
      await c.run("notify one; notify two");
      expect(await notified(a)).toEqual([]);
      expect(await notified(b)).toEqual([`${c.processId} one`, `${c.processId} two`]);
    });
  }

  test("that is rolled back is none", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await a.run("listen one");
    await a.run("begin");
    await a.run("unlisten one");
    await a.run("rollback");
    await b.run("notify one");
    expect(await notified(a)).toEqual([`${b.processId} one`]);
    await a.run("begin; unlisten *; rollback");
    await b.run("notify one");
    expect(await notified(a)).toEqual([`${b.processId} one`]);
  });
});

describe("a client that leaves", () => {
  test("listens to nothing any more, and the others still do", async () => {
    const [a, b, c] = (await clients(3)) as [SharedClient, SharedClient, SharedClient];
    await a.run("listen one; listen only_a");
    await b.run("listen one");
    await a.vanish();
    await c.run("notify one; notify only_a");
    expect(await notified(b)).toEqual([`${c.processId} one`]);
    // Nothing is left on the shared session either.
    expect(await channels(c)).toEqual(["one"]);
    await b.vanish();
    expect(await channels(c)).toEqual([]);
  });

  test("in the transaction in which it listened", async () => {
    const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
    await a.run("begin");
    await a.run("listen one");
    await a.vanish();
    expect(await channels(b)).toEqual([]);
  });
});

test("a LISTEN that a client sent in a pipeline of several is the one that counts", async () => {
  const [a, b] = (await clients(2)) as [SharedClient, SharedClient];
  await a.ask(
    parse("listen one", "l"),
    bind([], { statement: "l" }),
    execute(),
    parse("unlisten one", "u"),
    bind([], { statement: "u" }),
    execute(),
    parse("listen two", "m"),
    bind([], { statement: "m" }),
    execute(),
    sync,
  );
  await b.run("notify one; notify two");
  expect(await notified(a)).toEqual([`${b.processId} two`]);
});
