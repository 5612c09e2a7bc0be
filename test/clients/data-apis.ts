/** Data APIs to serve, made of what the tests of their upstreams have; each in a process of its own. */

import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { freePort } from "../servers/free-port.ts";
import { start, stop } from "../servers/process.ts";
import { type Gateway, served } from "./gateway.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * What Neon's proxy is: SQL over HTTP and WebSockets, of a gateway of ours.
 *
 * @param database `name=url` of what is behind it; absent: the embedded PGlite
 * @returns the gateway, and the URL to serve
 */
export async function startNeonDouble(database?: string): Promise<{ double: Gateway; upstream: string }> {
  const [port, http] = [await freePort(), await freePort()];
  const password = randomBytes(12).toString("hex");
  const flags = ["--listen", `127.0.0.1:${port}`, "--http", `127.0.0.1:${http}`];
  if (database !== undefined) flags.push("--database", database);
  // A command line can be read by others on this machine.
  const env = { ...process.env, EDGEWIRE_USERS: `postgres:${password}` };
  const command = ["adapters/node/cli.ts", "serve", ...flags];
  const double = await served("", port, process.execPath, command, { cwd: root, env });
  return { double, upstream: `postgres=neon+http://postgres:${password}@127.0.0.1:${http}/postgres` };
}

/** The double of AWS's RDS Data API. */
export interface RdsDataDouble {
  /** The URL to serve, and the credentials it asks for, as variables. */
  readonly upstream: string;
  readonly env: NodeJS.ProcessEnv;
  stop(): Promise<void>;
}

/** `server`: the port of the PostgreSQL server behind it; without one it is the embedded one. */
export async function startRdsDataDouble(server: number | undefined): Promise<RdsDataDouble> {
  const env = {
    AWS_ACCESS_KEY_ID: `AKIA${randomBytes(8).toString("hex").toUpperCase()}`,
    AWS_SECRET_ACCESS_KEY: randomBytes(30).toString("base64"),
    AWS_SESSION_TOKEN: randomBytes(60).toString("base64"),
  };
  const child = start(process.execPath, ["test/clients/rds-data-double.ts", String(server ?? "")], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { promise: url, resolve, reject } = Promise.withResolvers<string>();
  child.once("error", reject);
  child.once("exit", (code, signal) => reject(new Error(`the double ended with ${code ?? signal}`)));
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    const [line, rest] = output.split("\n", 2);
    if (rest !== undefined) resolve(line ?? "");
  });
  return { upstream: `postgres=${await url}`, env, stop: () => stop(child, "SIGTERM", 15_000) };
}
