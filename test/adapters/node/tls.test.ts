// TLS: the upgrade after SSLRequest, direct TLS, certificates of both sides, SNI, reload, and handshakes that fail.
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Listener } from "../../../adapters/node/listen.ts";
import { type ServeOptions, serve } from "../../../adapters/node/serve.ts";
import { type TlsFiles, tlsServer } from "../../../adapters/node/tls.ts";
import { type AuthSource, staticAuthSource } from "../../../src/auth/mod.ts";
import {
  type Certificate,
  type CertificateFolder,
  certificateFolder,
  makeCertificate,
} from "./certificates.ts";
import { type CountingUpstream, countingUpstream } from "./counting-upstream.ts";
import { destroyClients, query, RawClient, sslRequest, startup, startupBytes } from "./raw-client.ts";

let folder: CertificateFolder;
let files: TlsFiles;
let authority: Certificate;
let server: Certificate;
const listeners: Listener[] = [];
const stray: unknown[] = [];
const note = (error: unknown): void => void stray.push(error);

beforeAll(() => {
  folder = certificateFolder();
  authority = makeCertificate({ names: ["test authority"], authority: true });
  server = makeCertificate({ names: ["localhost"], issuer: authority });
  files = { ...folder.write("server", server), ca: folder.write("authority", authority).cert };
  process.on("unhandledRejection", note);
  process.on("uncaughtExceptionMonitor", note);
});

afterEach(async () => {
  destroyClients();
  await Promise.all(listeners.splice(0).map((listener) => listener.close(100)));
  expect(stray.splice(0)).toEqual([]);
});

afterAll(() => {
  process.off("unhandledRejection", note);
  process.off("uncaughtExceptionMonitor", note);
  folder.remove();
});

interface Started {
  listener: Listener;
  upstream: CountingUpstream;
  /** What the sessions said of errors. */
  errors: unknown[];
}

async function start(options: Partial<ServeOptions> = {}): Promise<Started> {
  const upstream = countingUpstream();
  const errors: unknown[] = [];
  const onError = (_: unknown, cause: unknown): undefined => void errors.push(cause);
  const listener = await serve({ upstream, tls: files, onError, ...options });
  listeners.push(listener);
  return { listener, upstream, errors };
}

/** TLS as the client sees it once it is logged in. */
async function upgraded(started: Started, options: ConnectionOptions = {}): Promise<RawClient> {
  const client = await RawClient.connect(started.listener);
  return (await client.upgrade(options)).login();
}

const loginTls = ({ upstream }: Started) => [...upstream.clients].map(({ login }) => login.tls);

test("upgrades after SSLRequest, and verifies in full", async () => {
  const started = await start();
  const client = await upgraded(started, {
    ca: authority.cert,
    rejectUnauthorized: true,
    servername: "localhost",
  });
  expect(client.tls.authorized).toBe(true);
  expect(client.tls.getProtocol()).toBe("TLSv1.3");
  expect(await client.query("select 1")).toContain("select 1");
  expect(loginTls(started)).toEqual([
    { protocol: "TLSv1.3", serverName: "localhost", serverCertificate: new X509Certificate(server.cert).raw },
  ]);
});

test.each(["TLSv1.2", "TLSv1.3"] as const)("speaks %s", async (version) => {
  const started = await start();
  const client = await upgraded(started, { minVersion: version, maxVersion: version });
  expect(client.tls.getProtocol()).toBe(version);
});

test("refuses TLS 1.1", async () => {
  const started = await start();
  await expect(upgraded(started, { minVersion: "TLSv1", maxVersion: "TLSv1.1" })).rejects.toThrow();
  await expect.poll(() => started.listener.size).toBe(0);
  expect(started.errors).toEqual([]);
});

test("upgrades after GSSENCRequest was refused", async () => {
  const started = await start();
  const client = await RawClient.connect(started.listener);
  client.send(startupBytes({ type: "GSSENCRequest" }));
  expect(Buffer.from(await client.bytes(1)).toString()).toBe("N");
  await (await client.upgrade()).login();
});

test("serves plain clients beside", async () => {
  const started = await start();
  const client = await (await RawClient.connect(started.listener)).login();
  expect(await client.query("select 1")).toContain("select 1");
  expect(loginTls(started)).toEqual([undefined]);
});

