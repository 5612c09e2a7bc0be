// `npx wrangler dev` itself, as a new user starts it: psql connects to the Worker, whose PostgreSQL is behind a WebSocket.
// (The harness of the other tests sends the Worker's own requests by Node; here it is workerd that sends them.)
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Hono } from "hono";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectUrl } from "../../../adapters/node/connect-url.ts";
import { type HttpListener, listenHttp } from "../../../adapters/node/http.ts";
import { trustAuthSource } from "../../../src/auth/mod.ts";
import { query } from "../../../src/client/mod.ts";
import { type CountingUpstream, countingUpstream } from "../node/counting-upstream.ts";
import { freePort, quiet, writeConfig } from "./wrangler-dev.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Milliseconds for wrangler to start on a busy machine. */
const patience = 50_000;

let upstream: CountingUpstream;
let http: HttpListener;
let wrangler: ChildProcess;
let output = "";
let config: Awaited<ReturnType<typeof writeConfig>>;
let httpPort: number;

beforeAll(async () => {
  upstream = countingUpstream();
  http = await listenHttp(new Hono(), {
    webSockets: { session: { auth: trustAuthSource(), upstream: () => upstream } },
  });
  config = await writeConfig();
  httpPort = await freePort();
  const database = `app=postgres+ws://gateway@127.0.0.1:${http.port}/postgres?ws_path=/any`;
  const args = ["dev", "--config", config.configPath, "--ip", "127.0.0.1", "--port", String(httpPort)];
  const vars = ["--var", `EDGEWIRE_DATABASES:${database}`, "--var", "EDGEWIRE_AUTH:trust"];
  wrangler = spawn(
    process.execPath,
    [join(root, "node_modules/wrangler/bin/wrangler.js"), ...args, ...vars],
    {
      cwd: root,
      env: { ...process.env, ...quiet, CI: "true", NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  for (const stream of [wrangler.stdout, wrangler.stderr]) stream?.on("data", (chunk) => (output += chunk));
  for (const started = Date.now(); !output.includes("Ready on"); await setTimeout(50)) {
    if (wrangler.exitCode !== null || Date.now() - started > patience)
      throw new Error(`no wrangler dev: ${output}`);
  }
});

afterAll(async () => {
  if (wrangler?.exitCode === null) {
    const exited = once(wrangler, "exit");
    wrangler.kill("SIGTERM");
    await exited;
  }
  config?.remove();
  await http?.close(100);
});

const url = (): string => `postgres://client@127.0.0.1:${config.tcpPort}/app`;

test("a client's queries go through the Worker, and a WebSocket, to the server", async () => {
  const connection = await connectUrl(url());
  expect(await query(connection, "select hello")).toMatchObject([{ rows: [["select hello"]] }]);
  // More than a frame both ways.
  const text = `select '${"x".repeat(200_000)}'`;
  expect(await query(connection, text)).toMatchObject([{ rows: [[text]] }]);
  const [rows] = await query(connection, "rows 5000");
  expect(rows?.rows).toHaveLength(5_000);
  connection.close();
  await expect.poll(() => upstream.clients.size).toBe(0);
});

test("psql, too", async (context) => {
  const args = ["-X", "-At", "-c", "select hello", url()];
  try {
    const { stdout } = await promisify(execFile)("psql", args, { timeout: 20_000 });
    expect(stdout).toBe("select hello\n");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    console.log("psql is not installed: not tried with wrangler dev");
    context.skip();
  }
});

test("HTTP is served beside it", async () => {
  const response = await fetch(`http://127.0.0.1:${httpPort}/ready`);
  expect(await response.json()).toMatchObject({ status: "ready" });
});
