/** The wire upstream, and the client under it, against a real PostgreSQL server: everything between psql and it. */
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPostgres } from "../../../adapters/node/postgres.ts";
import { openSocket } from "../../../adapters/node/socket-stream.ts";
import { type Connection, connect, copyIn, type Events, parseUrl, query } from "../../../src/client/mod.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { protocol30, protocol32 } from "../../../src/wire/mod.ts";
import { errorOf } from "../../client/outcome.ts";
import { type TestServer, testServer } from "../../client/server.ts";
import { clientSuite } from "../../client/suite.ts";
import { whyDifferent } from "../../conformance/differences.ts";
import { PostgresTarget } from "../../conformance/postgres-target.ts";
import { SessionTarget } from "../../conformance/session-target.ts";
import { topics } from "../../conformance/transcripts/all.ts";
import { type SecuredPostgres, startSecuredPostgres, users } from "./secured-postgres.ts";

const found: SecuredPostgres | string = await startSecuredPostgres();
if (typeof found === "string") console.log(`the wire upstream against PostgreSQL: not run, ${found}`);
const postgres = found as SecuredPostgres;
const name = typeof found === "string" ? found : `PostgreSQL ${found.version}`;

const login = { user: "postgres", sslMode: "disable" } as const;

/** A gateway before the server. */
interface Front extends TestServer {
  readonly upstream: Upstream;
  connect(events?: Events, parameters?: Record<string, string>): Promise<Connection>;
  close(): Promise<void>;
}

function front(parameters = "sslmode=disable", user = "postgres"): Front {
  const upstream = openPostgres(`postgres://${user}@127.0.0.1:${postgres.port}/postgres?${parameters}`);
  const server = testServer({ upstream });
  return {
    ...server,
    upstream,
    connect: async (events, settings) =>
      connect(await server.open(), { ...login, parameters: settings ?? {} }, events),
    async close() {
      await server.closed();
      await upstream.close?.();
    },
  };
}

async function value(connection: Connection, sql: string): Promise<string> {
  const [result] = await query(connection, sql);
  return String(result?.rows[0]?.[0]);
}

