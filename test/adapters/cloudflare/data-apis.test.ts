// Databases behind data APIs, served by the Worker in workerd: Neon's double and the one of the RDS Data API on loopback,
// which the Worker asks by fetch and, for Neon's sessions, by WebSocket.
import { once } from "node:events";
import { createConnection } from "node:net";
import { setTimeout } from "node:timers/promises";
import { neon, neonConfig } from "@neondatabase/serverless";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
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
import { type NeonDouble, startDouble } from "../../upstreams/neon/double.ts";
import { credentials, RdsDataDouble } from "../../upstreams/rds-data/double.ts";
import { startup } from "../node/raw-client.ts";
import { SessionObjects } from "./session-objects.ts";
import { type RunningWorker, startWorker, withoutObjects } from "./wrangler-dev.ts";

/** Seconds of idleness until a session is suspended. */
const suspendAfter = 0.2;

let neonApi: NeonDouble;
let rdsApi: RdsDataDouble;
let worker: RunningWorker;
/** The same without Durable Objects. */
let bare: RunningWorker;
let objects: SessionObjects;
/** How the Workers have asked Neon's double, one by one. */
let asked: ("HTTP" | "tunnel")[] = [];
/** The next request to it over HTTP is never answered, and `lost` settles when it is there. */
let losing: PromiseWithResolvers<void> | undefined;
const clients: Connection[] = [];

beforeAll(async () => {
  [neonApi, rdsApi] = await Promise.all([startDouble(), RdsDataDouble.start()]);
  const databases = `app=${neonApi.url} rds=${rdsApi.url}`;
  const vars = {
    EDGEWIRE_DATABASES: databases,
    EDGEWIRE_AUTH: "trust",
    EDGEWIRE_SUSPEND_AFTER: String(suspendAfter),
  };
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const secrets = {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  };
  worker = await startWorker({
    vars,
    secrets,
    config: (toml) =>
      toml.replace("adapters/cloudflare/worker.ts", "test/adapters/cloudflare/workers/objects.ts"),
  });
  bare = await startWorker({ vars, secrets, config: withoutObjects });
  objects = new SessionObjects(worker);
  watch();
  // Two Workers, and two databases.
}, 120_000);

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

afterAll(async () => {
  await worker?.stop();
  await bare?.stop();
  await neonApi?.close();
  await rdsApi?.close();
});

/** What the Workers fetch comes by here: see startWorker. */
function watch(): void {
  const pass = globalThis.fetch;
  globalThis.fetch = async (url, init) => {
    const { port, pathname } = new URL(String(url));
    if (Number(port) !== neonApi.port) return pass(url, init);
    if (pathname === "/v2") asked.push("tunnel");
    if (pathname === "/sql") asked.push("HTTP");
    if (pathname !== "/sql" || !losing) return pass(url, init);
    losing.resolve();
    losing = undefined;
    return new Promise(() => {});
  };
}

type Way = "TCP" | "WebSocket to an object" | "WebSocket in the invocation";
const ways: readonly Way[] = ["TCP", "WebSocket to an object", "WebSocket in the invocation"];

function open(way: Way): Promise<ByteStream> {
  if (way !== "TCP") {
    const { url } = way === "WebSocket to an object" ? worker : bare;
    return openWebSocket(`${url.replace("http", "ws")}/v2`);
  }
  const { options, ...address } = parseUrl(`postgres://x@127.0.0.1:${worker.tcpPort}?sslmode=disable`);
  return openSocket(address, options.connectTimeout);
}

