// `edgewire` on Deno as a user runs it, with the embedded PostgreSQL; and the entry for Deno Deploy in front of it.
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { Client as NeonClient, neon, neonConfig } from "@neondatabase/serverless";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { afterAll, beforeAll, expect, test } from "vitest";
import { constantFrames } from "../../../src/wire/mod.ts";
import { freePort } from "../../servers/free-port.ts";
import { type CertificateFolder, certificateFolder, makeCertificate } from "../node/certificates.ts";
import { CliProcess } from "../node/cli-process.ts";
import { startup } from "../node/raw-client.ts";
import { denoEnvironment, denoPath } from "./deno-process.ts";

const processes: CliProcess[] = [];
let certificates: CertificateFolder;
let root: string;
let gateway: CliProcess;
let port: number;
let http: string;
let deployed: string;

function deno(args: readonly string[], environment: NodeJS.ProcessEnv = {}): CliProcess {
  const started = new CliProcess(denoPath, args, { ...denoEnvironment, ...environment });
  processes.push(started);
  return started;
}

const edgewire = (...args: string[]): CliProcess =>
  deno(["run", "--quiet", "-A", "adapters/deno/cli.ts", ...args]);

beforeAll(async () => {
  certificates = certificateFolder();
  const authority = makeCertificate({ names: ["test authority"], authority: true });
  root = certificates.write("root", authority).cert;
  const { cert, key } = certificates.write(
    "server",
    makeCertificate({ names: ["localhost"], issuer: authority }),
  );
  const listen = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
  gateway = edgewire("serve", ...listen, "--tls-cert", cert, "--tls-key", key, "--user", "app:secret");
  port = await gateway.port();
  [, http = ""] = await gateway.output(/HTTP and WebSockets: (\S+)/);
  const upstream = `postgres://app:secret@localhost:${port}/postgres`;
  deployed = `127.0.0.1:${await freePort()}`;
  deno(["run", "-A", "adapters/deno/deploy.ts"], {
    DENO_SERVE_ADDRESS: `tcp:${deployed}`,
    EDGEWIRE_DATABASES: `app=${upstream}?sslmode=verify-full&sslrootcert=${root}&channel_binding=require`,
    EDGEWIRE_USERS: "app:secret",
  });
  await untilHealthy(`http://${deployed}/health`);
  neonConfig.useSecureWebSocket = false;
  neonConfig.webSocketConstructor = WebSocket;
  neonConfig.wsProxy = () => `${deployed}/v2`;
  neonConfig.fetchEndpoint = `http://${deployed}/sql`;
}, 120_000);

afterAll(() => {
  for (const started of processes) started.kill();
  certificates.remove();
});

async function untilHealthy(url: string): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await setTimeout(100)) {
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
  }
  throw new Error(`no answer at ${url}`);
}

async function connect(options: pg.ClientConfig = {}): Promise<pg.Client> {
  const address = { host: "127.0.0.1", port, user: "app", password: "secret", database: "postgres" };
  const client = new pg.Client({ ...address, ...options });
  await client.connect();
  return client;
}

test("serves the embedded PostgreSQL, with and without TLS", async () => {
  for (const ssl of [false, { rejectUnauthorized: false }]) {
    const client = await connect({ ssl });
    const { rows } = await client.query("select current_user, $1::int + 1 as sum", [41]);
    expect(rows).toEqual([{ current_user: "postgres", sum: 42 }]);
    await client.end();
  }
  await expect(connect({ password: "wrong" })).rejects.toMatchObject({ code: "28P01" });
});

test("copies both ways", async () => {
  const client = await connect();
  await client.query("create temp table copied (id int, text text)");
  const lines = Array.from({ length: 20_000 }, (_, id) => `${id}\t${"x".repeat(100)}\n`);
  await pipeline(lines, client.query(copyFrom("copy copied from stdin")));
  let length = 0;
  await pipeline(client.query(copyTo("copy copied to stdout")), async (chunks) => {
    for await (const chunk of chunks) length += chunk.length;
  });
  expect(length).toBe(lines.join("").length);
  await client.end();
});

test("notifies another client", async () => {
  const [listener, notifier] = await Promise.all([connect(), connect()]);
  const heard = new Promise((resolve) => listener.once("notification", resolve));
  await listener.query("listen news");
  await notifier.query("select pg_notify('news', 'hello')");
  expect(await heard).toMatchObject({ channel: "news", payload: "hello" });
  await Promise.all([listener.end(), notifier.end()]);
});

test("cancels a statement", async () => {
  const client = await connect();
  const running = expect(client.query("select pg_sleep(60)")).rejects.toMatchObject({ code: "57014" });
  // A cancel that overtakes its statement has nothing to cancel.
  await setTimeout(300);
  // pg can do it, but its types do not know.
  const canceller = new pg.Client({ host: "127.0.0.1", port }) as unknown as Record<"cancel", Cancel>;
  canceller.cancel(client, (client as unknown as { _activeQuery: unknown })._activeQuery);
  await running;
  await client.end();
});

type Cancel = (client: pg.Client, query: unknown) => void;

