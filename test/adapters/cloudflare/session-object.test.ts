// Sessions in Durable Objects, in workerd: suspended while their clients are idle, evicted, and taken up again; cancelled
// from elsewhere; and reached by the notifications of sessions in other objects and invocations.
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openSocket } from "../../../adapters/node/socket-stream.ts";
import {
  type ByteStream,
  type ClientOptions,
  type Connection,
  cancel,
  connect,
  type Events,
  parseUrl,
  prepare,
  query,
} from "../../../src/client/mod.ts";
import { openWebSocket } from "../../../src/client/websocket-stream.ts";
import { protocol30, protocol32 } from "../../../src/wire/mod.ts";
import { type Observed, SessionObjects, until } from "./session-objects.ts";
import { startUpstream, type UpstreamServer } from "./upstream.ts";
import { type RunningWorker, startWorker } from "./wrangler-dev.ts";

/** Seconds of idleness until a session is suspended. */
const suspendAfter = 0.2;

let upstream: UpstreamServer;
let worker: RunningWorker;
let objects: SessionObjects;
const clients: Connection[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
  worker = await startWorker({
    vars: {
      EDGEWIRE_DATABASES: `app=postgres://gateway@127.0.0.1:${upstream.port}/postgres?sslmode=disable`,
      EDGEWIRE_AUTH: "trust",
      EDGEWIRE_SUSPEND_AFTER: String(suspendAfter),
    },
    config: (toml) =>
      toml.replace("adapters/cloudflare/worker.ts", "test/adapters/cloudflare/workers/objects.ts"),
  });
  objects = new SessionObjects(worker);
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

afterAll(async () => {
  await worker?.stop();
  await upstream?.stop();
});

type Way = "WebSocket" | "TCP";

function open(way: Way): Promise<ByteStream> {
  if (way === "WebSocket") return openWebSocket(`${worker.url.replace("http", "ws")}/v2`);
  const { options, ...address } = parseUrl(`postgres://x@127.0.0.1:${worker.tcpPort}?sslmode=disable`);
  return openSocket(address, options.connectTimeout);
}

async function connected(
  database: "app" | "statements",
  { way = "WebSocket", ...options }: Partial<ClientOptions> & { way?: Way } = {},
  events: Events = {},
): Promise<Connection> {
  const client = await connect(
    await open(way),
    { user: "someone", database, sslMode: "disable", ...options },
    events,
  );
  clients.push(client);
  return client;
}

async function value(client: Connection, sql: string): Promise<unknown> {
  return (await query(client, sql)).at(-1)?.rows[0]?.[0];
}

async function stored({ id }: Observed): Promise<boolean> {
  return (await (await fetch(`${worker.url}/test/tables?id=${id}`)).json()) !== 0;
}

describe.each(["app", "statements"] as const)("an idle client of %s", (database) => {
  test("finds settings and prepared statements as they were, in another instance of its object", async () => {
    const client = await connected(database, { parameters: { application_name: "first" } });
    await query(client, "set application_name = 'second'");
    await query(client, "set statement_timeout = '70s'");
    const statement = await prepare(client, "named", { sql: "select $1", parameterTypes: [25] });
    for (let time = 0; time < 2; time++) {
      const before = await objects.evicted();
      if (database === "app") await expect.poll(() => upstream.size).toBe(0);
      expect(await value(client, "show application_name")).toBe("second");
      const now = await objects.last();
      expect(now.id).toBe(before.id);
      expect(now.instance).not.toBe(before.instance);
      expect((await statement.execute(["it works"])).rows).toEqual([["it works"]]);
      expect(await value(client, "show statement_timeout")).toMatch(/^70(s|000)/);
    }
    await query(client, "reset application_name");
    expect(client.parameters.get("application_name")).toBe("first");
  });

  test("what it sends at once, in many frames, is answered in order", async () => {
    const client = await connected(database);
    await objects.evicted();
    const answers = Array.from({ length: 20 }, (_, at) => value(client, `select '${at}'`));
    const expected = Array.from({ length: 20 }, (_, at) => expect.stringContaining(String(at)));
    expect(await Promise.all(answers)).toEqual(expected);
  });

  test("in a transaction it stays where it is", async () => {
    const client = await connected(database);
    await query(client, "begin");
    const object = await objects.last();
    await setTimeout(suspendAfter * 1_000 * 3);
    expect((await objects.last()).awake).toBe(true);
    await query(client, "commit");
    await objects.suspended(object);
  });

  test("that leaves leaves nothing behind", async () => {
    const client = await connected(database, { protocol: protocol30 });
    const object = await objects.evicted();
    expect(await stored(object)).toBe(true);
    client.close();
    await until("empty storage", async () => !(await stored(object)));
  });
});

test("the runtime itself evicts the object of an idle client, after ten seconds", async () => {
  const client = await connected("app");
  await query(client, "set application_name = 'asleep'");
  const before = await objects.last();
  await objects.suspended(before);
  await setTimeout(11_500);
  expect(await value(client, "show application_name")).toBe("asleep");
  const now = await objects.last();
  expect([now.id, now.instance === before.instance]).toEqual([before.id, false]);
}, 30_000);

test("what cannot be moved keeps its session in memory", async () => {
  const client = await connected("app");
  await query(client, "create temp table t (a int)");
  const object = await objects.last();
  await setTimeout(suspendAfter * 1_000 * 4);
  expect(await objects.last()).toEqual({ ...object, awake: true });
  expect(upstream.size).toBe(1);
  await query(client, "drop table t");
  await objects.suspended(object);
  await expect.poll(() => upstream.size).toBe(0);
});

test("an object that lost its session says so", async () => {
  const client = await connected("statements");
  await query(client, "begin");
  await fetch(`${worker.url}/test/crash?id=${(await objects.last()).id}`);
  await expect(query(client, "commit")).rejects.toMatchObject({ severity: "FATAL", code: "08006" });
});

test("idle_session_timeout goes on while the session is suspended", async () => {
  const lost = Promise.withResolvers<unknown>();
  const client = await connected("statements", {}, { onClose: lost.resolve });
  await query(client, "set idle_session_timeout = '1s'");
  const object = await objects.evicted();
  expect(await lost.promise).toMatchObject({ code: "57P05" });
  expect((await objects.last()).instance).not.toBe(object.instance);
  await until("empty storage", async () => !(await stored(object)));
});

describe.each([
  ["3.2", protocol32],
  ["3.0", protocol30],
])("a CancelRequest of protocol %s", (_, protocol) => {
  test.each<[Way, Way]>([
    ["WebSocket", "WebSocket"],
    ["WebSocket", "TCP"],
    ["TCP", "WebSocket"],
    ["TCP", "TCP"],
  ])("reaches a session over %s from a connection over %s", async (way, from) => {
    const client = await connected("statements", { way, protocol });
    if (protocol === protocol30) expect(client.secretKey).toHaveLength(4);
    else expect(client.secretKey.length).toBeGreaterThan(64);
    const waiting = query(client, "wait").catch((error: unknown) => error);
    await setTimeout(50);
    const wrong = client.secretKey.slice();
    wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1;
    for (const secretKey of [wrong, client.secretKey]) {
      await cancel(await open(from), { processId: client.processId, secretKey }, { sslMode: "disable" });
    }
    expect(await waiting).toMatchObject({ code: "57014" });
    expect(await value(client, "select 1")).toBe("select 1");
  });

  test("finds a session that was suspended in between", async () => {
    const client = await connected("app", { protocol });
    await objects.evicted();
    await cancel(await open("TCP"), client, { sslMode: "disable" });
    const waiting = query(client, "select pg_sleep(60)").catch((error: unknown) => error);
    await setTimeout(1_000);
    await cancel(await open("TCP"), client, { sslMode: "disable" });
    expect(await waiting).toMatchObject({ code: "57014" });
  });
});

async function listening(way: Way) {
  const heard: string[] = [];
  const onNotification = (channel: string, payload: string, processId: number): void =>
    void heard.push(`${channel} ${payload} ${processId}`);
  const client = await connected("statements", { way }, { onNotification });
  await query(client, "listen jobs");
  const hears = (count: number): Promise<void> => until("a notification", async () => heard.length >= count);
  return { client, heard, hears };
}

describe("LISTEN and NOTIFY where the database has none", () => {
  test.each<[Way, Way]>([
    ["WebSocket", "WebSocket"],
    ["WebSocket", "TCP"],
    ["TCP", "WebSocket"],
    ["TCP", "TCP"],
  ])("a listener over %s hears a sender over %s", async (way, from) => {
    const { client, heard, hears } = await listening(way);
    const sender = await connected("statements", { way: from });
    for (let number = 0; number < 5; number++) await query(sender, `notify jobs, '${number}'`);
    await query(sender, "begin; notify jobs, 'last'; notify other, 'nobody'");
    await hears(5);
    await query(sender, "commit");
    await hears(6);
    expect(heard).toEqual(
      ["0", "1", "2", "3", "4", "last"].map((text) => `jobs ${text} ${sender.processId}`),
    );
    await query(client, "notify jobs, 'own'");
    await hears(7);
    await query(client, "unlisten jobs");
    await query(sender, "notify jobs, 'too late'");
    await setTimeout(100);
    expect(heard).toHaveLength(7);
  });

  test("one that is suspended and evicted hears, and sleeps on", async () => {
    const { client, heard, hears } = await listening("WebSocket");
    const object = await objects.evicted();
    const sender = await connected("statements", { way: "TCP" });
    await query(sender, "notify jobs, 'wake up'; notify jobs, 'again'");
    await hears(2);
    expect(heard).toEqual([`jobs wake up ${sender.processId}`, `jobs again ${sender.processId}`]);
    const now = await objects.last();
    expect(now.id).toBe(object.id);
    expect(now.instance).not.toBe(object.instance);
    expect(now.awake).toBe(false);
    // Awake, it hears what comes, and what it is about to be told while it is taken up.
    await Promise.all([query(client, "select 1"), query(sender, "notify jobs, 'third'")]);
    await hears(3);
  });

  test("databases do not hear each other", async () => {
    const { heard } = await listening("WebSocket");
    const sender = await connected("app");
    await query(sender, "notify jobs");
    await setTimeout(100);
    expect(heard).toEqual([]);
  });
});

/** Its WebSockets hibernate, as when nobody asks it anything, or close, as when new code is deployed. */
async function evictBroker(name: string, webSockets: "hibernate" | "close"): Promise<void> {
  await worker.harness.getWorker().evictDurableObject("BrokerObject", { name, webSockets });
}

describe.each(["hibernate", "close"] as const)(
  "brokers that are evicted, and whose WebSockets %s",
  (fate) => {
    test.each<Way>(["WebSocket", "TCP"])("know the short key of a session over %s", async (way) => {
      const client = await connected("statements", { way, protocol: protocol30 });
      const waiting = query(client, "wait").catch((error: unknown) => error);
      await evictBroker(`keys ${client.processId % 8}`, fate);
      // A session that has lost its WebSocket opens another one.
      if (fate === "close") await setTimeout(1_000);
      await cancel(await open("TCP"), client, { sslMode: "disable" });
      expect(await waiting).toMatchObject({ code: "57014" });
    });

    test.each<Way>(["WebSocket", "TCP"])("know what a session over %s listens to", async (way) => {
      const { hears, heard } = await listening(way);
      const sender = await connected("statements");
      await evictBroker("channels statements", fate);
      if (fate === "close") await setTimeout(1_000);
      await query(sender, "notify jobs, 'still there'");
      await hears(1);
      expect(heard).toEqual([`jobs still there ${sender.processId}`]);
    });
  },
);

describe.each<Way>(["WebSocket", "TCP"])("without any broker that answers, over %s", (way) => {
  test.each([protocol30, protocol32])("clients are served all the same (protocol %d)", async (protocol) => {
    await fetch(`${worker.url}/test/break`);
    try {
      const client = await connected("statements", { way, protocol });
      expect(await value(client, "select 1")).toBe("select 1");
      await expect(query(client, "listen jobs")).rejects.toMatchObject({ severity: "ERROR", code: "XX000" });
      expect(await value(client, "select 2")).toBe("select 2");
      await fetch(`${worker.url}/test/mend`);
      await query(client, "listen jobs");
    } finally {
      await fetch(`${worker.url}/test/mend`);
    }
  });
});
