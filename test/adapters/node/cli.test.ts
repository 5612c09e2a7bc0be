// The command line, as processes. Databases that are opened only for their first client stand in for PGlite where none is
// needed: it takes seconds to start.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import pg from "pg";
import { afterAll, afterEach, expect, test } from "vitest";
import { serve as runServer } from "../../../adapters/node/serve.ts";
import { certificateFolder, makeCertificate } from "./certificates.ts";
import { CliProcess } from "./cli-process.ts";
import { countingUpstream } from "./counting-upstream.ts";
import { RawClient } from "./raw-client.ts";

const folder = mkdtempSync(join(tmpdir(), "edgewire-cli-"));
const certificates = certificateFolder();
const running: CliProcess[] = [];
const lazy = "postgres=postgres://nobody:topsecret@127.0.0.1:1/none";

afterEach(() => {
  for (const child of running.splice(0)) child.kill();
});
afterAll(() => {
  certificates.remove();
  rmSync(folder, { recursive: true, force: true });
});

function start(args: readonly string[], environment?: NodeJS.ProcessEnv): CliProcess {
  const child = CliProcess.start(args, environment);
  running.push(child);
  return child;
}

/** On free ports; HTTP only where a test asks for it, as the default port may be another one's. */
const serve = (...args: string[]): CliProcess =>
  start(["serve", "--listen", "127.0.0.1:0", ...(args.includes("--http") ? [] : ["--no-http"]), ...args]);

/** Waits for the banner, and gives the address of HTTP in it. */
async function httpAddress(child: CliProcess): Promise<string> {
  const [, address = ""] = await child.output(/^HTTP and WebSockets: (https?:\/\/\S+)\n/m);
  return address;
}

const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));

test.each<[string[], number, RegExp, RegExp]>([
  [["--version"], 0, new RegExp(`^edgewire ${version}\n$`), /^$/],
  [["--help"], 0, /edgewire serve \[options\]/, /^$/],
  [[], 2, /edgewire serve \[options\]/, /^$/],
  [["serve", "--help"], 0, /--listen <host:port>/, /^$/],
  [["query", "--help"], 0, /edgewire query postgres:\/\//, /^$/],
  [["serve", "--prot", "1"], 2, /^$/, /^edgewire: Unknown option '--prot'; see edgewire serve --help\n$/],
  [["start"], 2, /^$/, /^edgewire: there is no command "start"/],
  [["serve", "--database", "a=oracle:x"], 2, /^$/, /"oracle:" \(known: .*pglite:, .*postgres:/],
  [["serve", "--tls-cert", "missing.crt", "--tls-key", "missing.key"], 1, /^$/, /missing\.crt.*no such file/],
])("edgewire %j", async (args, code, stdout, stderr) => {
  const finished = await start(args).finished();
  expect(finished.stdout).toMatch(stdout);
  expect(finished.stderr).toMatch(stderr);
  expect(finished.code).toBe(code);
});

test("says so at once when the port is taken", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  const { code, stdout, stderr } = await start(["serve", "--listen", `127.0.0.1:${port}`]).finished();
  other.close();
  expect(stderr).toBe(
    `edgewire: 127.0.0.1:${port} is already in use. Stop what listens there, or choose another with --listen host:port.\n`,
  );
  expect(stdout).toBe("");
  expect(code).toBe(1);
});

test("says so when the port of HTTP is taken: an error for one that was asked for, a line for the default", async () => {
  const { address, close } = await taken(8080);
  const asked = await start(["serve", "--listen", "127.0.0.1:0", "--http", address]).finished();
  expect(asked.stderr).toBe(
    `edgewire: ${address} is already in use. Stop what listens there, or choose another with --http host:port.\n`,
  );
  expect(asked.code).toBe(1);
  const child = start(["serve", "--listen", "127.0.0.1:0", "--database", lazy]);
  await child.port();
  await child.output(/^no HTTP and WebSockets: 127\.0\.0\.1:8080 is already in use; see --http$/m);
  close();
});

/** A port of loopback that nobody else can have now, whether another one had it before or not. */
async function taken(port: number): Promise<{ address: string; close(): void }> {
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.once("error", () => resolve());
    other.listen(port, "127.0.0.1", resolve);
  });
  return { address: `127.0.0.1:${port}`, close: () => other.close() };
}