describe.skipIf(typeof found === "string")(name, () => {
  /** A connection of its own, past any gateway. */
  let direct: Connection;

  async function connectTo(url: string): Promise<Connection> {
    const { options, ...address } = parseUrl(url);
    return connect(await openSocket(address), options);
  }

  const url = (user: string, parameters: string, host = "127.0.0.1"): string =>
    `postgres://${user}@${host}:${postgres.port}/postgres?${parameters}`;

  beforeAll(async () => {
    direct = await connectTo(url("postgres", "sslmode=disable"));
    await query(direct, users);
  });

  afterAll(async () => {
    direct.close();
    await postgres.stop();
  });

  test("3.2 is asked for, and what the server speaks is taken", () => {
    expect(direct.protocol).toBe(postgres.version >= 18 ? protocol32 : protocol30);
    expect(direct.secretKey.length).toBe(postgres.version >= 18 ? 32 : 4);
  });

  describe("clients behind the gateway", () => {
    clientSuite(async () => front("pool_size=6&sslmode=disable"));
  });

  describe("transcripts give what they give without the gateway", () => {
    const plain = new PostgresTarget(postgres);
    let gateway: Front;
    let through: SessionTarget;

    beforeAll(() => {
      gateway = front("pool_size=2&sslmode=disable");
      through = new SessionTarget({
        name: "relay",
        upstream: gateway.upstream,
        reset: (setup) => plain.reset(setup),
        close: async () => {},
      });
    });

    afterAll(() => gateway.close());

    for (const [topic, transcripts] of Object.entries(topics)) {
      // The startup is the session's own matter, and so is what sessions do otherwise.
      const played = transcripts.filter(
        (transcript) => topic !== "startup" && whyDifferent(topic, transcript, "relay") === undefined,
      );
      for (const transcript of played) {
        test(`${topic}: ${transcript.name}`, async () => {
          const expected = await plain.play(transcript);
          for (const arrival of transcript.together
            ? (["at once"] as const)
            : (["at once", "byte by byte"] as const)) {
            through.arrival = arrival;
            expect(await through.play(transcript), arrival).toEqual(expected);
          }
        });
      }
    }
  });

  describe("authentication", () => {
    const password = (user: string): string => `${user}:secret`;
    const ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

    test.each([
      ["scram", "sslmode=require&channel_binding=require"],
      ["scram", "sslmode=require&channel_binding=disable"],
      ["hashed", "sslmode=require"],
      ["cleartext", "sslmode=prefer"],
    ])("%s, %s", async (user, parameters) => {
      const connection = await connectTo(url(password(user), parameters));
      expect(await value(connection, "SELECT current_user")).toBe(user);
      expect(await value(connection, ssl)).toBe("t");
      expect(connection.tls?.protocol).toMatch(/^TLSv1\.[23]$/);
      connection.close();
    });

    test.each(["scram", "hashed", "cleartext"])("%s with a wrong password", async (user) => {
      expect(await errorOf(connectTo(url(`${user}:guess`, "sslmode=require")))).toBe(
        `FATAL 28P01 password authentication failed for user "${user}"`,
      );
    });

    test("by a client certificate", async () => {
      const { cert, key } = postgres.client;
      const parameters = `sslmode=require&sslcert=${cert}&sslkey=${key}`;
      const connection = await connectTo(url("certified", parameters));
      expect(await value(connection, "SELECT current_user")).toBe("certified");
      connection.close();
      expect(await errorOf(connectTo(url("certified", "sslmode=require")))).toMatch(/^FATAL 28000 /);
    });

    test("without the TLS that the rules want", async () => {
      expect(await errorOf(connectTo(url(password("scram"), "sslmode=disable")))).toMatch(
        /^FATAL 28000 no pg_hba.conf entry/,
      );
    });

    test("a method that was not allowed", async () => {
      expect(await errorOf(connectTo(url(password("cleartext"), "require_auth=scram-sha-256")))).toMatch(
        /^FATAL 28000 authentication method requirement "scram-sha-256" failed/,
      );
    });
  });

  describe("the server's certificate", () => {
    test("verify-full: authority and name", async () => {
      for (const host of ["localhost", "127.0.0.1"]) {
        const connection = await connectTo(
          url("postgres", `sslmode=verify-full&sslrootcert=${postgres.authority}`, host),
        );
        expect(await value(connection, "SELECT 1")).toBe("1");
        connection.close();
      }
    });

    test("of a stranger is refused by verify-ca and verify-full, and by require with sslrootcert", async () => {
      for (const mode of ["verify-full", "verify-ca", "require"]) {
        expect(
          await errorOf(connectTo(url("postgres", `sslmode=${mode}&sslrootcert=${postgres.stranger}`))),
        ).toMatch(/^FATAL 08001 TLS handshake failed: /);
      }
    });

    test("with an authority's file that is not there", async () => {
      expect(await errorOf(connectTo(url("postgres", "sslmode=verify-full&sslrootcert=/nowhere")))).toMatch(
        /^FATAL 08001 TLS cannot be started: ENOENT/,
      );
    });

    test("direct TLS, which PostgreSQL speaks since 17", async () => {
      const connecting = connectTo(url("postgres", "sslmode=require&sslnegotiation=direct"));
      if (postgres.version >= 17) (await connecting).close();
      else expect(await errorOf(connecting)).toMatch(/^FATAL 08001 TLS handshake failed: /);
    });
  });

  test("a Unix socket", async () => {
    const folder = encodeURIComponent(dirname(postgres.socket));
    const connection = await connectTo(url("postgres", "sslmode=require", folder));
    expect(await value(connection, "SELECT inet_client_addr() IS NULL")).toBe("t");
    connection.close();
  });

  test("SCRAM-SHA-256-PLUS and verify-full from the gateway to the server, cancel too", async () => {
    const gateway = front(
      `sslmode=verify-full&sslrootcert=${postgres.authority}&channel_binding=require`,
      "scram:secret",
    );
    const client = await gateway.connect();
    expect(await value(client, "SELECT current_user")).toBe("scram");
    const running = errorOf(query(client, "SELECT pg_sleep(60)"));
    await setTimeout(100);
    for (const session of gateway.sessions) session.end();
    expect(await running).toMatch(/08006/);
    await gateway.closed();
    await untilGone("usename = 'scram'");
    await gateway.close();
  });

  test("the gateway's wrong password is not told as the client's", async () => {
    const gateway = front("sslmode=require", "scram:guess");
    expect(await errorOf(gateway.connect())).toBe(
      "FATAL 08001 the gateway could not log in to the database server",
    );
    await gateway.close();
  });

  /** Waits until no other backend meets the condition. */
  async function untilGone(condition: string): Promise<void> {
    const sql = `SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND ${condition}`;
    for (let tries = 0; tries < 100; tries++) {
      if ((await value(direct, sql)) === "0") return;
      await setTimeout(50);
    }
    throw new Error(`there still is a backend: ${condition}`);
  }

  describe("pooled connections", () => {
    const pid = "SELECT pg_backend_pid()";

    test("are used again, with nothing of the last client", async () => {
      const gateway = front();
      const one = await gateway.connect();
      const first = await value(one, pid);
      await query(
        one,
        "SET search_path = nowhere; CREATE TEMP TABLE left_over(); LISTEN left_over; SELECT pg_advisory_lock(7); " +
          "PREPARE left_over AS SELECT 1; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET ROLE scram",
      );
      one.close();
      await gateway.closed();
      const two = await gateway.connect();
      expect(await value(two, pid)).toBe(first);
      const state =
        "SELECT concat_ws(' ', current_setting('search_path'), to_regclass('pg_temp.left_over')," +
        " (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_prepared_statements)," +
        " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), current_setting('transaction_read_only')," +
        " current_user)";
      expect(await value(two, state)).toBe("public 0 0 0 off postgres");
      two.close();
      await gateway.close();
    });

    test("RESET and DISCARD come back to the settings of the client's startup", async () => {
      const gateway = front();
      const client = await gateway.connect({}, { application_name: "mine", options: "-c work_mem=3MB" });
      await query(client, "SET application_name = 'other'; SET work_mem = '5MB'");
      await query(client, "DISCARD ALL");
      expect(await value(client, "SHOW application_name")).toBe("mine");
      expect(await value(client, "SHOW work_mem")).toBe("3MB");
      client.close();
      await gateway.close();
    });

    test("a setting that the server refuses", async () => {
      const gateway = front();
      expect(await errorOf(gateway.connect({}, { nosuch: "1" }))).toBe(
        'FATAL 42704 unrecognized configuration parameter "nosuch"',
      );
      expect(await errorOf(gateway.connect({}, { DateStyle: "x" }))).toMatch(/^FATAL 22023 /);
      await gateway.close();
    });

    test("another client_encoding passes through", async () => {
      const gateway = front();
      const client = await gateway.connect({}, { client_encoding: "LATIN1" });
      expect(client.parameters.get("client_encoding")).toBe("LATIN1");
      // An umlaut is one byte, which is no UTF-8.
      expect(await errorOf(query(client, "SELECT U&'\\00fc'"))).toMatch(/^ERROR 22021 /);
      client.close();
      await gateway.close();
    });

    test("that the server ends while idle are noticed", async () => {
      const gateway = front("sslmode=disable&application_name=victim");
      const one = await gateway.connect();
      const first = await value(one, pid);
      one.close();
      await gateway.closed();
      await query(direct, `SELECT pg_terminate_backend(${first})`);
      await untilGone("application_name = 'victim'");
      await setTimeout(50);
      const two = await gateway.connect();
      expect(await value(two, pid)).not.toBe(first);
      two.close();
      await gateway.close();
    });

    test("are bounded, and waited for", async () => {
      const gateway = front("sslmode=disable&pool_size=2");
      const [one, two] = await Promise.all([gateway.connect(), gateway.connect()]);
      const three = gateway.connect();
      await setTimeout(50);
      one?.close();
      expect(await value(await three, "SELECT 'served'")).toBe("served");
      two?.close();
      (await three).close();
      await gateway.close();
    });
  });

  describe("the server ends a client's connection", () => {
    test("while idle, and while a statement runs: 57P01, once", async () => {
      const gateway = front();
      for (const sql of [undefined, "SELECT pg_sleep(60)"]) {
        const ended = Promise.withResolvers<unknown>();
        const client = await gateway.connect({ onClose: (error) => ended.resolve(error?.fields) });
        const pid = await value(client, "SELECT pg_backend_pid()");
        const running = sql === undefined ? undefined : errorOf(query(client, sql));
        await setTimeout(50);
        await query(direct, `SELECT pg_terminate_backend(${pid})`);
        const text = "terminating connection due to administrator command";
        expect(await ended.promise).toMatchObject({ severity: "FATAL", code: "57P01", message: text });
        if (running) expect(await running).toBe(`FATAL 57P01 ${text}`);
      }
      await gateway.close();
    });
  });

  describe("a client that dies", () => {
    const marked = "sslmode=disable&application_name=dying";

    test.each([
      ["in a transaction", "BEGIN; LOCK pg_class IN ACCESS SHARE MODE"],
      ["in a failed transaction", "BEGIN; SELECT 1/0"],
      ["while a statement runs", "SELECT pg_sleep(60)"],
      ["while rows stream", "SELECT repeat('x', 1000) FROM generate_series(1, 10000000)"],
      ["in COPY TO STDOUT", "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 10000000)) TO STDOUT"],
    ])("%s", async (_, sql) => {
      const gateway = front(marked);
      const stream = await gateway.open();
      const client = await connect(stream, login);
      query(client, sql).catch(() => {});
      await setTimeout(100);
      stream.destroy();
      await gateway.closed();
      await untilGone("application_name = 'dying'");
      await gateway.close();
    });

    test("in COPY FROM STDIN: nothing of it stays", async () => {
      const gateway = front(marked);
      await query(direct, "CREATE TABLE copied(a text)");
      const stream = await gateway.open();
      const client = await connect(stream, login);
      async function* source() {
        yield "x\n".repeat(20_000);
        await new Promise(() => {});
      }
      copyIn(client, "COPY copied FROM STDIN", source()).catch(() => {});
      await setTimeout(100);
      stream.destroy();
      await gateway.closed();
      await untilGone("application_name = 'dying'");
      expect(await value(direct, "SELECT count(*) FROM copied")).toBe("0");
      await query(direct, "DROP TABLE copied");
      await gateway.close();
    });
  });
});
