// The gateway in workerd, as `wrangler dev` runs it, over a PostgreSQL that the adapter for Node serves: clients over TCP.
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connectUrl } from "../../../adapters/node/connect-url.ts";
import { openSocket } from "../../../adapters/node/socket-stream.ts";
import { scramVerifier } from "../../../src/auth/mod.ts";
import { type Connection, cancel, query } from "../../../src/client/mod.ts";
import { destroyClients, query as queryBytes, RawClient, sslRequest, startup } from "../node/raw-client.ts";
import { startUpstream, type UpstreamServer } from "./upstream.ts";
import { type RunningWorker, startWorker } from "./wrangler-dev.ts";

let upstream: UpstreamServer;
let worker: RunningWorker;
const clients: pg.Client[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
  worker = await startWorker({
    vars: {
      EDGEWIRE_DATABASES: [
        `app=postgres://gateway@127.0.0.1:${upstream.port}/postgres?sslmode=disable`,
        // Nobody listens on the first port, which needs privileges.
        "down=postgres://gateway@127.0.0.1:1/postgres",
        "silent=postgres://gateway@127.0.0.1:1/postgres?sslrootcert=ca.pem",
      ].join("\n"),
    },
    secrets: {
      EDGEWIRE_USERS: [
        `alice:${await scramVerifier("wonder")}`,
        `strong:${await scramVerifier("wonder", { iterations: 200_000 })}`,
        "bob:builder",
      ].join(" "),
    },
  });
});

afterEach(async () => {
  destroyClients();
  await Promise.all(clients.splice(0).map((client) => client.end()));
});

afterAll(async () => {
  await worker?.stop();
  await upstream?.stop();
});

const url = (user = "alice:wonder", database = "app"): string =>
  `postgres://${user}@127.0.0.1:${worker.tcpPort}/${database}`;

async function connected(user?: string, database?: string): Promise<pg.Client> {
  const client = new pg.Client(url(user, database));
  clients.push(client);
  await client.connect();
  return client;
}

/** The socket below a client of pg. */
const streamOf = (client: pg.Client): Socket =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

const raw = (): Promise<RawClient> => RawClient.connect({ host: "127.0.0.1", port: worker.tcpPort });

describe("logging in", () => {
  test("SSLRequest is answered N, and the client may go on in the clear", async () => {
    const client = await raw();
    client.send(sslRequest);
    expect([...(await client.bytes(1))]).toEqual([0x4e]);
    client.send(startup({ user: "alice", database: "app" }));
    expect(await client.until("AuthenticationSASL")).toHaveLength(1);
  });

  test("by SCRAM-SHA-256, with a verifier and with a plain password", async () => {
    for (const user of ["alice:wonder", "bob:builder"]) {
      const client = await connected(user);
      expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    }
  });

  test("by a verifier of more iterations than Workers derive, since a proof needs none", async () => {
    const connection = await connectUrl(url("strong:wonder"));
    expect(await query(connection, "select 2 as two")).toMatchObject([{ rows: [["2"]] }]);
    connection.close();
    // In production a password that is sent could not be checked.
    expect(worker.harness.getLogs().map(({ message }) => message)).toEqual([
      expect.stringContaining('the verifier of user "strong" has 200000 iterations'),
    ]);
  });

  test("fails with a wrong password, an unknown user, an unknown database", async () => {
    await expect(connectUrl(url("alice:wrong"))).rejects.toMatchObject({ code: "28P01" });
    await expect(connectUrl(url("mallory:wonder"))).rejects.toMatchObject({ code: "28P01" });
    await expect(connectUrl(url("alice:wonder", "nowhere"))).rejects.toMatchObject({ code: "3D000" });
  });

  test("to a server that is down fails with 08001", async () => {
    await expect(connectUrl(url("alice:wonder", "down"))).rejects.toMatchObject({
      code: "08001",
      message: expect.stringContaining("connection to server at 127.0.0.1:1 failed"),
    });
  });

  test("to a URL that Workers cannot follow fails, and says why", async () => {
    await expect(connectUrl(url("alice:wonder", "silent"))).rejects.toMatchObject({
      code: "08000",
      fields: { detail: expect.stringContaining("Workers have no files for sslrootcert") },
    });
  });
});