async function connected(
  database: "app" | "rds",
  way: Way = "TCP",
  options: Partial<ClientOptions> = {},
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

/** How many tunnels are open, as Neon's double counts them. */
async function tunnels(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${neonApi.port}/metrics`)).text();
  const lines = text.match(/^edgewire_sessions\{.*transport="websocket".*\} \d+$/gm) ?? [];
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

describe.each(ways)("neon, over %s", (way) => {
  test("a statement of its own goes by HTTP, a transaction through the tunnel", async () => {
    const client = await connected("app", way);
    asked = [];
    expect(await value(client, "select 6 * 7")).toBe("42");
    expect(asked).toEqual(["HTTP"]);
    asked = [];
    await query(client, "create table if not exists books (id int primary key, title text)");
    await query(client, "begin");
    await query(client, "insert into books values (1, 'Middlemarch')");
    await query(client, "savepoint here");
    await expect(query(client, "insert into books values (1, 'again')")).rejects.toMatchObject({
      code: "23505",
    });
    await query(client, "rollback to here");
    expect(await value(client, "select title from books")).toBe("Middlemarch");
    await query(client, "rollback");
    expect(asked).toEqual(["HTTP", "tunnel"]);
    expect(await value(client, "select count(*) from books")).toBe("0");
    await expect.poll(tunnels).toBe(0);
  });

  test("errors of the parser and of the server have their positions", async () => {
    const client = await connected("app", way);
    await expect(query(client, "selec 1")).rejects.toMatchObject({ code: "42601", fields: { position: 1 } });
    await expect(query(client, "select nothing")).rejects.toMatchObject({
      code: "42703",
      fields: { position: 8 },
    });
  });

  test("statements are prepared, described and run again and again", async () => {
    const client = await connected("app", way);
    const sum = await prepare(client, "sum", { sql: "select $1::int + $2 as sum", parameterTypes: [] });
    expect(sum.parameterTypes).toEqual([23, 23]);
    for (const [a, b] of [
      [1, 2],
      [20, 22],
    ] as const) {
      expect((await sum.execute([String(a), String(b)])).rows).toEqual([[String(a + b)]]);
    }
  });

  test("a setting goes along by HTTP and into the tunnel", async () => {
    const client = await connected("app", way, { parameters: { TimeZone: "Asia/Tokyo" } });
    await query(client, "set statement_timeout = '70s'");
    const settings = "select current_setting('statement_timeout') || ' ' || current_setting('TimeZone')";
    expect(await value(client, settings)).toBe("70s Asia/Tokyo");
    await query(client, "begin");
    expect(await value(client, settings)).toBe("70s Asia/Tokyo");
    await query(client, "rollback");
  });

  test("a statement by HTTP is cancelled: its client has the answer at once", async () => {
    const client = await connected("app", way);
    // The harness does not pass on that a request is given up (see wrangler-cli.test.ts): it runs to its end there.
    const statement = query(client, "select pg_sleep(3)").catch((error: unknown) => error);
    const started = Date.now();
    await setTimeout(300);
    await cancel(await open(way), client, { sslMode: "disable" });
    expect(await statement).toMatchObject({ code: "57014" });
    expect(Date.now() - started).toBeLessThan(2_500);
    expect(await value(client, "select 'alive'")).toBe("alive");
  });

  test("a statement in a transaction is cancelled, on the server", async () => {
    const client = await connected("app", way);
    await query(client, "begin");
    const statement = query(client, "select pg_sleep(60)").catch((error: unknown) => error);
    await setTimeout(300);
    await cancel(await open(way), client, { sslMode: "disable" });
    expect(await statement).toMatchObject({ code: "57014" });
    await query(client, "rollback");
    expect(await value(client, "select 'alive'")).toBe("alive");
  });

  test("LISTEN hears what others say, until UNLISTEN lets the tunnel go", async () => {
    const heard: string[] = [];
    const listener = await connected(
      "app",
      way,
      {},
      { onNotification: (channel, payload) => void heard.push(`${channel} ${payload}`) },
    );
    await query(listener, "listen jobs");
    expect(await tunnels()).toBe(1);
    const sender = await connected("app");
    await query(sender, "notify jobs, 'first'");
    await expect.poll(() => heard).toEqual(["jobs first"]);
    await query(listener, "unlisten *");
    await expect.poll(tunnels).toBe(0);
  });

  test("a client that vanishes takes its tunnel with it", async () => {
    const client = await connected("app", way);
    await query(client, "begin");
    await query(client, "select 1");
    expect(await tunnels()).toBe(1);
    client.destroy();
    await expect.poll(tunnels).toBe(0);
  });

  test("clients come at once", async () => {
    const many = await Promise.all(Array.from({ length: 8 }, () => connected("app", way)));
    const values = await Promise.all(many.map((client, at) => value(client, `select ${at}`)));
    expect(values).toEqual(many.map((_, at) => String(at)));
  });
});

describe.each(["app", "rds"])("COPY over %s", (database) => {
  test("goes both ways, in more than the buffers hold", async () => {
    const client = new pg.Client(`postgres://someone@127.0.0.1:${worker.tcpPort}/${database}`);
    await client.connect();
    try {
      await client.query("begin");
      await client.query("create temp table lines (line text) on commit drop");
      const line = `${"x".repeat(99)}\n`;
      const rows = 20_000;
      const input = client.query(copyFrom("copy lines from stdin"));
      for (let at = 0; at < rows; at += 100) {
        if (!input.write(line.repeat(100))) await once(input, "drain");
      }
      input.end();
      await once(input, "finish");
      let bytes = 0;
      for await (const chunk of client.query(copyTo("copy lines to stdout")))
        bytes += (chunk as Buffer).length;
      expect(bytes).toBe(rows * line.length);
      await client.query("commit");
    } finally {
      await client.end();
    }
  });
});