test("gives a large result", async () => {
  const client = await connect();
  const { rows } = await client.query("select repeat('x', 1000) as text from generate_series(1, 20000)");
  expect(rows).toHaveLength(20_000);
  await client.end();
});

test("answers HTTP", async () => {
  const unchecked = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  const script = `console.log(await (await fetch("${http}/health")).text())`;
  const asked = new CliProcess(process.execPath, ["--input-type=module", "-e", script], unchecked);
  expect(JSON.parse((await asked.finished()).stdout)).toEqual({ status: "ok" });
});

test("runs a query", async () => {
  const url = `postgres://app:secret@localhost:${port}/postgres?sslmode=verify-full&sslrootcert=${root}`;
  const done = await edgewire("query", url, "select 1 as one").finished();
  expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining(" one \n-----\n   1\n(1 row)\n") });
});

// --- the entry for Deno Deploy ---

test("serves SQL over HTTP on Deno Deploy's entry", async () => {
  expect(await (await fetch(`http://${deployed}/ready`)).json()).toMatchObject({ status: "ready" });
  const sql = neon("postgres://app:secret@db.example/app");
  expect(await sql`select ${"hello"}::text as greeting`).toEqual([{ greeting: "hello" }]);
  await expect(neon("postgres://app:wrong@db.example/app")`select 1`).rejects.toMatchObject({
    code: "28P01",
  });
});

test("serves WebSockets on Deno Deploy's entry", async () => {
  const client = new NeonClient("postgres://app:secret@db.example/app");
  await client.connect();
  expect((await client.query("select $1::int as number", [7])).rows).toEqual([{ number: 7 }]);
  const { rows } = await client.query("select repeat('x', 1000) as text from generate_series(1, 20000)");
  expect(rows).toHaveLength(20_000);
  await client.end();
});

test("is reached through the tunnel, which runs on Deno, too", async () => {
  const tunnel = edgewire("tunnel", `ws://${deployed}/v2`, "--listen", "127.0.0.1:0");
  const [, local] = await tunnel.output(/127\.0\.0\.1:(\d+)/);
  const client = await connect({ port: Number(local), database: "app" });
  expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  await client.end();
  tunnel.signal("SIGTERM");
  expect((await tunnel.finished()).code).toBe(0);
});

test.each([
  [{}, "no database is configured"],
  [{ EDGEWIRE_DATABASES: "app=postgres://h/d" }, "no user is configured"],
  [{ EDGEWIRE_DATABASES: "app=pglite:", EDGEWIRE_USERS: "a:b" }, 'nothing serves here: "pglite:"'],
  [{ EDGEWIRE_DATABASES: "app=postgres://h/d", EDGEWIRE_AUTH: "cert" }, "cannot be cert"],
])("refuses to start on Deno Deploy with %o", async (environment, message) => {
  const { code, stderr } = await deno(["run", "-A", "adapters/deno/deploy.ts"], environment).finished();
  expect(code).toBe(1);
  expect(stderr).toContain(message);
});

// --- starting, and ending ---

test("is what `deno task start` runs, without a package", async () => {
  const { code, stdout } = await deno(["task", "start", "--help"]).finished();
  expect(code).toBe(0);
  expect(stdout).toContain("edgewire serve: serve databases over the PostgreSQL protocol");
});

test("says what is wrong, and exits with 1 or 2", async () => {
  const taken = await edgewire("serve", "--listen", `127.0.0.1:${port}`, "--no-http").finished();
  expect(taken).toMatchObject({ code: 1, stderr: expect.stringContaining("is already in use") });
  const unknown = await edgewire("serve", "--colour", "blue").finished();
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("see edgewire serve --help") });
});

test("ends by SIGTERM at once, also when a client said good-bye while the gateway closed its WebSocket", async () => {
  const database = `none=postgres://127.0.0.1:${await freePort()}/none`;
  const listen = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
  const server = edgewire("serve", "--database", database, ...listen);
  const [, address = ""] = await server.output(/HTTP and WebSockets: http:(\S+)/);
  const socket = new WebSocket(`ws:${address}/v2`);
  socket.addEventListener("open", () => socket.send(startup({ database: "unknown" }).slice()));
  // libpq says Terminate to a server that has refused it, which the gateway gets while it closes.
  socket.addEventListener("message", () => socket.send(constantFrames.terminate.slice()));
  await once(socket, "close");
  server.signal("SIGTERM");
  const signalled = performance.now();
  expect((await server.finished()).code).toBe(0);
  expect(performance.now() - signalled).toBeLessThan(10_000);
});

test("ends by SIGTERM: clients are told, and the exit code is 0", async () => {
  const client = await connect();
  const errors: unknown[] = [];
  client.on("error", (error) => errors.push(error));
  gateway.signal("SIGTERM");
  await expect.poll(() => errors[0]).toMatchObject({ code: "57P01", severity: "FATAL" });
  const { code, stdout } = await gateway.finished();
  expect(code).toBe(0);
  expect(stdout).toMatch(/edgewire: SIGTERM, ending \d+ sessions?\n$/);
});