describe("sessions", () => {
  test("one after the other and at the same time have connections of their own", async () => {
    for (const _ of [1, 2]) {
      const client = await connected();
      await client.query("create temp table own (a int)");
      await client.end();
      clients.pop();
    }
    const many = await Promise.all(Array.from({ length: 5 }, () => connected()));
    const answers = await Promise.all(many.map((client, at) => client.query("select $1::int as at", [at])));
    expect(answers.map(({ rows }) => rows[0].at)).toEqual([0, 1, 2, 3, 4]);
    await Promise.all(clients.splice(0).map((client) => client.end()));
    await expect.poll(() => upstream.size).toBe(0);
  });

  test("keep what a session keeps: settings, prepared statements, transactions", async () => {
    const client = await connected();
    await client.query("set application_name = 'worker'");
    await client.query("begin");
    await client.query({ name: "p", text: "select current_setting('application_name') as name" });
    const { rows } = await client.query({ name: "p", text: "" });
    expect(rows).toEqual([{ name: "worker" }]);
    await expect(client.query("select 1/0")).rejects.toMatchObject({ code: "22012" });
    await expect(client.query("select 1")).rejects.toMatchObject({ code: "25P02" });
    await client.query("rollback");
  });

  test("end their upstream's connection with a client that vanishes", async () => {
    await expect.poll(() => upstream.size).toBe(0);
    const client = await connected("bob:builder");
    expect(upstream.size).toBe(1);
    clients.pop();
    client.on("error", () => {});
    streamOf(client).destroy();
    await expect.poll(() => upstream.size).toBe(0);
  });

  test("answer a client that has closed its side", async () => {
    const client = await connected();
    // Which knows of no query.
    client.on("error", () => {});
    const stream = streamOf(client);
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.end(queryBytes("select 'last' || ' word' from pg_sleep(0.2)"));
    await once(stream, "close");
    clients.pop();
    expect(Buffer.concat(chunks).toString("latin1")).toContain("last word");
  });

  test("take nonsense for what it is", async () => {
    const client = await raw();
    client.send(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
    expect(await client.end()).toEqual(["FATAL 08P01: invalid length of startup packet"]);
  });
});

describe("streams", () => {
  test("COPY goes both ways", async () => {
    const client = await connected();
    await client.query("create temp table lines (line text)");
    const rows = 20_000;
    const input = client.query(copyFrom("copy lines from stdin"));
    const line = `${"x".repeat(99)}\n`;
    for (let at = 0; at < rows; at += 100) {
      if (!input.write(line.repeat(100))) await once(input, "drain");
    }
    input.end();
    await once(input, "finish");
    expect((await client.query("select count(*)::int as count from lines")).rows).toEqual([{ count: rows }]);
    const output = client.query(copyTo("copy lines to stdout"));
    let bytes = 0;
    for await (const chunk of output) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(rows * line.length);
  });

  test("a large result comes whole to a slow reader", async () => {
    const client = await connected();
    const stream = streamOf(client);
    const megabytes = [1, 20, 1, 1];
    const sizes = megabytes.map((size) => `(${size})`).join();
    const answer = client.query(
      `select repeat('x', size * 1024 * 1024) as x from (values ${sizes}) as v (size)`,
    );
    await setTimeout(20);
    stream.pause();
    await setTimeout(500);
    stream.resume();
    const { rows } = await answer;
    expect(rows.map(({ x }) => x.length / 1024 / 1024)).toEqual(megabytes);
  });

  test("NOTIFY reaches who LISTENs, in another invocation", async () => {
    const [listener, sender] = [await connected(), await connected("bob:builder")];
    const received: pg.Notification[] = [];
    listener.on("notification", (notification) => received.push(notification));
    await listener.query("listen news");
    await sender.query("notify news, 'hello'");
    await expect
      .poll(() => received.map(({ channel, payload }) => [channel, payload]))
      .toEqual([["news", "hello"]]);
  });
});

describe("cancelling", () => {
  async function slow(protocol: string): Promise<{ connection: Connection; answer: Promise<unknown> }> {
    const parameters = `?max_protocol_version=${protocol}&min_protocol_version=${protocol}`;
    const connection = await connectUrl(`${url()}${parameters}`);
    const answer = query(connection, "select pg_sleep(60)").catch((error: unknown) => error);
    return { connection, answer };
  }

  test.each(["3.0", "3.2"])("a statement by a key of protocol %s", async (protocol) => {
    const { connection, answer } = await slow(protocol);
    await setTimeout(200);
    await cancel(await openSocket(address()), connection);
    expect(await answer).toMatchObject({ code: "57014" });
    // It may be cancelled more than once in its life.
    const again = query(connection, "select pg_sleep(60)").catch((error: unknown) => error);
    await setTimeout(200);
    await cancel(await openSocket(address()), connection);
    expect(await again).toMatchObject({ code: "57014" });
    connection.close();
  });

  test("by a wrong key does nothing", async () => {
    const { connection, answer } = await slow("3.0");
    const wrong = { processId: connection.processId, secretKey: new Uint8Array(4) };
    await cancel(await openSocket(address()), wrong);
    const state = await Promise.race([answer, setTimeout(300, "running")]);
    expect(state).toBe("running");
    await cancel(await openSocket(address()), connection);
    await answer;
    connection.close();
  });

  const address = () => ({
    host: "127.0.0.1",
    port: worker.tcpPort,
    rootCertificate: undefined,
    certificate: undefined,
    key: undefined,
  });
});

describe("a Worker without its configuration", () => {
  test.each([
    { why: "no databases", vars: {}, log: "set EDGEWIRE_DATABASES" },
    {
      why: "no users",
      vars: { EDGEWIRE_DATABASES: "app=postgres://gateway@127.0.0.1:1/postgres" },
      log: "set the secret EDGEWIRE_USERS, or EDGEWIRE_AUTH=trust",
    },
  ])("for want of $why refuses every client, and logs what is missing", async ({ vars, log }) => {
    const bare = await startWorker({ vars });
    try {
      const refused = connectUrl(`postgres://alice:wonder@127.0.0.1:${bare.tcpPort}/app`);
      await expect(refused).rejects.toMatchObject({
        code: "F0000",
        message: "the gateway is not configured",
      });
      expect(bare.harness.getLogs().map(({ message }) => message)).toEqual([expect.stringContaining(log)]);
      expect(await (await fetch(`${bare.url}/health`)).json()).toEqual({ status: "ok" });
      const ready = await fetch(`${bare.url}/ready`);
      expect(ready.status).toBe(503);
    } finally {
      await bare.stop();
    }
  });
});