test("answers N without a certificate", async () => {
  const { listener } = await start({ tls: undefined });
  const client = await RawClient.connect(listener);
  client.send(sslRequest);
  expect(Buffer.from(await client.bytes(1)).toString()).toBe("N");
  await client.login();
});

test("serves pg over TLS with SCRAM and channel binding", async () => {
  const started = await start({ auth: staticAuthSource({ tester: "secret" }) });
  const { host, port } = started.listener;
  const client = new pg.Client({
    host,
    port,
    user: "tester",
    password: "secret",
    ssl: { ca: authority.cert, rejectUnauthorized: true },
    enableChannelBinding: true,
  } as pg.ClientConfig);
  await client.connect();
  expect((await client.query("select 1")).rows).toEqual([{ sql: "select 1" }]);
  await client.end();
  const wrong = new pg.Client({ host, port, user: "tester", password: "wrong", ssl: { ca: authority.cert } });
  await expect(wrong.connect()).rejects.toMatchObject({ code: "28P01" });
});

test("serves postgres.js over TLS", async () => {
  const { listener } = await start();
  const sql = postgres({
    host: listener.host,
    port: listener.port,
    user: "tester",
    max: 1,
    fetch_types: false,
    ssl: { ca: authority.cert },
  });
  expect(await sql.unsafe("select 1")).toEqual([{ sql: "select 1" }]);
  await sql.end();
});

test("takes direct TLS with ALPN", async () => {
  const started = await start();
  const client = await (await (await RawClient.connect(started.listener)).direct()).login();
  expect(await client.query("select 1")).toContain("select 1");
  expect(loginTls(started)).toMatchObject([{ protocol: "TLSv1.3", alpn: "postgresql" }]);
});

test("does not take SSLRequest inside of direct TLS", async () => {
  const { listener } = await start();
  const client = await (await RawClient.connect(listener)).direct();
  client.send(sslRequest);
  expect(await client.end()).toEqual([
    "FATAL 0A000: unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2",
  ]);
});

test("closes direct TLS without ALPN", async () => {
  const { listener, upstream, errors } = await start();
  const client = await (await RawClient.connect(listener)).direct({ ALPNProtocols: [] });
  client.send(startup());
  expect(await client.end()).toEqual([]);
  await expect.poll(() => listener.size).toBe(0);
  expect(upstream.counts.opened).toBe(0);
  expect(errors).toEqual([]);
});

test.each(["direct", "upgrade"] as const)("refuses another ALPN protocol (%s)", async (kind) => {
  const { listener, errors } = await start();
  const client = await RawClient.connect(listener);
  await expect(client[kind]({ ALPNProtocols: ["http/1.1"] })).rejects.toThrow(/no application protocol/i);
  await expect.poll(() => listener.size).toBe(0);
  expect(errors).toEqual([]);
});

test("does not understand direct TLS without a certificate", async () => {
  const { listener } = await start({ tls: undefined });
  const client = await RawClient.connect(listener);
  await expect(client.direct()).rejects.toThrow();
  await expect.poll(() => listener.size).toBe(0);
});

test("refuses what was sent unencrypted behind SSLRequest (CVE-2021-23214)", async () => {
  const { listener } = await start();
  const client = await RawClient.connect(listener);
  client.send(sslRequest, startup());
  expect(await client.end()).toEqual(["FATAL 08P01: received unencrypted data after SSL request"]);
});

/** Ends of a handshake: each leaves nothing behind and is no error of the server's. */
const failures: [string, (client: RawClient) => void][] = [
  ["nothing is said", (client) => client.half()],
  ["the client vanishes", (client) => client.socket.resetAndDestroy()],
  ["the client hangs up", (client) => client.destroy()],
  ["garbage is said", (client) => client.send(Buffer.from("this is not a ClientHello, is it?"))],
  ["half a ClientHello is said", (client) => void client.socket.end(Buffer.from("16030102000100", "hex"))],
  ["a startup packet is said", (client) => client.send(startup())],
];

test.each(failures)("ends a handshake in which %s", async (_, fail) => {
  const { listener, errors } = await start();
  const client = await RawClient.connect(listener);
  client.send(sslRequest);
  await client.bytes(1);
  fail(client);
  await expect.poll(() => listener.size).toBe(0);
  expect(errors).toEqual([]);
});

