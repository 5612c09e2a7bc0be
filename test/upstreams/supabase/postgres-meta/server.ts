/**
 * The real postgres-meta, from npm. It is no dependency of the package's: with what it needs itself it is 200 MB, so it is
 * installed beside this file, as its lock file says, by the first test that asks for it.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../../clients/port.ts";
import { run, start, stop } from "../../../clients/process.ts";

const folder = import.meta.dirname;
const program = "node_modules/@supabase/postgres-meta/dist/server/server.js";

export interface PostgresMeta {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  close(): Promise<void>;
}

/** Installs it, unless it is there. Tests that come at the same time each make one, and the last one stays. */
async function install(): Promise<void> {
  const lock = "node_modules/.installed-by.json";
  const wanted = await readFile(join(folder, "package-lock.json"), "utf8");
  const found = await readFile(join(folder, lock), "utf8").catch(() => "");
  if (found === wanted && existsSync(join(folder, program))) return;
  const made = await mkdtemp(join(folder, "node_modules."));
  try {
    await copyFile(join(folder, "package.json"), join(made, "package.json"));
    await copyFile(join(folder, "package-lock.json"), join(made, "package-lock.json"));
    const installed = await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: made,
      timeout: 240_000,
    });
    if (installed.code !== 0) {
      throw new Error(`postgres-meta could not be installed: ${installed.stderr.slice(-2_000)}`);
    }
    await copyFile(join(made, "package-lock.json"), join(made, lock));
    await rm(join(folder, "node_modules"), { recursive: true, force: true });
    await rename(join(made, "node_modules"), join(folder, "node_modules"));
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

/** Starts it before a PostgreSQL server on a port of this machine. */
export async function startPostgresMeta(database: { readonly port: number }): Promise<PostgresMeta> {
  await install();
  const port = await freePort();
  const env = {
    PATH: process.env.PATH,
    PG_META_HOST: "127.0.0.1",
    PG_META_PORT: String(port),
    PG_META_DB_HOST: "127.0.0.1",
    PG_META_DB_PORT: String(database.port),
    PG_META_DB_NAME: "postgres",
    PG_META_DB_USER: "postgres",
    PG_META_DB_PASSWORD: "postgres",
  };
  const child = start(process.execPath, [join(folder, program)], {
    cwd: folder,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2_000);
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + 60_000;
  while (!(await answers(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop(child, "SIGKILL", 1_000);
      throw new Error(`postgres-meta did not start: ${said}`);
    }
    await delay(100);
  }
  return { url, close: () => stop(child, "SIGTERM", 5_000) };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/query`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "select 1 as one" }),
    });
    return (await response.text()) === '[{"one":1}]';
  } catch {
    return false;
  }
}
