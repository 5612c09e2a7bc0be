/** A throw-away certificate authority and a server certificate for 127.0.0.1, made by the openssl command. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../servers/process.ts";

export interface Certificate {
  /** PEM files. */
  authority: string;
  certificate: string;
  key: string;
  remove(): Promise<void>;
}

/**
 * The server's certificate is signed by an authority of its own: rustls refuses a self-signed certificate
 * that is both the root and the end entity, and the clients are to check it in full (sslmode=verify-full).
 */
export async function makeCertificate(): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), "edgewire-certificate-"));
  const file = (name: string) => join(folder, name);
  /** The arguments, none of which has a space. */
  const openssl = async (args: string) => {
    const done = await run("openssl", args.split(" "), { cwd: folder, timeout: 60_000 });
    if (done.code !== 0) throw new Error(`openssl ${args} failed: ${done.stderr.trim()}`);
  };
  const extensions = [
    "basicConstraints=critical,CA:FALSE",
    "extendedKeyUsage=serverAuth",
    "subjectAltName=DNS:localhost,IP:127.0.0.1",
  ];
  await writeFile(file("server.ext"), `${extensions.join("\n")}\n`);
  const key = "-newkey rsa:2048 -nodes -sha256";
  await openssl(`req -x509 ${key} -days 2 -subj /CN=authority -keyout authority.key -out authority.pem`);
  await openssl(`req -new ${key} -subj /CN=localhost -keyout server.key -out server.csr`);
  const signer = "-CA authority.pem -CAkey authority.key -CAcreateserial";
  await openssl(`x509 -req -sha256 -days 2 -in server.csr ${signer} -extfile server.ext -out server.pem`);
  return {
    authority: file("authority.pem"),
    certificate: file("server.pem"),
    key: file("server.key"),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