describe("neon", () => {
  test("a client that is gone before its first answer leaves no other one waiting", async () => {
    // Nobody else has asked for these settings.
    const parameters = { application_name: `lost ${Date.now()}` };
    losing = Promise.withResolvers();
    const lost = losing.promise;
    const gone = createConnection({ host: "127.0.0.1", port: worker.tcpPort });
    gone.write(startup({ user: "someone", database: "app", ...parameters }));
    await lost;
    gone.destroy();
    const client = await connected("app", "TCP", { parameters });
    expect(await value(client, "show application_name")).toBe(parameters.application_name);
  });

  describe("POST /sql", () => {
    beforeAll(() => {
      neonConfig.fetchEndpoint = `${worker.url}/sql`;
    });

    test("is served: a statement, and a transaction", async () => {
      const sql = neon("postgres://someone@db.example.com/app");
      asked = [];
      expect(await sql`select ${20}::int + 22 as sum`).toEqual([{ sum: 42 }]);
      expect(asked).toContain("HTTP");
      const [made, count] = await sql.transaction([
        sql`create temp table brief on commit drop as select 1 as a`,
        sql`select count(*)::int as count from brief`,
      ]);
      expect([made, count]).toEqual([[], [{ count: 1 }]]);
      await expect(sql`selec 1`).rejects.toMatchObject({ code: "42601" });
      await expect.poll(tunnels).toBe(0);
    });
  });

  describe("in a Durable Object", () => {
    const inObject = (events: Events = {}): Promise<Connection> =>
      connected("app", "WebSocket to an object", { parameters: { application_name: "first" } }, events);

    test("an idle session sleeps, and is found as it was in another instance of its object", async () => {
      const client = await inObject();
      await query(client, "set application_name = 'second'");
      const statement = await prepare(client, "named", { sql: "select $1", parameterTypes: [25] });
      const before = await objects.evicted();
      expect(await tunnels()).toBe(0);
      asked = [];
      expect(await value(client, "show application_name")).toBe("second");
      // It knows its settings: nothing is asked for them again.
      expect(asked).toEqual(["HTTP"]);
      const now = await objects.last();
      expect([now.id, now.instance === before.instance]).toEqual([before.id, false]);
      expect((await statement.execute(["it works"])).rows).toEqual([["it works"]]);
      await query(client, "reset application_name");
      expect(await value(client, "show application_name")).toBe("first");
    });

    test.each([
      ["in a transaction", "begin", "rollback"],
      ["that listens", "listen jobs", "unlisten jobs"],
      ["with a temporary table", "create temp table t (a int)", "drop table t"],
    ])("a session %s stays awake", async (_, begin, end) => {
      const heard: string[] = [];
      const client = await inObject({ onNotification: (_, payload) => void heard.push(payload) });
      await query(client, begin);
      const object = await objects.last();
      await setTimeout(suspendAfter * 1_000 * 4);
      expect(await objects.last()).toEqual({ ...object, awake: true });
      expect(await tunnels()).toBe(1);
      if (begin.startsWith("listen")) {
        await query(await connected("app"), "notify jobs, 'still there'");
        await expect.poll(() => heard).toEqual(["still there"]);
      }
      await query(client, end);
      await objects.suspended(object);
      await expect.poll(tunnels).toBe(0);
    });
  });
});

