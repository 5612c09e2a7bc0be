// Unix sockets: PostgreSQL's names, what a dead server left, permissions.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Listener } from "../../../adapters/node/listen.ts";
import { type ServeOptions, serve } from "../../../adapters/node/serve.ts";
import { psqlAddress } from "../../../adapters/node/unix-socket.ts";
import { certificateFolder, makeCertificate } from "./certificates.ts";
import { type CountingUpstream, countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, RawClient, sslRequest, startup } from "./raw-client.ts";

let folder: string;
const listeners: Listener[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "edgewire-unix-"));
});

afterEach(async () => {
  destroyClients();
  await Promise.all(listeners.splice(0).map((listener) => listener.close(100)));
  rmSync(folder, { recursive: true, force: true });
});

async function start(
  options: Partial<ServeOptions>,
): Promise<{ listener: Listener; upstream: CountingUpstream }> {
  const upstream = countingUpstream();
  const listener = await serve({ upstream, ...options });
  listeners.push(listener);
  return { listener, upstream };
}

test("listens on a path, and removes it at the end", async () => {
  const path = join(folder, "edgewire.sock");
  const { listener, upstream } = await start({ path });
  expect(listener).toMatchObject({ path, host: "", port: 0 });
  const client = await (await RawClient.connect(listener)).login();
  expect(await client.query("select 1")).toContain("select 1");
  expect([...upstream.clients].map(({ login }) => login.address)).toEqual(["[local]"]);
  await listener.close(100);
  expect(existsSync(path)).toBe(false);
});

test("names the socket in a folder as libpq looks for it", async () => {
  const { listener } = await start({ path: folder, port: 6433 });
  expect(listener.path).toBe(join(folder, ".s.PGSQL.6433"));
  const client = new pg.Client({ host: folder, port: 6433, user: "tester" });
  await client.connect();
  expect((await client.query("select 1")).rows).toEqual([{ sql: "select 1" }]);
  await client.end();
  const sql = postgres({ path: listener.path ?? "", user: "tester", max: 1, fetch_types: false });
  expect(await sql.unsafe("select 1")).toEqual([{ sql: "select 1" }]);
  await sql.end();
});

test("takes PostgreSQL's port for a folder without one", async () => {
  const { listener } = await start({ path: folder });
  expect(listener.path).toBe(join(folder, ".s.PGSQL.5432"));
});

test("knows what psql is to be told", () => {
  expect(psqlAddress("/run/edgewire/.s.PGSQL.6432")).toEqual({ folder: "/run/edgewire", port: 6432 });
  expect(psqlAddress("/.s.PGSQL.6432")).toEqual({ folder: "/", port: 6432 });
  expect(psqlAddress("/run/edgewire.sock")).toBeUndefined();
});

test("is for its own user unless told otherwise", async () => {
  const own = await start({ path: join(folder, "own") });
  const all = await start({ path: join(folder, "all"), mode: 0o777 });
  const mode = ({ listener }: { listener: Listener }) => statSync(listener.path ?? "").mode & 0o777;
  expect(mode(own)).toBe(0o700);
  expect(mode(all)).toBe(0o777);
});

test("replaces the socket of a server that died", async () => {
  const path = join(folder, "stale");
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const dead = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(dead.stdout, "data");
  dead.kill("SIGKILL");
  await once(dead, "exit");
  expect(existsSync(path)).toBe(true);
  const { listener } = await start({ path });
  await (await RawClient.connect(listener)).login();
});

test("leaves the socket of a living server alone", async () => {
  const path = join(folder, "live");
  const { listener } = await start({ path });
  await expect(start({ path })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await (await RawClient.connect(listener)).login();
});

test("leaves a file that is no socket alone", async () => {
  const path = join(folder, "file");
  writeFileSync(path, "precious");
  await expect(start({ path })).rejects.toMatchObject({ code: "EADDRINUSE" });
  expect(existsSync(path)).toBe(true);
});

test("fails where no socket can be", async () => {
  await expect(start({ path: join(folder, "missing", "socket") })).rejects.toThrow(/ENOENT|EACCES/);
});

test("offers no TLS, as PostgreSQL does not on Unix sockets", async () => {
  const certificates = certificateFolder();
  try {
    const tls = certificates.write("server", makeCertificate({ names: ["localhost"] }));
    const { listener } = await start({ path: join(folder, "plain"), tls });
    const client = await RawClient.connect(listener);
    client.send(sslRequest);
    expect(Buffer.from(await client.bytes(1)).toString()).toBe("N");
    await client.login();
  } finally {
    certificates.remove();
  }
});

test("answers a client that half-closes", async () => {
  const { listener, upstream } = await start({ path: join(folder, "half") });
  const client = await RawClient.connect(listener);
  client.send(startup(), query("wait 20"), query("select 2"));
  client.half();
  expect((await client.end()).slice(-4)).toEqual(["RowDescription", "select 2", "SELECT 1", "ready I"]);
  await expect.poll(() => upstream.counts.closed).toBe(1);
});
