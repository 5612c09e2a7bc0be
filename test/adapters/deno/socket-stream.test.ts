// The client half on Deno against servers in this process: TCP, Unix sockets, and what each sslmode lets pass.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Listener } from "../../../adapters/node/listen.ts";
import { type ServeOptions, serve } from "../../../adapters/node/serve.ts";
import type { CertificateFiles } from "../../../adapters/node/tls.ts";
import { staticAuthSource } from "../../../src/auth/mod.ts";
import {
  type Certificate,
  type CertificateFolder,
  type CertificateOptions,
  certificateFolder,
  makeCertificate,
} from "../node/certificates.ts";
import { countingUpstream } from "../node/counting-upstream.ts";
import { DenoServer } from "./deno-process.ts";

const deno = new DenoServer();
const sockets = mkdtempSync(join(tmpdir(), "edgewire-deno-"));
const listeners: Listener[] = [];
let folder: CertificateFolder;
let authority: Certificate;
let root: string;
let certificates = 0;

beforeAll(() => {
  folder = certificateFolder();
  authority = makeCertificate({ names: ["test authority"], authority: true });
  root = folder.write("root", authority).cert;
});

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close(100)));
  await deno.reset();
});

afterAll(async () => {
  await deno.stop();
  folder.remove();
  rmSync(sockets, { recursive: true, force: true });
});

function files(options: Partial<CertificateOptions> = {}): CertificateFiles {
  const certificate = makeCertificate({ names: ["localhost"], issuer: authority, ...options });
  return folder.write(`certificate${certificates++}`, certificate);
}

/** Starts a server and gives the URL of it, without parameters. */
async function start(options: Partial<ServeOptions> = {}): Promise<string> {
  const listener = await serve({ upstream: countingUpstream(), ...options });
  listeners.push(listener);
  return listener.path
    ? `postgres:///any?user=tester&host=${encodeURIComponent(sockets)}&port=6432`
    : `postgres://tester@localhost:${listener.port}/any`;
}

const select = (url: string) => deno.call("query", url, "select 1");

test("connects by TCP and by a Unix socket", async () => {
  const plain = { rows: [["select 1"]] };
  expect(await select(await start())).toEqual(plain);
  expect(await select(await start({ path: sockets, port: 6432 }))).toEqual(plain);
});

test("says where, and why not", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  await expect(select(`postgres://tester@127.0.0.1:${port}/any`)).rejects.toMatchObject({
    code: "08001",
    message: expect.stringMatching(`connection to server at 127.0.0.1:${port} failed: .*refused`),
  });
  await expect(select("postgres://tester@does-not-exist.invalid/any")).rejects.toMatchObject({
    code: "08001",
  });
});

