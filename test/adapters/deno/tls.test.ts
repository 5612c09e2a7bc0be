// TLS on Deno: the upgrade after SSLRequest, direct TLS, certificates of both sides, SNI, reload, and handshakes that fail.
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { connectUrl } from "../../../adapters/node/connect-url.ts";
import type { TlsFiles } from "../../../adapters/node/tls.ts";
import { query as runQuery } from "../../../src/client/mod.ts";
import {
  type Certificate,
  type CertificateFolder,
  certificateFolder,
  makeCertificate,
} from "../node/certificates.ts";
import { destroyClients, query, RawClient, sslRequest, startup, startupBytes } from "../node/raw-client.ts";
import { DenoServer, type Remote } from "./deno-process.ts";
import type { StartOptions } from "./protocol.ts";

let folder: CertificateFolder;
let files: TlsFiles;
let authority: Certificate;
let server: Certificate;
const deno = new DenoServer();

beforeAll(() => {
  folder = certificateFolder();
  authority = makeCertificate({ names: ["test authority"], authority: true });
  server = makeCertificate({ names: ["localhost"], issuer: authority });
  files = { ...folder.write("server", server), ca: folder.write("authority", authority).cert };
});

afterEach(async () => {
  destroyClients();
  await deno.reset();
});

afterAll(async () => {
  await deno.stop();
  folder.remove();
});

const start = (options: StartOptions = {}): Promise<Remote> => deno.start({ tls: files, ...options });

const connect = (remote: Remote): Promise<RawClient> => RawClient.connect(remote);

const upgraded = async (remote: Remote, options: ConnectionOptions = {}): Promise<RawClient> =>
  (await (await connect(remote)).upgrade(options)).login();

const base64 = ({ cert }: Certificate): string => new X509Certificate(cert).raw.toString("base64");

test("upgrades after SSLRequest, and verifies in full", async () => {
  const remote = await start();
  const client = await upgraded(remote, {
    ca: authority.cert,
    rejectUnauthorized: true,
    servername: "localhost",
  });
  expect(client.tls.authorized).toBe(true);
  expect(await client.query("select 1")).toContain("select 1");
  expect(await remote.logins()).toEqual([
    {
      address: "127.0.0.1",
      protocol: "TLSv1.3",
      serverName: "localhost",
      serverCertificate: base64(server),
    },
  ]);
});

test.each(["TLSv1.2", "TLSv1.3"] as const)("speaks %s", async (version) => {
  const client = await upgraded(await start(), { minVersion: version, maxVersion: version });
  expect(client.tls.getProtocol()).toBe(version);
});

test("refuses TLS 1.1", async () => {
  const remote = await start();
  await expect(upgraded(remote, { minVersion: "TLSv1", maxVersion: "TLSv1.1" })).rejects.toThrow();
  await expect.poll(() => remote.size()).toBe(0);
  expect(await remote.errors()).toEqual([]);
});

test("upgrades after GSSENCRequest was refused", async () => {
  const client = await connect(await start());
  client.send(startupBytes({ type: "GSSENCRequest" }));
  expect(Buffer.from(await client.bytes(1)).toString()).toBe("N");
  await (await client.upgrade()).login();
});

test("serves plain clients beside", async () => {
  const remote = await start();
  const client = await (await connect(remote)).login();
  expect(await client.query("select 1")).toContain("select 1");
  expect(await remote.logins()).toEqual([{ address: "127.0.0.1" }]);
});

test("serves pg with SCRAM and channel binding", async () => {
  const { host, port } = await start({ users: { tester: "secret" } });
  const options = { host, port, user: "tester", ssl: { ca: authority.cert } };
  const client = new pg.Client({
    ...options,
    password: "secret",
    enableChannelBinding: true,
  } as pg.ClientConfig);
  await client.connect();
  expect((await client.query("select 1")).rows).toEqual([{ sql: "select 1" }]);
  await client.end();
  const wrong = new pg.Client({ ...options, password: "wrong" });
  await expect(wrong.connect()).rejects.toMatchObject({ code: "28P01" });
});

test.each(["postgres", "direct"])(
  "binds SCRAM to its certificate (sslnegotiation=%s)",
  async (negotiation) => {
    const { host, port } = await start({ users: { tester: "secret" } });
    const url = `postgres://tester:secret@${host}:${port}/any?channel_binding=require&sslmode=require`;
    const connection = await connectUrl(`${url}&sslnegotiation=${negotiation}`);
    expect((await runQuery(connection, "select 1"))[0]?.rows).toEqual([["select 1"]]);
    connection.close();
  },
);