describe.each(ways)("rds-data, over %s", (way) => {
  test("statements, parameters of their types, and errors", async () => {
    const client = await connected("rds", way);
    expect(await value(client, "select 6 * 7")).toBe("42");
    const sum = await prepare(client, "sum", { sql: "select $1::int + $2 as sum", parameterTypes: [] });
    expect(sum.parameterTypes).toEqual([23, 23]);
    expect((await sum.execute(["20", "22"])).rows).toEqual([["42"]]);
    await expect(query(client, "select 1 / 0")).rejects.toMatchObject({ code: "22012" });
    await expect(query(client, "selec 1")).rejects.toMatchObject({ code: "42601" });
  });

  test("a transaction of the API, with a savepoint", async () => {
    const client = await connected("rds", way);
    await query(client, "create table if not exists books (id int primary key, title text)");
    rdsApi.forget();
    await query(client, "begin");
    expect(rdsApi.open).toBe(true);
    await query(client, "insert into books values (1, 'Middlemarch')");
    await query(client, "savepoint here");
    await expect(query(client, "insert into books values (1, 'again')")).rejects.toMatchObject({
      code: "23505",
    });
    await query(client, "rollback to here");
    expect(await value(client, "select title from books")).toBe("Middlemarch");
    await query(client, "rollback");
    expect(rdsApi.open).toBe(false);
    expect(rdsApi.asked).toContain("BeginTransaction");
    expect(await value(client, "select count(*) from books")).toBe("0");
  });

  test("a client that vanishes leaves no transaction open", async () => {
    const client = await connected("rds", way);
    await query(client, "begin");
    await query(client, "select 1");
    expect(rdsApi.open).toBe(true);
    client.destroy();
    await expect.poll(() => rdsApi.open).toBe(false);
  });
});

describe("rds-data", () => {
  test("a session in a Durable Object sleeps with its settings", async () => {
    const client = await connected("rds", "WebSocket to an object");
    await query(client, "set statement_timeout = '7s'");
    const before = await objects.evicted();
    expect(await value(client, "select current_setting('statement_timeout')")).toBe("7s");
    const now = await objects.last();
    expect([now.id, now.instance === before.instance]).toEqual([before.id, false]);
  });

  test("POST /sql is served", async () => {
    neonConfig.fetchEndpoint = `${worker.url}/sql`;
    const sql = neon("postgres://someone@db.example.com/rds");
    expect(await sql`select ${20}::int + 22 as sum`).toEqual([{ sum: 42 }]);
    rdsApi.forget();
    await expect(sql.transaction([sql`select 1`, sql`select 1 / ${0}::int`])).rejects.toMatchObject({
      code: "22012",
    });
    expect(rdsApi.asked).toContain("BeginTransaction");
    await expect.poll(() => rdsApi.open).toBe(false);
  });

  test("a client that gives up on POST /sql leaves nothing half done", async () => {
    const giveUp = new AbortController();
    rdsApi.forget();
    const request = fetch(`${worker.url}/sql`, {
      method: "POST",
      headers: { "neon-connection-string": "postgres://someone@db.example.com/rds" },
      body: JSON.stringify({
        queries: [
          { query: "create table given_up (a int)", params: [] },
          { query: "select pg_sleep(1)", params: [] },
        ],
      }),
      signal: giveUp.signal,
    }).catch(() => {});
    await expect.poll(() => rdsApi.asked.join(), { timeout: 5_000 }).toContain("pg_sleep");
    giveUp.abort();
    await request;
    await expect.poll(() => rdsApi.open, { timeout: 5_000 }).toBe(false);
    const client = await connected("rds");
    expect(await value(client, "select to_regclass('given_up')::text")).toBe("given_up");
  });
});
