// The Worker of wrangler.toml in workerd, as `wrangler dev` runs it: by wrangler's own test harness, with a TCP port for the
// `connect` handler. The configuration is the project's own one, with another port.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestHarness } from "wrangler";
import { freePort } from "../../servers/free-port.ts";

export interface WorkerOptions {
  /** Variables of the Worker, instead of those of wrangler.toml. */
  readonly vars?: Readonly<Record<string, string>>;
  /** Secrets of the Worker, such as EDGEWIRE_USERS. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Rewrites the text of wrangler.toml, for what vars and secrets cannot say. */
  readonly config?: (toml: string) => string;
}

export interface RunningWorker {
  /** Where `connect` listens, on 127.0.0.1. */
  readonly tcpPort: number;
  /** Where `fetch` listens: http://127.0.0.1:port, without a slash at the end. */
  readonly url: string;
  /** wrangler's own handle: Durable Objects (`getWorker().evictDurableObject` …) and what the Worker logged (`getLogs`). */
  readonly harness: TestHarness;
  stop(): Promise<void>;
}

/** No telemetry, no look-up of this machine's place in the world, no log files. */
export const quiet = {
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_WRITE_LOGS: "false",
};

/** The configuration without Durable Objects, for `config`. */
export const withoutObjects = (toml: string): string =>
  toml.replace(/^\[\[durable_objects\.bindings\]\]\n(.+\n)+|^\[\[migrations\]\]\n(.+\n)+/gm, "");

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Bundles and starts the Worker. Nothing of it is kept, and nothing but loopback is asked. */
export async function startWorker(options: WorkerOptions = {}): Promise<RunningWorker> {
  Object.assign(process.env, quiet);
  fetchWebSockets();
  // Late, since it takes a second, and not every test of a file may need it.
  const { createTestHarness } = await import("wrangler");
  const { configPath, tcpPort, remove } = await writeConfig(options.config);
  const harness = createTestHarness({
    root,
    workers: [
      {
        configPath,
        ...(options.vars && { vars: { ...options.vars } }),
        ...(options.secrets && { secrets: { ...options.secrets } }),
      },
    ],
  });
  try {
    const { url } = await harness.listen();
    return {
      tcpPort,
      url: url.origin,
      harness,
      async stop() {
        await harness.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

let fetching = false;

/**
 * wrangler's harness sends what the Worker fetches by this process's `fetch`, and so its WebSockets, which that knows
 * nothing of. The one of miniflare does.
 */
function fetchWebSockets(): void {
  if (fetching) return;
  fetching = true;
  const plain = globalThis.fetch;
  const { fetch: withWebSockets } = createRequire(import.meta.resolve("wrangler"))("miniflare") as {
    fetch: typeof fetch;
  };
  globalThis.fetch = (url, init) => {
    // What comes from the Worker is a Request of miniflare's own.
    const { headers } = (init ?? {}) as { headers?: { get?(name: string): string | null } };
    return headers?.get?.("upgrade") === "websocket" ? withWebSockets(url, init) : plain(url, init);
  };
}

/** The project's configuration in a folder of its own, with a free port. */
export async function writeConfig(
  change: (toml: string) => string = (toml) => toml,
): Promise<{ configPath: string; tcpPort: number; remove(): void }> {
  const tcpPort = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "edgewire-worker-"));
  const configPath = join(folder, "wrangler.toml");
  const toml = change(readFileSync(join(root, "wrangler.toml"), "utf8"))
    .replace(/^main = "(.*)"$/m, (_, main: string) => `main = ${JSON.stringify(join(root, main))}`)
    .replace(/^port = 5432$/m, `port = ${tcpPort}`);
  writeFileSync(configPath, toml);
  return { configPath, tcpPort, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