test("serves postgres.js", async () => {
  const { host, port } = await start();
  const ssl = { ca: authority.cert };
  const sql = postgres({ host, port, user: "tester", max: 1, fetch_types: false, ssl });
  expect(await sql.unsafe("select 1")).toEqual([{ sql: "select 1" }]);
  await sql.end();
});

test("takes direct TLS with ALPN", async () => {
  const remote = await start();
  const client = await (await (await connect(remote)).direct()).login();
  expect(await client.query("select 1")).toContain("select 1");
  expect(await remote.logins()).toMatchObject([{ protocol: "TLSv1.3", alpn: "postgresql" }]);
});

test("takes direct TLS whose first record comes byte by byte", async () => {
  const remote = await start();
  const client = await connect(remote);
  const write = client.socket.write.bind(client.socket);
  client.socket.write = ((chunk: Uint8Array, ...rest: never[]) => {
    for (const byte of chunk) write(Uint8Array.of(byte));
    return write(new Uint8Array(), ...rest);
  }) as typeof client.socket.write;
  await (await client.direct()).login();
});

test("does not take SSLRequest inside of direct TLS", async () => {
  const client = await (await connect(await start())).direct();
  client.send(sslRequest);
  expect(await client.end()).toEqual([
    "FATAL 0A000: unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2",
  ]);
});

test("closes direct TLS without ALPN", async () => {
  const remote = await start();
  const client = await (await connect(remote)).direct({ ALPNProtocols: [] });
  client.send(startup());
  expect(await client.end()).toEqual([]);
  await expect.poll(() => remote.size()).toBe(0);
  expect((await remote.counts()).opened).toBe(0);
  expect(await remote.errors()).toEqual([]);
});

test.each(["direct", "upgrade"] as const)("refuses another ALPN protocol (%s)", async (kind) => {
  const remote = await start();
  const client = await connect(remote);
  await expect(client[kind]({ ALPNProtocols: ["http/1.1"] })).rejects.toThrow(
    /no application protocol|disconnected/i,
  );
  await expect.poll(() => remote.size()).toBe(0);
  expect(await remote.errors()).toEqual([]);
});

test("does not understand TLS without a certificate", async () => {
  const remote = await deno.start();
  const direct = await connect(remote);
  await expect(direct.direct()).rejects.toThrow();
  const client = await connect(remote);
  client.send(sslRequest);
  expect(Buffer.from(await client.bytes(1)).toString()).toBe("N");
  await client.login();
  await expect.poll(() => remote.size()).toBe(1);
});

test("refuses what was sent unencrypted behind SSLRequest (CVE-2021-23214)", async () => {
  const client = await connect(await start());
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
  const remote = await start();
  const client = await connect(remote);
  client.send(sslRequest);
  await client.bytes(1);
  fail(client);
  await expect.poll(() => remote.size()).toBe(0);
  expect(await remote.errors()).toEqual([]);
});

test("ends a handshake that takes too long, silently", async () => {
  const remote = await start({ limits: { authenticationTimeout: 200 } });
  const upgrade = await connect(remote);
  upgrade.send(sslRequest);
  await upgrade.bytes(1);
  const direct = await connect(remote);
  direct.send(Buffer.from([0x16]));
  expect(await upgrade.end()).toEqual([]);
  expect(await direct.end()).toEqual([]);
  await expect.poll(() => remote.size()).toBe(0);
  expect(await remote.errors()).toEqual([]);
});

test("ends handshakes when it closes", async () => {
  const remote = await start();
  const upgrade = await connect(remote);
  upgrade.send(sslRequest);
  await upgrade.bytes(1);
  const direct = await connect(remote);
  direct.send(Buffer.from([0x16, 3, 1]));
  await expect.poll(() => remote.size()).toBe(2);
  await setTimeout(50);
  await remote.close(10_000);
  expect(await upgrade.end()).toEqual([]);
  expect(await direct.end()).toEqual([]);
});

test("answers a client that half-closes under TLS", async () => {
  const remote = await start();
  const client = await (await connect(remote)).upgrade();
  client.send(startup(), query("wait 50"), query("select 2"));
  client.half();
  const answers = await client.end();
  expect(answers.slice(-6)).toEqual(["WAIT", "ready I", "RowDescription", "select 2", "SELECT 1", "ready I"]);
  await expect.poll(async () => (await remote.counts()).closed).toBe(1);
});