test("ends a handshake that takes too long, silently", async () => {
  const { listener, errors } = await start({ limits: { authenticationTimeout: 100 } });
  const upgrade = await RawClient.connect(listener);
  upgrade.send(sslRequest);
  await upgrade.bytes(1);
  const direct = await RawClient.connect(listener);
  direct.send(Buffer.from([0x16]));
  expect(await upgrade.end()).toEqual([]);
  expect(await direct.end()).toEqual([]);
  await expect.poll(() => listener.size).toBe(0);
  expect(errors).toEqual([]);
});

test("ends handshakes when it closes", async () => {
  const { listener } = await start();
  const upgrade = await RawClient.connect(listener);
  upgrade.send(sslRequest);
  await upgrade.bytes(1);
  const direct = await RawClient.connect(listener);
  direct.send(Buffer.from([0x16, 3, 1]));
  await expect.poll(() => listener.size).toBe(2);
  await setTimeout(50);
  await listener.close(10_000);
  expect(await upgrade.end()).toEqual([]);
  expect(await direct.end()).toEqual([]);
});

test("answers a client that half-closes under TLS", async () => {
  const { listener, upstream } = await start();
  const client = await (await RawClient.connect(listener)).upgrade();
  client.send(startup(), query("wait 50"), query("select 2"));
  client.half();
  const answers = await client.end();
  expect(answers.slice(-6)).toEqual(["WAIT", "ready I", "RowDescription", "select 2", "SELECT 1", "ready I"]);
  await expect.poll(() => upstream.counts.closed).toBe(1);
});

test("sends a FATAL error before it ends a TLS connection", async () => {
  const { listener } = await start({ auth: staticAuthSource({ someone: "secret" }, { method: "cert" }) });
  const client = await (await RawClient.connect(listener)).upgrade();
  client.send(startup({ user: "someone" }));
  expect(await client.end()).toEqual(["FATAL 28000: connection requires a valid client certificate"]);
});

// --- client certificates ---

const byCertificate: AuthSource = { find: () => ({ method: "cert" }) };

/** Options of a client with a certificate for `names`, signed by the authority that the server knows unless told. */
function withCertificate(names: string[], issuer: Certificate = authority): ConnectionOptions {
  const { cert, key } = makeCertificate({ names, issuer });
  return { cert, key };
}

test.each(["direct", "upgrade"] as const)("lets a client in by its certificate (%s)", async (kind) => {
  const started = await start({ auth: byCertificate });
  const connected = await RawClient.connect(started.listener);
  const client = await (await connected[kind](withCertificate(["tester"]))).login();
  expect(await client.query("select 1")).toContain("select 1");
  expect(loginTls(started)).toMatchObject([{ clientCertificate: { commonName: "tester" } }]);
});

const strangers: [string, string[]][] = [
  ["for somebody else", ["someone"]],
  ["without a name", []],
  ["with two names", ["tester", "someone"]],
  ["with a name that goes on behind a NUL", ["tester\0.example.com"]],
];

test.each(strangers)("does not let a client in by a certificate %s", async (_, names) => {
  const started = await start({ auth: byCertificate });
  const client = await (await RawClient.connect(started.listener)).upgrade(withCertificate(names));
  client.send(startup());
  expect(await client.end()).toEqual(['FATAL 28000: certificate authentication failed for user "tester"']);
});

test("does not let the user undefined in by a certificate without a name", async () => {
  const started = await start({ auth: byCertificate });
  const client = await (await RawClient.connect(started.listener)).upgrade(withCertificate([]));
  client.send(startup({ user: "undefined" }));
  expect(await client.end()).toEqual(['FATAL 28000: certificate authentication failed for user "undefined"']);
});

test("refuses a certificate that another authority signed, in the handshake", async () => {
  const { listener, upstream } = await start();
  const other = makeCertificate({ names: ["test authority"], authority: true });
  const client = await (await RawClient.connect(listener)).upgrade(withCertificate(["tester"], other));
  client.send(startup());
  expect(await client.end()).toEqual([]);
  await expect.poll(() => listener.size).toBe(0);
  expect(upstream.counts.opened).toBe(0);
});

