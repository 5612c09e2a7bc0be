/** The real postgres-meta, as a process. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../../servers/free-port.ts";
import { start, stop } from "../../../servers/process.ts";
import { install } from "./install.ts";

const folder = import.meta.dirname;
const program = "node_modules/@supabase/postgres-meta/dist/server/server.js";

export interface PostgresMeta {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  close(): Promise<void>;
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