test("sends a FATAL error before it ends a TLS connection", async () => {
  const remote = await start({ cert: true });
  const client = await (await connect(remote)).upgrade();
  client.send(startup({ user: "someone" }));
  expect(await client.end()).toEqual(["FATAL 28000: connection requires a valid client certificate"]);
});

// --- client certificates ---

/** Options of a client with a certificate for `names`, signed by the authority that the server knows unless told. */
function withCertificate(names: string[], issuer: Certificate = authority): ConnectionOptions {
  const { cert, key } = makeCertificate({ names, issuer });
  return { cert, key };
}

test.each([
  ["direct", "TLSv1.3"],
  ["upgrade", "TLSv1.3"],
  ["upgrade", "TLSv1.2"],
] as const)("lets a client in by its certificate (%s, %s)", async (kind, maxVersion) => {
  const remote = await start({ cert: true });
  const connected = await connect(remote);
  const client = await (await connected[kind]({ ...withCertificate(["tester"]), maxVersion })).login();
  expect(await client.query("select 1")).toContain("select 1");
  expect(await remote.logins()).toMatchObject([{ commonName: "tester" }]);
});

const strangers: [string, string[]][] = [
  ["for somebody else", ["someone"]],
  ["without a name", []],
  ["with two names", ["tester", "someone"]],
  ["with a name that goes on behind a NUL", ["tester\0.example.com"]],
];

test.each(strangers)("does not let a client in by a certificate %s", async (_, names) => {
  const remote = await start({ cert: true });
  const client = await (await connect(remote)).upgrade(withCertificate(names));
  client.send(startup());
  expect(await client.end()).toEqual(['FATAL 28000: certificate authentication failed for user "tester"']);
});

/** Certificates that no authority of the server's stands for: not even where its name is on them. */
const forgeries: [string, () => ConnectionOptions][] = [
  ["of version 1", () => makeCertificate({ names: ["tester"], issuer: authority, version: 1 })],
  [
    "whose time is over",
    () => makeCertificate({ names: ["tester"], issuer: authority, until: "250101000000Z" }),
  ],
  ["that another authority of the same name signed", () => withCertificate(["tester"], other())],
  ["that signs itself", () => makeCertificate({ names: ["tester"] })],
  [
    "that the holder of a certificate signed",
    () => {
      const holder = makeCertificate({ names: ["someone"], issuer: authority });
      const { cert, key } = makeCertificate({ names: ["tester"], issuer: holder });
      return { cert: cert + holder.cert, key };
    },
  ],
];

function other(): Certificate {
  return makeCertificate({ names: ["test authority"], authority: true });
}

test.each(forgeries)("refuses a certificate %s, in the handshake", async (_, forge) => {
  const remote = await start({ cert: true });
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    expect(await refused(remote, { ...forge(), maxVersion })).toEqual([]);
  }
  await expect.poll(() => remote.size()).toBe(0);
  expect((await remote.counts()).opened).toBe(0);
});

/** What a client hears of a server that ends the handshake: in TLS 1.3 it may believe it to be over before. */
async function refused(remote: Remote, options: ConnectionOptions): Promise<string[]> {
  const client = await connect(remote);
  const secure = await client.upgrade(options).catch(() => undefined);
  secure?.send(startup());
  return secure ? secure.end() : [];
}

test("lets a client in whose certificate came with that of an authority between", async () => {
  const between = makeCertificate({ names: ["between"], issuer: authority, authority: true });
  const { cert, key } = makeCertificate({ names: ["tester"], issuer: between });
  const remote = await start({ cert: true });
  await upgraded(remote, { cert: cert + between.cert, key });
  expect(await refused(remote, { cert, key })).toEqual([]);
});

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "does not let a client in by a session from when its certificate was good (%s)",
  async (maxVersion) => {
    const paths = folder.write("trusted", authority);
    const remote = await start({ tls: { ...files, ca: paths.cert }, cert: true });
    const elsewhere = await start({
      tls: { ...files, ca: folder.write("elsewhere", other()).cert },
      cert: true,
    });
    const options = { ...withCertificate(["tester"]), maxVersion };
    const first = await upgraded(remote, options);
    const { tls } = first;
    // In TLS 1.3 a session comes behind the handshake.
    let session = tls.getSession();
    tls.on("session", (later) => {
      session = later;
    });
    await first.query("select 1");
    await upgraded(remote, { ...options, ...(session && { session }) });
    expect(await refused(elsewhere, { ...options, ...(session && { session }) })).toEqual([]);
    folder.write("trusted", other());
    await remote.reload();
    expect(await refused(remote, { ...options, ...(session && { session }) })).toEqual([]);
  },
);

