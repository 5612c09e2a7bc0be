// `edgewire tunnel` as a process of its own.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { attachWebSockets } from "../../../adapters/node/websocket.ts";
import { trustAuthSource } from "../../../src/auth/mod.ts";
import { certificateFolder, makeCertificate } from "./certificates.ts";
import { CliProcess } from "./cli-process.ts";
import { countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, RawClient } from "./raw-client.ts";
import { closeWebSocketServers, serveWebSockets } from "./websocket-server.ts";

const certificates = certificateFolder();
const authority = makeCertificate({ names: ["edgewire test authority"], authority: true });
const authorityFile = certificates.write("authority", authority).cert;
const files = certificates.write("server", makeCertificate({ names: ["localhost"], issuer: authority }));
const processes: CliProcess[] = [];

afterAll(() => certificates.remove());

afterEach(async () => {
  destroyClients();
  for (const started of processes.splice(0)) started.kill();
  await closeWebSocketServers();
});

async function tunnel(args: readonly string[], environment?: NodeJS.ProcessEnv) {
  const started = CliProcess.start(["tunnel", "--listen", "127.0.0.1:0", ...args], environment);
  processes.push(started);
  const [, port, url] = await started.output(
    /tunnelling 127\.0\.0\.1:(\d+) to (\S+)\. Connect with:\n\n.+\n/,
  );
  return { process: started, url, address: { host: "127.0.0.1", port: Number(port) } };
}

test("carries clients, says how to connect, and lets statements finish at SIGTERM", async () => {
  const upstream = countingUpstream();
  const server = await serveWebSockets(upstream);
  const started = await tunnel([`127.0.0.1:${server.port}`]);
  expect(started.url).toBe(`ws://127.0.0.1:${server.port}/v2`);
  expect(started.process.stdout).toContain(
    `psql postgresql://user@127.0.0.1:${started.address.port}/database\n`,
  );
  const client = await (await RawClient.connect(started.address)).login();
  client.send(query("wait 500"));
  await expect.poll(() => upstream.counts.running).toBe(1);
  started.process.signal("SIGTERM");
  expect(await client.end()).toEqual([
    "WAIT",
    "ready I",
    "FATAL 57P01: terminating connection due to administrator command",
  ]);
  client.half();
  expect(await started.process.finished()).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("edgewire: SIGTERM, ending 1 connection\n"),
    stderr: "",
  });
});

test("speaks wss, sends its headers, and gives TLS to clients", async () => {
  const server = createServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) });
  const seen: unknown[] = [];
  server.on("upgrade", ({ url, headers }) => seen.push([url, headers.authorization, headers["x-door"]]));
  const upstream = countingUpstream();
  const listener = attachWebSockets(server, {
    session: { auth: trustAuthSource(), upstream: () => upstream },
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const { address, url, process } = await tunnel(
    [
      `https://localhost:${port}`,
      "--header",
      "X-Door: open",
      "--tls-cert",
      files.cert,
      "--tls-key",
      files.key,
    ],
    { EDGEWIRE_TUNNEL_TOKEN: "abc", NODE_EXTRA_CA_CERTS: authorityFile },
  );
  expect(url).toBe(`wss://localhost:${port}/v2`);
  expect(process.stdout).toContain("?sslmode=require\n");
  const client = await (await (await RawClient.connect(address)).upgrade()).login();
  expect((await client.query("select 1")).at(-1)).toBe("ready I");
  expect(seen).toEqual([["/v2", "Bearer abc", "open"]]);
  client.destroy();
  await listener.close(100);
  server.closeAllConnections();
  server.close();
});

test("tells of a tunnel that could not be opened, and goes on", async () => {
  const server = await serveWebSockets(countingUpstream(), { origins: [] });
  const { address, process } = await tunnel([server.url, "--header", "Origin: https://x.test"]);
  for (let count = 0; count < 2; count++) {
    const client = await RawClient.connect(address);
    await expect(client.login()).rejects.toThrow("FATAL 08006");
  }
  process.signal("SIGINT");
  const { code, stderr } = await process.finished();
  const line = `edgewire: the tunnel to ${server.url}/v2 could not be opened: HTTP 403 Forbidden: the origin https://x.test may not connect\n`;
  expect([code, stderr]).toEqual([0, line.repeat(2)]);
});

describe("what it does not understand is 2, with a word on it", () => {
  for (const [args, message] of [
    [[], "usage: edgewire tunnel <url> [options]"],
    [["a", "b"], "usage: edgewire tunnel <url> [options]"],
    [["ftp://x"], 'a tunnel leads to wss://host/path, https://host or host, not to "ftp://x"'],
    [["x", "--header", "nothing"], 'a header is "Name: value", not "nothing"'],
    [["x", "--header", "a b: c"], 'Header name must be a valid HTTP token ["a b"]'],
    [["x", "--listen", "x:y"], 'listen is host:port, a port, or the path of a Unix socket, not "x:y"'],
    [
      ["x", "--tls-cert", "a.crt"],
      "TLS needs both a certificate and its key: give --tls-cert file and --tls-key file",
    ],
    [["x", "--nothing"], "Unknown option '--nothing'; see edgewire tunnel --help"],
  ] as const) {
    test(JSON.stringify(args), async () => {
      const { tunnelCommand } = await import("../../../adapters/node/cli-tunnel.ts");
      const caught = await tunnelCommand(args, {}).catch((error: unknown) => error);
      expect(caught).toMatchObject({ name: "ConfigError", message });
    });
  }
});

test("an address that is taken is 1, with a word on what to do", async () => {
  const { port } = await serveWebSockets(countingUpstream());
  const started = CliProcess.start(["tunnel", "localhost", "--listen", `127.0.0.1:${port}`]);
  processes.push(started);
  expect(await started.finished()).toMatchObject({
    code: 1,
    stderr: `edgewire: 127.0.0.1:${port} is already in use. Stop what listens there, or choose another with --listen host:port.\n`,
  });
});
