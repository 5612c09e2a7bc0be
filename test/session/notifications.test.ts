import { describe, expect, test } from "vitest";
import {
  memoryNotificationBroker,
  type NotificationBroker,
  type StatementSession,
} from "../../src/session/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { type Scripted, scripted, transactional } from "./scripted-upstream.ts";
import { connect, type TestClient } from "./test-client.ts";

/** Clients of upstreams without LISTEN, which share a broker. */
function joined(broker: NotificationBroker = memoryNotificationBroker(), upstream = transactional) {
  const open = async (methods: Partial<StatementSession> = {}, database = "postgres") => {
    const script: Scripted = upstream(methods);
    const client = await connect({ ...script, notifications: broker }, { database });
    const processId = script.client.processId;
    return { client, processId, script };
  };
  return { broker, open };
}

/** What has been pushed to an idle client. */
function pushed(client: TestClient): string[] {
  return client.take();
}

describe("with a broker", () => {
  test("a client that listens gets what others send", async () => {
    const { open } = joined();
    const [a, b, c] = [await open(), await open(), await open()];
    expect(await a.client.query("listen jobs")).toEqual(["CommandComplete LISTEN", "ReadyForQuery I"]);
    expect(await b.client.query("notify jobs, 'one'")).toEqual(["CommandComplete NOTIFY", "ReadyForQuery I"]);
    expect(await b.client.query("notify other, 'two'")).toEqual([
      "CommandComplete NOTIFY",
      "ReadyForQuery I",
    ]);
    expect(pushed(a.client)).toEqual([`NotificationResponse ${b.processId} jobs one`]);
    expect(pushed(c.client)).toEqual([]);
    expect(a.script.calls).toEqual([]);
    expect(await a.client.query("unlisten jobs")).toEqual(["CommandComplete UNLISTEN", "ReadyForQuery I"]);
    await b.client.query("notify jobs");
    expect(pushed(a.client)).toEqual([]);
  });

  test("its own come before ReadyForQuery", async () => {
    const { client, processId } = await joined().open();
    await client.query("listen jobs");
    expect(await client.query("notify jobs, 'mine'")).toEqual([
      "CommandComplete NOTIFY",
      `NotificationResponse ${processId} jobs mine`,
      "ReadyForQuery I",
    ]);
  });

  test("names are folded unless quoted, and databases do not hear each other", async () => {
    const { open } = joined();
    const [a, b, other] = [await open(), await open(), await open({}, "other")];
    await a.client.query("LISTEN Jobs");
    await b.client.query('notify "Jobs"');
    await other.client.query("notify jobs");
    expect(pushed(a.client)).toEqual([]);
    await b.client.query("notify JOBS");
    expect(pushed(a.client)).toEqual([`NotificationResponse ${b.processId} jobs`]);
  });

  test.each([
    ["notify jobs, 'x'", "x".repeat(7_999), undefined],
    ["notify jobs, 'x'", "x".repeat(8_000), "payload string too long"],
    ["notify jobs, 'x'", "é".repeat(4_000), "payload string too long"],
  ])("%s with a payload that is long", async (sql, payload, message) => {
    const { client } = await joined().open();
    const [answer] = await client.query(sql.replace("x", payload));
    expect(answer).toBe(message ? `ErrorResponse ERROR 22023 ${message}` : "CommandComplete NOTIFY");
  });

  test("who has left hears nothing, and is forgotten", async () => {
    const broker = memoryNotificationBroker();
    const { open } = joined(broker);
    const [a, b] = [await open(), await open()];
    await a.client.query("listen x; listen y; listen y");
    expect(broker.listeners).toBe(2);
    await a.client.query("discard all");
    expect(broker.listeners).toBe(0);
    await a.client.query("listen x");
    await a.client.vanish();
    expect(broker.listeners).toBe(0);
    expect(await b.client.query("notify x")).toEqual(["CommandComplete NOTIFY", "ReadyForQuery I"]);
  });
});

