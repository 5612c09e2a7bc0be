// The ways from a Worker to a PostgreSQL server: by TCP with and without TLS, and by Hyperdrive; servers that are not
// there; and back-pressure all the way through.
import { createServer, type Server } from "node:net";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connectUrl } from "../../../adapters/node/connect-url.ts";
import type { Listener } from "../../../adapters/node/listen.ts";
import { serve } from "../../../adapters/node/serve.ts";
import { query } from "../../../src/client/mod.ts";
import { frontendBytes } from "../../wire/bytes.ts";
import { certificateFolder, makeCertificate } from "../node/certificates.ts";
import { type CountingUpstream, countingUpstream } from "../node/counting-upstream.ts";
import { destroyClients, query as queryBytes, RawClient } from "../node/raw-client.ts";
import { type RunningWorker, startWorker } from "./wrangler-dev.ts";

const certificates = certificateFolder();
const listeners: Listener[] = [];
let silent: Server;
let upstream: CountingUpstream;
let worker: RunningWorker;

beforeAll(async () => {
  upstream = countingUpstream();
  const authority = makeCertificate({ names: ["authority"], authority: true });
  // Workers in production trust public authorities only; here ours is one of them.
  process.env.NODE_EXTRA_CA_CERTS = certificates.write("authority", authority).cert;
  const plain = await listening();
  const trusted = await listening(certificates.write("trusted", named("localhost", authority)));
  const other = await listening(certificates.write("other", named("elsewhere.example", authority)));
  const unknown = await listening(certificates.write("unknown", named("localhost")));
  silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port: silentPort } = silent.address() as { port: number };
  const server = (port: number, mode: string, host = "localhost"): string =>
    `postgres://gateway@${host}:${port}/postgres?sslmode=${mode}`;
  const databases: Record<string, string> = {
    plain: server(plain.port, "disable"),
    plain_prefer: server(plain.port, "prefer"),
    plain_require: server(plain.port, "require"),
    trusted_disable: server(trusted.port, "disable"),
    trusted_prefer: server(trusted.port, "prefer"),
    trusted_require: server(trusted.port, "require"),
    trusted_full: server(trusted.port, "verify-full"),
    trusted_address: server(trusted.port, "verify-full", "127.0.0.1"),
    other_prefer: server(other.port, "prefer"),
    other_ca: server(other.port, "verify-ca"),
    unknown_prefer: server(unknown.port, "prefer"),
    unknown_require: server(unknown.port, "require"),
    // Nobody listens on the first port, which needs privileges.
    down: server(1, "disable", "127.0.0.1"),
    unresolved: server(5432, "disable", "no-such-host.invalid"),
    silent: `${server(silentPort, "disable")}&connect_timeout=1`,
    files: `${server(plain.port, "verify-ca")}&sslrootcert=ca.pem`,
    bound: `${server(plain.port, "require")}&channel_binding=require`,
    direct: `${server(plain.port, "require")}&sslnegotiation=direct`,
    pooled: `${server(plain.port, "disable")}&pool_size=5`,
    local: "postgres://gateway@%2Ftmp/postgres",
    hyperdrive: "hyperdrive:PLAIN",
    websocket_down: "postgres+ws://gateway@127.0.0.1:1/postgres",
    websocket_plain: "postgres+ws://gateway@127.0.0.1:1/postgres?sslmode=require",
    nothing: "hyperdrive:NOTHING",
    neon_pooled: "neon://gateway@db.example.com/postgres?pool_size=5",
    neon_local: "neon://gateway@%2Ftmp/postgres",
    rds_arn: "rds-data://eu-west-1/cluster?secret=s",
    rds_nobody: "rds-data://eu-west-1/arn:aws:rds:eu-west-1:1:cluster:books?secret=s",
    supabase_nobody: "supabase://abcdefghijklmnopqrst",
  };
  worker = await startWorker({
    vars: {
      EDGEWIRE_AUTH: "trust",
      EDGEWIRE_DATABASES: Object.entries(databases)
        .map(([name, url]) => `${name}=${url}`)
        .join("\n"),
    },
    config: (toml) =>
      `${toml}\n[[hyperdrive]]\nbinding = "PLAIN"\nid = "0"\nlocalConnectionString = "postgres://gateway:secret@127.0.0.1:${plain.port}/postgres?sslmode=disable"\n`,
  });
});

afterEach(() => destroyClients());

afterAll(async () => {
  await worker?.stop();
  await Promise.all(listeners.map((listener) => listener.close(100)));
  silent?.close();
  certificates.remove();
  delete process.env.NODE_EXTRA_CA_CERTS;
});

async function listening(tls?: { cert: string; key: string }): Promise<Listener> {
  const listener = await serve({ upstream, ...(tls && { tls }) });
  listeners.push(listener);
  return listener;
}

const named = (name: string, issuer?: ReturnType<typeof makeCertificate>) =>
  makeCertificate({ names: [name], ...(issuer && { issuer }) });

async function echo(database: string): Promise<unknown> {
  const connection = await connectUrl(`postgres://client@127.0.0.1:${worker.tcpPort}/${database}`);
  try {
    const [result] = await query(connection, "select hello");
    return result?.rows;
  } finally {
    connection.close();
  }
}

