/** Gateways on other runtimes than Node, and tunnels to them, through their command lines. */

import { fileURLToPath } from "node:url";
import { quiet, writeConfig } from "../adapters/cloudflare/wrangler-dev.ts";
import { denoEnvironment, denoPath } from "../adapters/deno/deno-process.ts";
import { freePort } from "../servers/free-port.ts";
import { type Gateway, served } from "./gateway.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Adds what ends it to `stops`, to be called the last one first; the process that clients talk to is the last one. */
export interface Reached {
  readonly url: string;
  /** For a tunnel: its WebSockets. */
  readonly http: string;
}

const local = (port: number): string => `postgresql://postgres@127.0.0.1:${port}/postgres`;

/** `edgewire serve` on Deno, with its embedded default. */
export async function startDeno(): Promise<Gateway & Reached> {
  const [port, http] = [await freePort(), await freePort()];
  const flags = ["--listen", `127.0.0.1:${port}`, "--http", `127.0.0.1:${http}`];
  const args = ["run", "--quiet", "-A", "adapters/deno/cli.ts", "serve", ...flags];
  const gateway = await served(local(port), port, denoPath, args, { cwd: root, env: denoEnvironment });
  return { ...gateway, http: `http://127.0.0.1:${http}` };
}

/** `wrangler dev`, in front of a PostgreSQL server. */
export async function startWrangler(upstream: string): Promise<Gateway & Reached> {
  const [config, http] = [await writeConfig(), await freePort()];
  const address = ["--config", config.configPath, "--ip", "127.0.0.1", "--port", String(http)];
  const vars = ["--var", `EDGEWIRE_DATABASES:postgres=${upstream}`, "--var", "EDGEWIRE_AUTH:trust"];
  const args = ["node_modules/wrangler/bin/wrangler.js", "dev", ...address, ...vars];
  const env = { ...process.env, ...quiet, CI: "true", NO_COLOR: "1" };
  try {
    const { tcpPort } = config;
    const gateway = await served(local(tcpPort), tcpPort, process.execPath, args, { cwd: root, env });
    return {
      ...gateway,
      http: `http://127.0.0.1:${http}`,
      stop: () => gateway.stop().finally(() => config.remove()),
    };
  } catch (error) {
    config.remove();
    throw error;
  }
}

/** `edgewire tunnel` to the WebSockets of a gateway. */
export async function startTunnel(http: string): Promise<Gateway> {
  const port = await freePort();
  const url = http.replace(/^http/, "ws");
  const args = ["adapters/node/cli.ts", "tunnel", url, "--listen", `127.0.0.1:${port}`];
  return await served(local(port), port, process.execPath, args, { cwd: root });
}