describe("in a transaction", () => {
  test("NOTIFY is sent at COMMIT, once for equal ones, in order", async () => {
    const { open } = joined();
    const [a, b] = [await open(), await open()];
    await a.client.query("listen jobs");
    await b.client.query("listen jobs");
    await b.client.query("begin");
    for (const payload of ["2", "1", "2", "3"]) await b.client.query(`notify jobs, '${payload}'`);
    expect(pushed(a.client)).toEqual([]);
    const all = ["2", "1", "3"].map((payload) => `NotificationResponse ${b.processId} jobs ${payload}`);
    expect(await b.client.query("commit")).toEqual(["CommandComplete COMMIT", ...all, "ReadyForQuery I"]);
    expect(pushed(a.client)).toEqual(all);
  });

  test("LISTEN takes effect at COMMIT, and hears what its own transaction sends", async () => {
    const { open } = joined();
    const [a, b] = [await open(), await open()];
    await a.client.query("begin");
    await a.client.query("listen jobs");
    await b.client.query("notify jobs, 'too early'");
    await a.client.query("notify jobs, 'mine'");
    expect(await a.client.query("commit")).toEqual([
      "CommandComplete COMMIT",
      `NotificationResponse ${a.processId} jobs mine`,
      "ReadyForQuery I",
    ]);
  });

  test("what arrives meanwhile waits for its end", async () => {
    const { open } = joined();
    const [a, b] = [await open(), await open()];
    await a.client.query("listen jobs");
    await a.client.query("begin");
    await a.client.query("unlisten *");
    await b.client.query("notify jobs, 'waits'");
    expect(await a.client.query("select 1")).not.toContain(`NotificationResponse ${b.processId} jobs waits`);
    expect(await a.client.query("rollback")).toEqual([
      "CommandComplete ROLLBACK",
      `NotificationResponse ${b.processId} jobs waits`,
      "ReadyForQuery I",
    ]);
  });

  test("ROLLBACK, and a failed block, take everything back", async () => {
    const { open } = joined();
    const [a, b] = [await open(), await open()];
    await a.client.query("listen jobs");
    await b.client.query("begin; listen jobs; notify jobs; rollback");
    await b.client.query("begin; notify jobs");
    await b.client.query("fail");
    expect(await b.client.query("commit")).toEqual(["CommandComplete ROLLBACK", "ReadyForQuery I"]);
    expect(pushed(a.client)).toEqual([]);
    await a.client.query("notify jobs");
    expect(pushed(b.client)).toEqual([]);
  });

  test("a COMMIT that fails, too", async () => {
    const { open } = joined();
    const [a, b] = [await open(), await open({ commit: () => Promise.reject(new PgError("40001", "no")) })];
    await a.client.query("listen jobs");
    await b.client.query("begin; listen jobs; notify jobs");
    expect(await b.client.query("commit")).toEqual(["ErrorResponse ERROR 40001 no", "ReadyForQuery I"]);
    expect(pushed(a.client)).toEqual([]);
    await a.client.query("notify jobs");
    expect(pushed(b.client)).toEqual([]);
  });

  test("savepoints", async () => {
    const { open } = joined();
    const [a, b] = [await open(), await open()];
    await a.client.query("listen jobs");
    for (const sql of [
      "begin",
      "notify jobs, '1'",
      "savepoint s",
      "notify jobs, '2'",
      "rollback to s",
      "notify jobs, '3'",
      "savepoint t",
      "notify jobs, '4'",
      "release t",
      "commit",
    ])
      await b.client.query(sql);
    expect(pushed(a.client)).toEqual(
      ["1", "3", "4"].map((payload) => `NotificationResponse ${b.processId} jobs ${payload}`),
    );
  });

  test("the implicit one of a multi-statement query", async () => {
    const { open } = joined();
    const [a, b] = [await open(), await open()];
    await a.client.query("listen jobs");
    await b.client.query("notify jobs, '1'; fail");
    expect(pushed(a.client)).toEqual([]);
    await b.client.query("notify jobs, '1'; notify jobs, '1'");
    expect(pushed(a.client)).toEqual([`NotificationResponse ${b.processId} jobs 1`]);
  });

  test("PREPARE TRANSACTION is refused behind NOTIFY", async () => {
    const { client } = await joined().open();
    await client.query("begin; notify jobs");
    expect((await client.query("prepare transaction 'x'"))[0]).toBe(
      "ErrorResponse ERROR 0A000 cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY",
    );
  });
});

test("an upstream without transactions: each statement is one", async () => {
  const { open } = joined(memoryNotificationBroker(), scripted);
  const [a, b] = [await open(), await open()];
  await a.client.query("listen jobs");
  await b.client.query("notify jobs, '1'; notify jobs, '1'; fail");
  const one = `NotificationResponse ${b.processId} jobs 1`;
  expect(pushed(a.client)).toEqual([one, one]);
});

test("an upstream with LISTEN of its own keeps it", async () => {
  const heard: string[] = [];
  const { open } = joined();
  const { client } = await open({ listen: (channel) => void heard.push(channel), notify: () => {} });
  await client.query("listen jobs");
  expect(heard).toEqual(["jobs"]);
  expect(await client.query("notify jobs")).toEqual(["CommandComplete NOTIFY", "ReadyForQuery I"]);
});

describe("a broker that cannot be reached", () => {
  const unreachable: NotificationBroker = {
    join: () => Promise.reject(new PgError("08006", "no broker")),
  };

  test("is an error of the statement", async () => {
    const { client } = await joined(unreachable).open();
    const error = ["ErrorResponse ERROR 08006 no broker", "ReadyForQuery I"];
    expect(await client.query("listen jobs")).toEqual(error);
    expect(await client.query("notify jobs")).toEqual(error);
    expect(await client.query("unlisten jobs")).toEqual(["CommandComplete UNLISTEN", "ReadyForQuery I"]);
  });

  test("is an error of COMMIT, before anything is committed", async () => {
    const { client, script } = await joined(unreachable).open();
    await client.query("begin; notify jobs");
    expect(await client.query("commit")).toEqual(["ErrorResponse ERROR 08006 no broker", "ReadyForQuery I"]);
    expect(script.calls).toEqual(["begin", "rollback"]);
  });

  test("is a WARNING once the transaction is committed", async () => {
    const { open } = joined({
      join: () => ({
        listen: () => {},
        notify: () => Promise.reject(new PgError("08006", "no broker")),
        leave: () => {},
      }),
    });
    const { client, script } = await open();
    await client.query("begin; notify jobs");
    expect(await client.query("commit")).toEqual([
      "NoticeResponse WARNING 08006 notifications could not be sent: no broker",
      "CommandComplete COMMIT",
      "ReadyForQuery I",
    ]);
    expect(script.calls).toEqual(["begin", "commit"]);
  });
});