describe("TLS to the server", () => {
  test.each(["plain", "plain_prefer", "trusted_disable"])("%s: none", async (database) => {
    expect(await echo(database)).toEqual([["select hello"]]);
  });

  test.each(["trusted_prefer", "trusted_require", "trusted_full", "trusted_address"])(
    "%s: with a certificate that is valid",
    async (database) => {
      expect(await echo(database)).toEqual([["select hello"]]);
    },
  );

  test.each(["other_prefer", "other_ca", "unknown_prefer", "unknown_require"])(
    "%s: with a certificate for another name, or of an unknown authority, is refused whatever the sslmode",
    async (database) => {
      await expect(echo(database)).rejects.toMatchObject({
        code: "08001",
        message: expect.stringContaining("TLS handshake failed"),
        fields: { hint: expect.stringContaining("signed by a public authority") },
      });
    },
  );

  test("is refused where the server has none and it is required", async () => {
    await expect(echo("plain_require")).rejects.toMatchObject({
      code: "08001",
      message: "server does not support SSL, but SSL was required",
    });
  });
});

describe("a server", () => {
  test.each([
    ["down", "connection to server at 127.0.0.1:1 failed"],
    ["unresolved", "connection to server at no-such-host.invalid:5432 failed"],
    ["silent", "timeout expired"],
    ["websocket_down", "connection to server at ws://127.0.0.1:1/v2 failed"],
  ])("that is %s: 08001", async (database, message) => {
    await expect(echo(database)).rejects.toMatchObject({
      code: "08001",
      message: expect.stringContaining(message),
      fields: { severity: "FATAL" },
    });
  });

  test.each([
    ["files", "Workers have no files"],
    ["bound", "channel_binding=require"],
    ["direct", "sslnegotiation=direct needs ALPN"],
    ["pooled", "pool_size has no meaning on Workers"],
    ["local", "Workers have no Unix sockets"],
    ["websocket_plain", 'sslmode "require" needs postgres+wss://'],
    ["nothing", 'no Hyperdrive binding "NOTHING"'],
    ["neon_pooled", "pool_size has no meaning on Workers"],
    ["neon_local", "a Unix socket is not supported"],
    ["rds_arn", "cluster's ARN"],
    ["rds_nobody", "the secrets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"],
    ["supabase_nobody", "the secret SUPABASE_ACCESS_TOKEN"],
  ])("by a URL that asks for what Workers have not (%s) is refused", async (database, detail) => {
    await expect(echo(database)).rejects.toMatchObject({
      code: "08000",
      fields: { severity: "FATAL", detail: expect.stringContaining(detail) },
    });
  });

  test("is reached by Hyperdrive", async () => {
    expect(await echo("hyperdrive")).toEqual([["select hello"]]);
    await expect.poll(() => upstream.clients.size).toBe(0);
  });
});

describe("back-pressure", () => {
  /** What the kernel's buffers of two connections, and the high-water marks above them, may hold. */
  const slack = 20 * 1024 * 1024;
  /** Rows, or lines, of 1,000 characters that are well beyond that. */
  const many = 40_000;

  const connected = async (): Promise<RawClient> =>
    (await RawClient.connect({ host: "127.0.0.1", port: worker.tcpPort })).login({ database: "plain" });

  test("a client that does not read holds the server back", async () => {
    const client = await connected();
    const before = upstream.counts.rows;
    client.socket.pause();
    client.send(queryBytes(`rows ${many}`));
    await setTimeout(100);
    const made = (await settled(() => upstream.counts.rows)) - before;
    expect(made).toBeGreaterThan(0);
    expect(made * 1_000).toBeLessThan(slack);
    expect(await readUntil(client, `SELECT ${many}`)).toBeGreaterThan(many * 1_000);
    expect(upstream.counts.rows - before).toBe(many);
  });

  test("a server that does not read holds the client back", async () => {
    const client = await connected();
    client.send(queryBytes("copy in slowly"));
    await client.until("CopyInResponse");
    const data = frontendBytes({ type: "CopyData", data: new Uint8Array(64 * 1024) });
    for (let sent = 0; sent < 2 * slack; sent += data.length) client.socket.write(data);
    // It takes 64 KB a millisecond at the most: for long most of it stays with the client.
    await setTimeout(300);
    expect(client.socket.writableLength).toBeGreaterThan(slack / 2);
    client.socket.resetAndDestroy();
    await expect.poll(() => upstream.counts.running).toBe(0);
  });

  /** Reads on, and gives the number of bytes up to the end of `marker`. */
  function readUntil({ socket }: RawClient, marker: string): Promise<number> {
    return new Promise((resolve, reject) => {
      let count = 0;
      let tail = Buffer.alloc(0);
      socket.removeAllListeners("data");
      socket.on("data", (chunk: Buffer) => {
        count += chunk.length;
        tail = Buffer.concat([tail, chunk.subarray(-100)]).subarray(-100);
        if (tail.includes(marker)) resolve(count);
      });
      socket.once("close", () => reject(new Error(`closed after ${count} bytes`)));
      socket.resume();
    });
  }

  /** Waits until a number stands still, and gives it. */
  async function settled(value: () => number): Promise<number> {
    for (let last = -1, same = 0; ; last = value()) {
      await setTimeout(50);
      same = value() === last ? same + 1 : 0;
      if (same === 4) return last;
    }
  }
});
