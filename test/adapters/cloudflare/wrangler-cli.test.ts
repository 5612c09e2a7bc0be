// `npx wrangler dev` itself, as a new user starts it: psql connects to the Worker, whose databases are behind a WebSocket,
// and behind Neon's protocol with TLS.
// (The harness of the other tests sends the Worker's own requests by Node; here it is workerd that sends them.)
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectUrl } from "../../../adapters/node/connect-url.ts";
import { type HttpListener, listenHttp } from "../../../adapters/node/http.ts";
import { openSocket } from "../../../adapters/node/socket-stream.ts";
import { cancel, query } from "../../../src/client/mod.ts";
import { createGateway } from "../../../src/gateway/mod.ts";
import { createApp } from "../../../src/http/mod.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { freePort } from "../../servers/free-port.ts";
import { certificateFolder, makeCertificate } from "../node/certificates.ts";
import { type CountingUpstream, countingUpstream } from "../node/counting-upstream.ts";
import { quiet, writeConfig } from "./wrangler-dev.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Milliseconds for wrangler to start on a busy machine. */
const patience = 50_000;

let upstream: CountingUpstream;
const certificates = certificateFolder();
const listeners: HttpListener[] = [];
let wrangler: ChildProcess;
let output = "";
let config: Awaited<ReturnType<typeof writeConfig>>;
let httpPort: number;

beforeAll(async () => {
  upstream = countingUpstream();
  const authority = makeCertificate({ names: ["authority"], authority: true });
  // Workers in production trust public authorities only; here ours is one of them.
  const { cert: trusted } = certificates.write("authority", authority);
  const localhost = makeCertificate({ names: ["localhost"], issuer: authority });
  const plain = await listening(upstream);
  const secure = await listening(statements, certificates.write("localhost", localhost));
  const own = makeCertificate({ names: ["localhost"] });
  const unknown = await listening(statements, certificates.write("own", own));
  config = await writeConfig();
  httpPort = await freePort();
  const databases = [
    `app=postgres+ws://gateway@127.0.0.1:${plain.port}/postgres?ws_path=/any`,
    `neon=neon://gateway@localhost:${secure.port}/postgres`,
    `untrusted=neon://gateway@localhost:${unknown.port}/postgres`,
    // Nobody listens on the first port, which needs privileges.
    "down=neon+http://gateway@127.0.0.1:1/postgres",
  ].join(" ");
  const args = ["dev", "--config", config.configPath, "--ip", "127.0.0.1", "--port", String(httpPort)];
  const vars = ["--var", `EDGEWIRE_DATABASES:${databases}`, "--var", "EDGEWIRE_AUTH:trust"];
  wrangler = spawn(
    process.execPath,
    [join(root, "node_modules/wrangler/bin/wrangler.js"), ...args, ...vars],
    {
      cwd: root,
      env: { ...process.env, ...quiet, NODE_EXTRA_CA_CERTS: trusted, CI: "true", NO_COLOR: "1" },
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
  await Promise.all(listeners.map((listener) => listener.close(100)));
  certificates.remove();
});

/** A gateway as Neon's double: SQL over HTTP, and WebSockets. */
async function listening(served: Upstream, tls?: { cert: string; key: string }): Promise<HttpListener> {
  const gateway = createGateway(
    { databases: new Map([["*", "test:"]]), users: new Map() },
    { test: () => served },
  );
  const listener = await listenHttp(createApp({ gateway }), {
    webSockets: { session: gateway.sessionsOver("websocket") },
    ...(tls && { tls }),
  });
  listeners.push(listener);
  return listener;
}

/** What was begun, ended, or given up; a text with `never` in it has no end of its own. */
const done: string[] = [];
const statements: Upstream = {
  connect: ({ login }) => ({
    query({ sql }, { signal }) {
      if (!sql.includes("never")) return { type: "rows", columns: [{ name: "text" }], rows: [[sql]] };
      done.push("waiting");
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          done.push("given up");
          reject(signal.reason);
        });
      });
    },
    begin: () => void done.push(`begin of ${login.user}`),
    commit: () => void done.push("commit"),
    rollback: () => void done.push("rollback"),
  }),
};

const address = { host: "127.0.0.1", rootCertificate: undefined, certificate: undefined, key: undefined };

const url = (database = "app"): string => `postgres://client@127.0.0.1:${config.tcpPort}/${database}`;

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

describe("neon", () => {
  test("is asked over HTTPS, and by a WebSocket with TLS in a transaction", async () => {
    const connection = await connectUrl(url("neon"));
    expect(await query(connection, "select 'hello'")).toMatchObject([{ rows: [["select 'hello'"]] }]);
    expect(done).toEqual([]);
    await query(connection, "begin");
    expect(await query(connection, "select 'there'")).toMatchObject([{ rows: [["select 'there'"]] }]);
    await query(connection, "commit");
    expect(done).toEqual(["begin of gateway", "commit"]);
    connection.close();
  });

  test("a statement over HTTP that is cancelled is given up", async () => {
    const connection = await connectUrl(url("neon"));
    done.length = 0;
    const statement = query(connection, "select 'never'").catch((error: unknown) => error);
    await expect.poll(() => done).toEqual(["waiting"]);
    await cancel(await openSocket({ ...address, port: config.tcpPort }), connection);
    expect(await statement).toMatchObject({ code: "57014" });
    await expect.poll(() => done).toEqual(["waiting", "given up"]);
    connection.close();
  });

  test.each([
    ["whose certificate is of an unknown authority", "untrusted"],
    ["that is not there", "down"],
  ])("an endpoint %s is 08006, for Workers do not tell whether a request was sent", async (_, database) => {
    await expect(connectUrl(url(database))).rejects.toMatchObject({
      code: "08006",
      fields: { severity: "FATAL" },
    });
  });
});

test("psql, too", async (context) => {
  try {
    for (const database of ["app", "neon"]) {
      const args = ["-X", "-At", "-c", "select 'hello'", url(database)];
      const { stdout } = await promisify(execFile)("psql", args, { timeout: 20_000 });
      expect(stdout).toBe("select 'hello'\n");
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    console.log("psql is not installed: not tried with wrangler dev");
    context.skip();
  }
});

test("HTTP is served beside it", async () => {
  const response = await fetch(`http://127.0.0.1:${httpPort}/ready`);
  expect(await response.json()).toMatchObject({
    status: "not ready",
    databases: [
      { name: "app", ready: true },
      { name: "neon", ready: true },
      { name: "untrusted", ready: false },
      { name: "down", ready: false },
    ],
  });
});
