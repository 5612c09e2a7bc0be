/** Starts and stops gateway processes through the command line, as a user would. */

import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { freePort } from "../servers/free-port.ts";
import { start, stop } from "../servers/process.ts";
import { untilReady } from "../servers/ready.ts";
import type { Certificate } from "./certificate.ts";

const cli: string = fileURLToPath(new URL("../../adapters/node/cli.ts", import.meta.url));

export interface Gateway {
  /** What the client programs connect to. */
  url: string;
  /** The end of what the process wrote, for the detail of a failure. */
  output(): string;
  /** SIGTERM, which drains; resolves to the exit code, or to the signal that had to be used. */
  stop(): Promise<number | string | null>;
}

export interface GatewayOptions {
  /** `name=url` of the served database; absent: the command line's default, the embedded PGlite. */
  database?: string;
  /** With a certificate, the password is asked for with SCRAM and the URL checks the certificate in full. */
  login?: { user: string; password: string; certificate: Certificate };
  /** Environment variables besides its own. */
  env?: NodeJS.ProcessEnv;
}

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const port = await freePort();
  const flags = ["--listen", `127.0.0.1:${port}`];
  if (options.database !== undefined) flags.push("--database", options.database);
  let url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  if (options.login !== undefined) {
    const { user, password, certificate } = options.login;
    flags.push("--user", `${user}:${scramVerifier(password)}`);
    flags.push("--tls-cert", certificate.certificate, "--tls-key", certificate.key);
    url = tlsUrl(port, user, password, certificate);
  }
  const env = { ...process.env, ...options.env };
  return await served(url, port, process.execPath, [cli, "serve", "--no-http", ...flags], { env });
}

/**
 * Starts a process and waits until a startup packet is answered on the port.
 *
 * @param url what the client programs connect to
 */
export async function served(
  url: string,
  port: number,
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Gateway> {
  const child = start(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-8192);
    });
  }
  try {
    await untilReady(child, port, 60_000);
  } catch (error) {
    throw new Error(`the gateway did not start: ${(error as Error).message}\n${output}`);
  }
  return {
    url,
    output: () => output,
    stop: async () => {
      await stop(child, "SIGTERM", 15_000);
      return child.exitCode ?? child.signalCode;
    },
  };
}

export function tlsUrl(port: number, user: string, password: string, certificate: Certificate): string {
  const root = encodeURIComponent(certificate.authority);
  return `postgresql://${user}:${password}@127.0.0.1:${port}/postgres?sslmode=verify-full&sslrootcert=${root}`;
}

/** A stored password as in pg_authid: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey` (RFC 5803). */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const keyed = (text: string) => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(keyed("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${keyed("Server Key").toString("base64")}`;
}