test("refuses clients without a certificate in the handshake where it is required", async () => {
  const { listener, upstream } = await start({ tls: { ...files, requireClientCertificate: true } });
  const without = await (await RawClient.connect(listener)).upgrade();
  without.send(startup());
  expect(await without.end()).toEqual([]);
  expect(upstream.counts.opened).toBe(0);
  await (await (await RawClient.connect(listener)).upgrade(withCertificate(["any"]))).login();
});

test("does not ask for certificates without authorities", async () => {
  const { cert, key } = files;
  const started = await start({ tls: { cert, key }, auth: byCertificate });
  const client = await (await RawClient.connect(started.listener)).upgrade(withCertificate(["tester"]));
  client.send(startup());
  expect(await client.end()).toEqual(["FATAL 28000: connection requires a valid client certificate"]);
});

// --- certificates by name, and reload ---

async function servedName(
  listener: Listener,
  kind: "direct" | "upgrade",
  servername: string,
): Promise<unknown> {
  const client = await (await RawClient.connect(listener))[kind]({ servername });
  const { subject } = client.tls.getPeerCertificate();
  client.destroy();
  return subject.CN;
}

test.each(["direct", "upgrade"] as const)(
  "chooses the certificate by the name asked for (%s)",
  async (kind) => {
    const own = folder.write("db", makeCertificate({ names: ["db.example.com"], issuer: authority }));
    const wild = folder.write("wild", makeCertificate({ names: ["wild"], issuer: authority }));
    const { listener } = await start({
      tls: { ...files, names: { "db.example.com": own, "*.example.com": wild } },
    });
    expect(await servedName(listener, kind, "db.example.com")).toBe("db.example.com");
    expect(await servedName(listener, kind, "DB.Example.com")).toBe("db.example.com");
    expect(await servedName(listener, kind, "other.example.com")).toBe("wild");
    expect(await servedName(listener, kind, "a.b.example.com")).toBe("localhost");
    expect(await servedName(listener, kind, "elsewhere")).toBe("localhost");
    expect(await servedName(listener, kind, "")).toBe("localhost");
  },
);

test("binds SCRAM to the certificate that was chosen by name", async () => {
  const own = makeCertificate({ names: ["db.example.com"], issuer: authority });
  const started = await start({ tls: { ...files, names: { "db.example.com": folder.write("bound", own) } } });
  await upgraded(started, { servername: "db.example.com" });
  expect(loginTls(started)).toMatchObject([
    { serverName: "db.example.com", serverCertificate: new X509Certificate(own.cert).raw },
  ]);
});

test("reloads certificates for new connections and keeps what it has if they are unusable", async () => {
  const paths = folder.write("reloaded", makeCertificate({ names: ["before"], issuer: authority }));
  const names = { "db.example.com": folder.write("named", makeCertificate({ names: ["named before"] })) };
  const tls = tlsServer({ ...paths, names });
  const started = await start({ tls });
  const { listener } = started;
  const standing = await upgraded(started);
  expect(await servedName(listener, "upgrade", "")).toBe("before");

  folder.write("reloaded", makeCertificate({ names: ["after"], issuer: authority }));
  folder.write("named", makeCertificate({ names: ["named after"] }));
  tls.reload();
  expect(await servedName(listener, "upgrade", "")).toBe("after");
  expect(await servedName(listener, "direct", "")).toBe("after");
  expect(await servedName(listener, "direct", "db.example.com")).toBe("named after");
  expect(await standing.query("select 1")).toContain("select 1");

  writeFileSync(paths.cert, "not a certificate");
  expect(() => tls.reload()).toThrow();
  expect(await servedName(listener, "upgrade", "")).toBe("after");
  expect(await servedName(listener, "direct", "db.example.com")).toBe("named after");
});

test("says at once what is wrong with the files", () => {
  const other = folder.write("other", makeCertificate({ names: ["other"] }));
  expect(() => tlsServer({ cert: files.cert, key: other.key })).toThrow();
  expect(() => tlsServer({ cert: `${files.cert}.missing`, key: files.key })).toThrow(/ENOENT/);
  expect(() => tlsServer({ cert: files.cert, key: files.key, requireClientCertificate: true })).toThrow(/ca/);
});
