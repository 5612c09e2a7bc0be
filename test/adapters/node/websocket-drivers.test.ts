// Drivers over WebSockets, against the embedded PostgreSQL with passwords: Neon's driver as it connects by default and
// otherwise, and pg through a tunnel.
import type { EventEmitter } from "node:events";
import { Client, neonConfig, Pool } from "@neondatabase/serverless";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { Listener } from "../../../adapters/node/listen.ts";
import { openPglite, type PgliteBackend } from "../../../adapters/node/pglite.ts";
import { openTunnel } from "../../../adapters/node/tunnel.ts";
import { md5Verifier, scramVerifier, staticAuthSource } from "../../../src/auth/mod.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { sharedUpstream } from "../../../src/upstreams/mod.ts";
import { type ServedWebSockets, serveWebSockets } from "./websocket-server.ts";

let backend: PgliteBackend;
let upstream: Upstream;
let server: ServedWebSockets;
let trusting: ServedWebSockets;
let tunnel: Listener;

beforeAll(async () => {
  backend = await openPglite(undefined);
  upstream = sharedUpstream(backend);
  const auth = staticAuthSource({
    scram: await scramVerifier("sesame"),
    md5: md5Verifier("md5", "sesame"),
    plain: "sesame",
  });
  server = await serveWebSockets(upstream, { session: { auth, upstream: () => upstream } });
  trusting = await serveWebSockets(upstream);
  tunnel = await openTunnel({ url: server.url });
}, 120_000);

afterAll(async () => {
  await tunnel?.close(100);
  await Promise.all([server?.close(100), trusting?.close(100)]);
  await upstream?.close?.();
});

/** As somebody sets the driver up who has a proxy of his own. */
function configure(to: ServedWebSockets): void {
  neonConfig.webSocketConstructor = WebSocket;
  neonConfig.wsProxy = (host, port) => `127.0.0.1:${to.port}/v2?address=${host}:${port}`;
  neonConfig.useSecureWebSocket = false;
}

describe("Neon's driver", () => {
  beforeEach(() => {
    neonConfig.pipelineConnect = "password";
    neonConfig.coalesceWrites = true;
    configure(server);
  });

  const url = (user: string, password = "sesame") => `postgres://${user}:${password}@db.example.com/postgres`;

  for (const pipelineConnect of ["password", false] as const) {
    describe(`with pipelineConnect ${pipelineConnect}`, () => {
      beforeEach(() => {
        neonConfig.pipelineConnect = pipelineConnect;
      });

      for (const user of ["scram", "md5", "plain"]) {
        test(`Client, with a password kept as ${user}`, async () => {
          const client = new Client(url(user));
          await client.connect();
          const { rows } = await client.query("select $1::int + 1 as sum, session_user", [41]);
          expect(rows).toEqual([{ sum: 42, session_user: "postgres" }]);
          await client.end();
        });
      }

      test("Pool, with transactions, errors and large results", async () => {
        const pool = new Pool({ connectionString: url("scram"), max: 3 });
        const counts = await Promise.all(
          [1, 2, 3, 4, 5].map(
            async (number) => (await pool.query("select $1::int as n", [number])).rows[0].n,
          ),
        );
        expect(counts).toEqual([1, 2, 3, 4, 5]);
        const client = await pool.connect();
        await client.query("begin");
        await client.query("create table things (id int primary key)");
        await client.query("insert into things values (1)");
        await expect(client.query("insert into things values (1)")).rejects.toMatchObject({ code: "23505" });
        await client.query("rollback");
        expect((await client.query("select to_regclass('things') as found")).rows).toEqual([{ found: null }]);
        const many = await client.query("select repeat('x', 100) as x from generate_series(1, 20000)");
        expect(many.rows).toHaveLength(20_000);
        client.release();
        await pool.end();
      });

      test("a server that trusts everyone takes any password", async () => {
        configure(trusting);
        const client = new Client(url("anybody", "whatever"));
        await client.connect();
        expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
        await client.end();
      });

      test("a wrong password is 28P01", async () => {
        const client = new Client(url("scram", "wrong"));
        const caught = new Promise((resolve) => client.on("error", resolve));
        const failed = Promise.race([caught, client.connect().then(() => client.query("select 1"))]);
        // Pipelined, the driver takes the connection for open, and hears of it with the first query.
        await expect(failed.catch((error) => Promise.reject(error))).rejects.toMatchObject({ code: "28P01" });
      });
    });
  }

  test("its pipelined connect is one frame, and so is one round trip", async () => {
    let frames = 0;
    // Called with `new`, a function that gives an object is as good as a class.
    function Counting(url: string): WebSocket {
      const socket = new WebSocket(url);
      const send = socket.send.bind(socket) as (data: Uint8Array) => void;
      socket.send = (data: unknown) => {
        frames++;
        send(data as Uint8Array);
      };
      return socket;
    }
    neonConfig.webSocketConstructor = Counting as unknown as typeof WebSocket;
    const client = new Client(url("scram"));
    await client.connect();
    expect(frames).toBe(0);
    await client.query("select 1");
    expect(frames).toBe(1);
    await client.end();
  });

  test("without coalesced writes the password comes too late to be taken in place of SCRAM", async () => {
    neonConfig.coalesceWrites = false;
    const client = new Client(url("scram"));
    client.on("error", () => {});
    await client.connect().catch(() => {});
    await expect(client.query("select 1")).rejects.toThrow();
  });
});

describe("pg through a tunnel", () => {
  const config = { user: "scram", password: "sesame", database: "postgres" };

  test("proves itself by SCRAM, and does what it does", async () => {
    const client = new pg.Client({ ...config, host: tunnel.host, port: tunnel.port });
    await client.connect();
    await client.query("create temporary table t as select generate_series(1, 1000) as a");
    expect((await client.query("select sum(a)::int from t")).rows).toEqual([{ sum: 500_500 }]);
    await client.end();
  });

  test("cancels", async () => {
    const client = new pg.Client({ ...config, host: tunnel.host, port: tunnel.port });
    await client.connect();
    const slow = client.query("select pg_sleep(30)").catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // What pg's own cancel() does, which warns of itself.
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: unknown };
    const { connection } = new pg.Client({}) as unknown as {
      connection: EventEmitter & {
        connect(port: number, host: string): void;
        cancel(processID: number, secretKey: unknown): void;
      };
    };
    connection.connect(tunnel.port, tunnel.host);
    connection.once("connect", () => connection.cancel(processID, secretKey));
    expect(await slow).toMatchObject({ code: "57014" });
    await client.end();
  });
});