test("serves HTTP, and ends it with the rest", async () => {
  const child = serve("--http", "127.0.0.1:0", "--database", lazy);
  const address = await httpAddress(child);
  expect(await (await fetch(`${address}/health`)).json()).toEqual({ status: "ok" });
  const answer = await fetch(`${address}/sql`, {
    method: "POST",
    headers: { "neon-connection-string": "postgres://me@h/postgres" },
    body: JSON.stringify({ query: "select 1" }),
  });
  expect(answer.status).toBe(500);
  expect(await answer.json()).toMatchObject({ code: "08001" });
  child.signal("SIGTERM");
  expect(await child.finished()).toMatchObject({ code: 0, stderr: "" });
  await expect(fetch(`${address}/health`)).rejects.toThrow();
});

test("says how to connect, without passwords", async () => {
  const child = serve("--database", lazy, "--database", "*=postgres://h/d", "--user", "app:secret");
  const port = await child.port();
  expect(child.stdout).toBe(
    [
      `edgewire is listening on 127.0.0.1:${port}. Connect with:`,
      "",
      `  psql postgresql://app@127.0.0.1:${port}/postgres    (postgres://nobody:…@127.0.0.1:1/none)`,
      `  psql postgresql://app@127.0.0.1:${port}/postgres    (postgres://h/d)`,
      "",
      "",
    ].join("\n"),
  );
  child.signal("SIGINT");
  expect(await child.finished()).toMatchObject({ code: 0, stderr: "" });
});

test("warns where everyone is trusted, and reads settings from a file", async () => {
  const config = join(folder, "config.json");
  writeFileSync(config, JSON.stringify({ listen: "127.0.0.1:0", databases: { app: "postgres://h/d" } }));
  const child = start(["serve", "--config", config, "--no-http"]);
  const port = await child.port();
  expect(child.stdout).toContain(`psql postgresql://postgres@127.0.0.1:${port}/app`);
  await child.output(/everyone who can reach this address is trusted/);
});

test("listens on a Unix socket where psql looks for it, for its own user", async () => {
  const child = start(["serve", "--listen", `${folder}:6999`, "--database", lazy, "--no-http"]);
  await child.output(new RegExp(`psql -h ${folder} -p 6999 -U postgres postgres`));
  const path = join(folder, ".s.PGSQL.6999");
  expect(statSync(path).mode & 0o777).toBe(0o700);
  const client = await RawClient.connect({ host: "", port: 0, path });
  client.destroy();
  child.signal("SIGTERM");
  expect((await child.finished()).code).toBe(0);
});

test("reads certificates again on SIGHUP", async () => {
  const paths = certificates.write("cli", makeCertificate({ names: ["before"] }));
  const tls = ["--tls-cert", paths.cert, "--tls-key", paths.key];
  const child = serve("--database", lazy, ...tls, "--http", "127.0.0.1:0");
  const port = await child.port();
  const https = new URL(await httpAddress(child));
  expect(https.protocol).toBe("https:");
  expect(await servedName(Number(https.port))).toBe("before");
  expect(child.stdout).toContain("/postgres?sslmode=require");
  expect(await servedName(port)).toBe("before");
  writeFileSync(paths.cert, "no certificate");
  child.signal("SIGHUP");
  await expect.poll(() => child.stderr).toMatch(/the certificate was not read again/);
  expect(await servedName(port)).toBe("before");
  certificates.write("cli", makeCertificate({ names: ["after"] }));
  child.signal("SIGHUP");
  await child.output(/the certificate was read again/);
  expect(await servedName(port)).toBe("after");
  expect(await servedName(Number(https.port))).toBe("after");
});