test("refuses clients without a certificate in the handshake where it is required", async () => {
  const remote = await start({ tls: { ...files, requireClientCertificate: true } });
  const without = await (await connect(remote)).upgrade();
  without.send(startup());
  expect(await without.end()).toEqual([]);
  expect((await remote.counts()).opened).toBe(0);
  await (await (await connect(remote)).upgrade(withCertificate(["any"]))).login();
});

test("does not ask for certificates without authorities", async () => {
  const { cert, key } = files;
  const remote = await start({ tls: { cert, key }, cert: true });
  const client = await (await connect(remote)).upgrade(withCertificate(["tester"]));
  client.send(startup());
  expect(await client.end()).toEqual(["FATAL 28000: connection requires a valid client certificate"]);
});

// --- certificates by name, and reload ---

async function servedName(remote: Remote, kind: "direct" | "upgrade", servername: string): Promise<unknown> {
  const client = await (await connect(remote))[kind]({ servername });
  const { subject } = client.tls.getPeerCertificate();
  client.destroy();
  return subject.CN;
}

test.each(["direct", "upgrade"] as const)(
  "chooses the certificate by the name asked for (%s)",
  async (kind) => {
    const own = folder.write("db", makeCertificate({ names: ["db.example.com"], issuer: authority }));
    const wild = folder.write("wild", makeCertificate({ names: ["wild"], issuer: authority }));
    const names = { "db.example.com": own, "*.example.com": wild };
    const remote = await start({ tls: { ...files, names } });
    expect(await servedName(remote, kind, "db.example.com")).toBe("db.example.com");
    expect(await servedName(remote, kind, "DB.Example.com")).toBe("db.example.com");
    expect(await servedName(remote, kind, "other.example.com")).toBe("wild");
    expect(await servedName(remote, kind, "a.b.example.com")).toBe("localhost");
    expect(await servedName(remote, kind, "elsewhere")).toBe("localhost");
    expect(await servedName(remote, kind, "")).toBe("localhost");
  },
);

test("binds SCRAM to the certificate that was chosen by name", async () => {
  const own = makeCertificate({ names: ["db.example.com"], issuer: authority });
  const names = { "db.example.com": folder.write("bound", own) };
  const remote = await start({ tls: { ...files, names } });
  await upgraded(remote, { servername: "db.example.com" });
  expect(await remote.logins()).toMatchObject([
    { serverName: "db.example.com", serverCertificate: base64(own) },
  ]);
});

test("reloads certificates for new connections and keeps what it has if they are unusable", async () => {
  const paths = folder.write("reloaded", makeCertificate({ names: ["before"], issuer: authority }));
  const names = { "db.example.com": folder.write("named", makeCertificate({ names: ["named before"] })) };
  const remote = await start({ tls: { ...paths, names } });
  const standing = await upgraded(remote);
  expect(await servedName(remote, "upgrade", "")).toBe("before");

  folder.write("reloaded", makeCertificate({ names: ["after"], issuer: authority }));
  folder.write("named", makeCertificate({ names: ["named after"] }));
  await remote.reload();
  expect(await servedName(remote, "upgrade", "")).toBe("after");
  expect(await servedName(remote, "direct", "")).toBe("after");
  expect(await servedName(remote, "direct", "db.example.com")).toBe("named after");
  expect(await standing.query("select 1")).toContain("select 1");

  writeFileSync(paths.cert, "not a certificate");
  await expect(remote.reload()).rejects.toThrow("there is no certificate in");
  expect(await servedName(remote, "upgrade", "")).toBe("after");
  expect(await servedName(remote, "direct", "db.example.com")).toBe("named after");
});

test("says at once what is wrong with the files", async () => {
  const stranger = folder.write("stranger", makeCertificate({ names: ["stranger"] }));
  const garbage = folder.write("garbage", { ...server, cert: server.cert.replace(/M/g, "-") });
  const { cert, key } = files;
  const wrong = (tls: TlsFiles): Promise<Remote> => deno.start({ tls });
  await expect(wrong({ cert, key: stranger.key })).rejects.toThrow(/the key in .* does not belong to/);
  await expect(wrong({ cert: `${cert}.missing`, key })).rejects.toThrow(/ENOENT/);
  await expect(wrong({ cert: garbage.cert, key })).rejects.toThrow(/certificate in/);
  await expect(wrong({ cert, key, ca: key })).rejects.toThrow(/there is no certificate in/);
  await expect(wrong({ cert, key, requireClientCertificate: true })).rejects.toThrow(/ca/);
});
