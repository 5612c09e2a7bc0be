// The listener on Deno, over TCP and Unix sockets: real drivers, sockets that close half of themselves, the cap on
// connections, and close().
import { existsSync, linkSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect as connectSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import postgres from "postgres";
import { afterAll, afterEach, expect, test } from "vitest";
import { frontendBytes } from "../../wire/bytes.ts";
import { certificateFolder, makeCertificate } from "../node/certificates.ts";
import { destroyClients, query, RawClient, sslRequest, startup } from "../node/raw-client.ts";
import { DenoServer, type Remote } from "./deno-process.ts";

const deno = new DenoServer();
const folder = mkdtempSync(join(tmpdir(), "edgewire-deno-"));
const goodbye = "FATAL 57P01: terminating connection due to administrator command";

afterEach(async () => {
  destroyClients();
  await deno.reset();
});

afterAll(async () => {
  await deno.stop();
  rmSync(folder, { recursive: true, force: true });
});

const login = async (remote: Remote): Promise<RawClient> => (await RawClient.connect(remote)).login();

/** Milliseconds that something takes. */
async function timed(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work;
  return performance.now() - start;
}

test("serves pg and postgres.js, and knows their address", async () => {
  const remote = await deno.start();
  const { host, port } = remote;
  const client = new pg.Client({ host, port, user: "tester", database: "any" });
  await client.connect();
  expect((await client.query("select 1")).rows).toEqual([{ sql: "select 1" }]);
  expect(await remote.logins()).toEqual([{ address: "127.0.0.1" }]);
  await client.end();
  const sql = postgres({ host, port, user: "tester", max: 2, fetch_types: false });
  expect(await sql.unsafe("select 1")).toEqual([{ sql: "select 1" }]);
  await sql.end();
  await expect.poll(() => remote.size()).toBe(0);
});

test("asks for passwords", async () => {
  const { host, port } = await deno.start({ users: { tester: "secret" } });
  const client = new pg.Client({ host, port, user: "tester", password: "secret" });
  await client.connect();
  await client.end();
  const wrong = new pg.Client({ host, port, user: "tester", password: "wrong" });
  await expect(wrong.connect()).rejects.toMatchObject({ code: "28P01" });
});

test("answers byte by byte as all at once", async () => {
  const client = await RawClient.connect(await deno.start());
  for (const byte of startup()) client.send(Uint8Array.of(byte));
  await client.until("ReadyForQuery");
  for (const byte of query("select 1")) client.send(Uint8Array.of(byte));
  expect(await client.until("ReadyForQuery")).toHaveLength(4);
});

test("listens on IPv6", async ({ skip }) => {
  const remote = await deno.start({ host: "::1" }).catch(() => skip("this machine has no IPv6"));
  await login(remote);
  expect(await remote.logins()).toEqual([{ address: "::1" }]);
});

test("rejects with Node's code when the address cannot be had", async () => {
  const { port } = await deno.start();
  await expect(deno.start({ port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await expect(deno.start({ host: "192.0.2.1" })).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
});

test("serves CancelRequest", async () => {
  const remote = await deno.start();
  const client = new pg.Client({ host: remote.host, port: remote.port, user: "tester" });
  await client.connect();
  const waiting = client.query("wait");
  await expect.poll(async () => (await remote.counts()).running).toBe(1);
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const canceller = await RawClient.connect(remote);
  const request = Buffer.alloc(16);
  for (const [at, word] of [16, 80877102, processID].entries()) request.writeInt32BE(word, at * 4);
  request.writeInt32BE(secretKey | 0, 12);
  canceller.send(request);
  await expect(waiting).rejects.toMatchObject({ code: "57014" });
  expect(await canceller.end()).toEqual([]);
  await client.end();
});

test("ends a client that does not speak the protocol", async () => {
  const remote = await deno.start();
  const client = await RawClient.connect(remote);
  client.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await client.end();
  await expect.poll(() => remote.size()).toBe(0);
});

// --- clients that close their side, or vanish ---

/** What a client still gets after it closed its own side. PostgreSQL 15 gives the same. */
const halfClosed: [string, Uint8Array[], string[]][] = [
  ["nothing", [], []],
  ["half a startup packet", [startup().subarray(0, 7)], []],
  ["a startup packet", [startup()], ["ready I"]],
  [
    "two queries, the first one slow",
    [startup(), query("wait 50"), query("select 2")],
    ["ready I", "WAIT", "ready I", "RowDescription", "select 2", "SELECT 1", "ready I"],
  ],
  ["half a query", [startup(), query("select 1").subarray(0, 8)], ["ready I"]],
  ["the beginning of a transaction", [startup(), query("begin")], ["ready I", "BEGIN", "ready T"]],
];

test.each(halfClosed)("answers a client that half-closes after %s", async (_, sent, answers) => {
  const remote = await deno.start();
  const client = await RawClient.connect(remote);
  client.send(...sent);
  client.half();
  const got = await client.end();
  const ready = got.findIndex((text) => text.startsWith("ready"));
  expect(ready < 0 ? got : got.slice(ready)).toEqual(answers);
  await client.closed;
  await expect.poll(() => remote.size()).toBe(0);
  const { opened, closed, begun, rolledBack } = await remote.counts();
  expect([closed, rolledBack]).toEqual([opened, begun]);
});

test("cancels the statement of a client that closed its side and did not wait", async () => {
  const remote = await deno.start({ lostClientGrace: 50 });
  const client = await login(remote);
  client.send(query("wait"));
  await expect.poll(async () => (await remote.counts()).running).toBe(1);
  client.half();
  expect(await client.end()).toEqual([]);
  expect(await remote.counts()).toMatchObject({ aborted: 1, running: 0 });
  await expect.poll(() => remote.size()).toBe(0);
});

test("cancels the statement of a client whose connection was reset, at once", async () => {
  const remote = await deno.start({ lostClientGrace: 60_000 });
  const client = await login(remote);
  client.send(query("begin"), query("wait"));
  await expect.poll(async () => (await remote.counts()).running).toBe(1);
  client.socket.resetAndDestroy();
  await expect.poll(async () => (await remote.counts()).closed).toBe(1);
  expect(await remote.counts()).toMatchObject({ aborted: 1, rolledBack: 1, running: 0 });
});

// --- the cap on connections ---

test("tells the client that is one too many so, and lets the next one in when there is room", async () => {
  const remote = await deno.start({ maxConnections: 2 });
  const first = await login(remote);
  const second = await login(remote);
  const third = await RawClient.connect(remote);
  third.send(startup());
  expect(await third.end()).toEqual(["FATAL 53300: sorry, too many clients already"]);
  expect(await remote.size()).toBe(2);
  expect(await second.query("select 1")).toContain("select 1");
  first.destroy();
  await expect.poll(() => remote.size()).toBe(1);
  await login(remote);
});

// --- close() ---

test("tells idle clients at once, and takes no more connections", async () => {
  const remote = await deno.start();
  const clients = await Promise.all([login(remote), login(remote)]);
  const closed = timed(remote.close());
  for (const client of clients) {
    expect(await client.end()).toEqual([goodbye]);
    client.half();
  }
  expect(await closed).toBeLessThan(900);
  expect(await remote.counts()).toMatchObject({ opened: 2, closed: 2 });
  const late = connectSocket(remote.port, remote.host);
  const failure = await new Promise((resolve) => late.once("error", resolve));
  expect(failure).toMatchObject({ code: "ECONNREFUSED" });
});

test("lets a running statement finish", async () => {
  const remote = await deno.start();
  const client = await login(remote);
  client.send(query("wait 200"), query("select 2"));
  await expect.poll(async () => (await remote.counts()).running).toBe(1);
  const closed = remote.close();
  expect(await client.end()).toEqual(["WAIT", "ready I", goodbye]);
  client.half();
  await closed;
  expect(await remote.counts()).toMatchObject({ aborted: 0, closed: 1 });
});

test("ends what does not finish in the time given", async () => {
  const remote = await deno.start();
  const waiting = await login(remote);
  waiting.send(query("wait"));
  const copying = await login(remote);
  copying.send(query("copy in"));
  await copying.until("CopyInResponse");
  const piping = await login(remote);
  piping.send(frontendBytes({ type: "Parse", statement: "", query: "select 1", parameterTypes: [] }));
  await expect.poll(async () => (await remote.counts()).running).toBe(2);
  const closed = timed(remote.close(200));
  for (const client of [waiting, copying, piping]) {
    expect((await client.end()).at(-1)).toBe(goodbye);
    client.half();
  }
  expect(await closed).toBeLessThan(1_100);
  expect(await remote.counts()).toMatchObject({ running: 0, closed: 3 });
});

test("does not wait for clients that neither read nor hang up", async () => {
  const remote = await deno.start();
  const silent = await RawClient.connect(remote);
  const standing = await login(remote);
  const deaf = await login(remote);
  deaf.socket.pause();
  deaf.send(query("rows 100000"));
  await expect.poll(async () => (await remote.counts()).rows).toBeGreaterThan(100);
  expect(await timed(remote.close(100))).toBeLessThan(4_000);
  expect(await standing.end()).toEqual([goodbye]);
  await silent.end();
  expect(await remote.counts()).toMatchObject({ running: 0, closed: 2 });
});

// --- Unix sockets ---

test("listens on a Unix socket, and names the one in a folder as libpq looks for it", async () => {
  const remote = await deno.start({ path: folder, port: 6433 });
  expect(remote).toMatchObject({ host: "", port: 0, path: join(folder, ".s.PGSQL.6433") });
  expect(statSync(remote.path ?? "").mode & 0o777).toBe(0o700);
  const client = new pg.Client({ host: folder, port: 6433, user: "tester" });
  await client.connect();
  expect((await client.query("select 1")).rows).toEqual([{ sql: "select 1" }]);
  expect(await remote.logins()).toEqual([{ address: "[local]" }]);
  await client.end();
  const half = await RawClient.connect(remote);
  half.send(startup(), query("wait 20"), query("select 2"));
  half.half();
  expect((await half.end()).slice(-2)).toEqual(["SELECT 1", "ready I"]);
  await remote.close();
  expect(existsSync(remote.path ?? "")).toBe(false);
});

test("offers no TLS on a Unix socket, as PostgreSQL does not", async () => {
  const certificates = certificateFolder();
  try {
    const tls = certificates.write("server", makeCertificate({ names: ["localhost"] }));
    const remote = await deno.start({ path: join(folder, "plain"), tls, mode: 0o777 });
    expect(statSync(remote.path ?? "").mode & 0o777).toBe(0o777);
    const client = await RawClient.connect(remote);
    client.send(sslRequest);
    expect(Buffer.from(await client.bytes(1)).toString()).toBe("N");
    await client.login();
  } finally {
    certificates.remove();
  }
});

test("replaces the socket of a server that died, and no other file", async () => {
  const stale = join(folder, "stale");
  await leaveBehind(stale);
  expect(existsSync(stale)).toBe(true);
  await login(await deno.start({ path: stale }));
  await expect(deno.start({ path: stale })).rejects.toMatchObject({ code: "EADDRINUSE" });
  const precious = join(folder, "precious");
  writeFileSync(precious, "precious");
  await expect(deno.start({ path: precious })).rejects.toMatchObject({ code: "EADDRINUSE" });
  expect(existsSync(precious)).toBe(true);
  const nowhere = deno.start({ path: join(folder, "missing", "socket") });
  await expect(nowhere).rejects.toMatchObject({ code: "ENOENT" });
});

/** Leaves a socket that nobody listens on. */
async function leaveBehind(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  // Another name for it, which is not removed when it is closed.
  linkSync(path, `${path}.kept`);
  await new Promise((resolve) => server.close(resolve));
  renameSync(`${path}.kept`, path);
}