function servedName(port: number): Promise<unknown> {
  const ALPNProtocols = ["postgresql", "http/1.1"];
  const options = { port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols };
  const socket = connectTls(options);
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

test("puts itself before a server, and does not wait after a second signal", async () => {
  const upstream = countingUpstream();
  const behind = await runServer({ upstream });
  const child = serve("--database", `app=postgres://me@127.0.0.1:${behind.port}/any?sslmode=disable`);
  const client = new pg.Client({ host: "127.0.0.1", port: await child.port(), user: "me", database: "app" });
  client.on("error", () => {});
  await client.connect();
  expect((await client.query("select 1")).rows).toEqual([{ sql: "select 1" }]);
  client.query("wait").catch(() => {});
  await expect.poll(() => upstream.counts.running).toBe(1);
  child.signal("SIGTERM");
  await child.output(/SIGTERM, ending 1 session\n/);
  // Within a second it would be the same signal, as Ctrl-C under npm brings it twice.
  child.signal("SIGTERM");
  await setTimeout(1_100);
  child.signal("SIGTERM");
  expect((await child.finished()).code).toBe(143);
  await behind.close(0);
});

test("serves PGlite: SCRAM, --trace, and SIGTERM that lets statements finish", {
  timeout: 90_000,
}, async () => {
  const child = serve("--user", "app:hush", "--trace");
  const port = await child.port();
  const options = { host: "127.0.0.1", port, user: "app", password: "hush", database: "postgres" };
  const wrong = new pg.Client({ ...options, password: "wrong" });
  await expect(wrong.connect()).rejects.toMatchObject({ code: "28P01" });
  const missing = new pg.Client({ ...options, database: "missing" });
  await expect(missing.connect()).rejects.toMatchObject({ code: "3D000" });

  const idle = new pg.Client(options);
  const busy = new pg.Client(options);
  const errors: unknown[] = [];
  idle.on("error", (error) => errors.push(error));
  busy.on("error", () => {});
  await Promise.all([idle.connect(), busy.connect()]);
  await idle.query("select 'idle'");
  const answer = busy.query("select pg_sleep(1)::text, 'done' as state");
  await child.output(/Query\t "select pg_sleep/);
  child.signal("SIGTERM");
  await expect.poll(() => errors[0], { timeout: 5_000 }).toMatchObject({ code: "57P01" });
  expect((await answer).rows).toEqual([{ pg_sleep: "", state: "done" }]);
  const { code, stdout, stderr } = await child.finished();
  expect(code).toBe(0);
  expect(stderr).toBe("");
  expect(stdout).toContain("edgewire: SIGTERM, ending 2 sessions");
  expect(stdout).toMatch(/^3\tB\t\d+\tReadyForQuery\t I$/m);
  expect(stdout).toMatch(/^1\tF\t\d+\tSASLInitialResponse\t/m);
  expect(stdout).not.toContain("hush");
});

test("npm start keeps a folder of data from one run to the next", { timeout: 120_000 }, async () => {
  const run = async (sql: string): Promise<unknown> => {
    const data = join(folder, "data");
    const args = ["start", "--", "--listen", "127.0.0.1:0", "--no-http", "--database", `app=pglite:${data}`];
    const child = new CliProcess("npm", args);
    running.push(child);
    const port = await child.port();
    const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres", database: "app" });
    await client.connect();
    const { rows } = await client.query(sql);
    await client.end();
    child.signal("SIGTERM");
    await child.output(/edgewire: (SIGTERM|npm has ended), ending 0 sessions/);
    await child.finished();
    return rows;
  };
  await run("create table kept as select 42 as answer");
  expect(await run("select * from kept")).toEqual([{ answer: 42 }]);
});