test("gives a server up that does not answer, and one that ends", async () => {
  const silent = createServer();
  const ending = createServer((socket) => socket.destroy());
  for (const server of [silent, ending]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
  const url = (server: typeof silent) => {
    const { port } = server.address() as { port: number };
    return `postgres://tester@127.0.0.1:${port}/any?sslmode=disable&connect_timeout=1`;
  };
  await expect(select(url(silent))).rejects.toMatchObject({ code: "08001", message: "timeout expired" });
  await expect(select(url(ending))).rejects.toMatchObject({ code: "08006" });
  silent.close();
  ending.close();
});

test("takes TLS where the server has it, and needs it where it is asked to", async () => {
  const secure = await start({ tls: files() });
  expect(await select(secure)).toMatchObject({ protocol: "TLSv1.3" });
  expect(await select(`${secure}?sslmode=require`)).toMatchObject({ protocol: "TLSv1.3" });
  expect((await select(`${secure}?sslmode=disable`)).protocol).toBeUndefined();
  const plain = await start();
  expect((await select(plain)).protocol).toBeUndefined();
  await expect(select(`${plain}?sslmode=require`)).rejects.toThrow("server does not support SSL");
});

test("starts TLS directly, too", async () => {
  const url = await start({ tls: files() });
  const direct = `${url}?sslmode=verify-full&sslrootcert=${root}&sslnegotiation=direct`;
  expect(await select(direct)).toMatchObject({ protocol: "TLSv1.3" });
});

/** What passes with `sslmode`, and what is said of what does not. */
const verified: [
  what: string,
  certificate: () => CertificateFiles,
  ca: true | RegExp,
  full: true | RegExp,
][] = [
  ["a certificate of the authority", () => files(), true, true],
  ["one for another name", () => files({ names: ["elsewhere.example"] }), true, /elsewhere\.example/],
  ["one whose time is over", () => files({ until: "250101000000Z" }), /expired|verify/i, /expired|verify/i],
  ["one of nobody", () => selfSigned(), /self|verify/i, /self|verify/i],
  [
    "one of another authority of that name",
    () => files({ issuer: otherAuthority() }),
    /self|verify/i,
    /self|verify/i,
  ],
  ["one of version 1", () => files({ version: 1 }), /version 1/, /version 1|altnames/],
];

function selfSigned(): CertificateFiles {
  return folder.write("self", makeCertificate({ names: ["localhost"] }));
}

function otherAuthority(): Certificate {
  return makeCertificate({ names: ["test authority"], authority: true });
}

test.each(verified)("verifies %s", async (_, certificate, ca, full) => {
  const url = await start({ tls: certificate() });
  expect(await select(`${url}?sslmode=require`)).toMatchObject({ protocol: "TLSv1.3" });
  for (const [mode, passes] of [
    ["verify-ca", ca],
    ["verify-full", full],
  ] as const) {
    const result = select(`${url}?sslmode=${mode}&sslrootcert=${root}`);
    if (passes === true) expect(await result).toMatchObject({ protocol: "TLSv1.3" });
    else
      await expect(result).rejects.toMatchObject({ code: "08001", message: expect.stringMatching(passes) });
  }
});

test("trusts the named authority alone, and none of the system's for it", async () => {
  const url = await start({ tls: files() });
  await expect(select(`${url}?sslmode=verify-full`)).rejects.toMatchObject({ code: "08001" });
  const other = folder.write("other", otherAuthority()).cert;
  await expect(select(`${url}?sslmode=verify-full&sslrootcert=${other}`)).rejects.toMatchObject({
    code: "08001",
  });
});

test("binds SCRAM to the server's certificate, but to none that may be a copy", async () => {
  const auth = staticAuthSource({ tester: "secret" });
  const bound = "?password=secret&sslmode=require&channel_binding=require";
  expect(await select((await start({ tls: files(), auth })) + bound)).toMatchObject({ rows: [["select 1"]] });
  const copied = await start({ tls: files({ version: 1 }), auth });
  await expect(select(copied + bound)).rejects.toThrow(/channel binding/);
});

test("shows its own certificate", async () => {
  const url = await start({ tls: { ...files(), ca: root }, auth: { find: () => ({ method: "cert" }) } });
  const { cert, key } = files({ names: ["tester"] });
  const mode = `${url}?sslmode=verify-full&sslrootcert=${root}`;
  expect(await select(`${mode}&sslcert=${cert}&sslkey=${key}`)).toMatchObject({ rows: [["select 1"]] });
  await expect(select(mode)).rejects.toMatchObject({ code: "28000" });
});

test("does not go on without a file that cannot be used", async () => {
  const url = `${await start({ tls: files() })}?sslmode=require`;
  const { cert, key } = files();
  const garbage = join(sockets, "garbage.pem");
  writeFileSync(garbage, "nothing");
  for (const [parameters, message] of [
    [`&sslrootcert=${garbage}`, "there is no certificate in"],
    [`&sslcert=${cert}&sslkey=${garbage}`, "TLS cannot be started"],
    [`&sslcert=${cert}&sslkey=${files().key}`, "does not belong to the certificate"],
    [`&sslcert=${cert}.missing&sslkey=${key}`, "ENOENT"],
  ]) {
    await expect(select(url + parameters)).rejects.toMatchObject({
      code: "08001",
      message: expect.stringContaining(message as string),
    });
  }
});

test.each(["disable", "require"])(
  "keeps a server waiting that it does not read from (sslmode=%s)",
  async (mode) => {
    const url = await start({ tls: files() });
    const { lines, external } = await deno.call("readSlowly", `${url}?sslmode=${mode}`, 40_000);
    expect(lines).toBe(40_000);
    expect(external).toBeLessThan(20 * 1024 * 1024);
  },
);
