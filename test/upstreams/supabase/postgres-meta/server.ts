/**
 * The real postgres-meta, from npm. It is no dependency of the package's: with what it needs itself it is 200 MB, so it is
 * installed beside this file, as its lock file says, by the first test that asks for it.
 */
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
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

/** Written when all of it is there: the lock file that it was installed by. */
const installed = "node_modules/.installed-by.json";
const installTimeout = 240_000;

/** Installs it, unless it is there. Of tests that come at the same time one does, and the others wait. */
async function install(): Promise<void> {
  const wanted = await readFile(join(folder, "package-lock.json"), "utf8");
  const deadline = Date.now() + installTimeout;
  const isThere = async (): Promise<boolean> =>
    (await readFile(join(folder, installed), "utf8").catch(() => "")) === wanted;
  while (!(await isThere())) {
    if (await claimed()) {
      try {
        // Another one may have been done just before.
        if (!(await isThere())) await runInstall(wanted);
      } finally {
        await rm(join(folder, "installing"), { recursive: true, force: true });
      }
    } else if (Date.now() > deadline) throw new Error("another test did not install postgres-meta in time");
    else await delay(200);
  }
}

/** Whether it is this process's to install it. One that has not ended in all the time that it has never will. */
async function claimed(): Promise<boolean> {
  const claim = join(folder, "installing");
  const { mtimeMs = Date.now() } = await stat(claim).catch(() => ({}) as { mtimeMs?: number });
  if (Date.now() - mtimeMs > installTimeout + 20_000) await rm(claim, { recursive: true, force: true });
  return mkdir(claim).then(
    () => true,
    () => false,
  );
}

async function runInstall(lock: string): Promise<void> {
  const { code, stderr } = await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: folder,
    timeout: installTimeout,
  });
  if (code !== 0) throw new Error(`postgres-meta could not be installed: ${stderr.slice(-2_000)}`);
  await writeFile(join(folder, installed), lock);
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
  const child = start(
    process.execPath,
    ["--import", new URL("end-with-parent.mjs", import.meta.url).href, join(folder, program)],
    // Its standard input is what tells it that this process is gone.
    { cwd: folder, env, stdio: ["pipe", "ignore", "pipe"] },
  );
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
