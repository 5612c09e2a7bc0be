// One run of pgbench, PostgreSQL's own load generator, against one port.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Mode } from "./options.ts";

export interface Measurement {
  /** Transactions (here: one statement each) in a second, connecting not counted. */
  tps: number;
  transactions: number;
  /** What pgbench complained of although it went on to the end, e.g. a PREPARE that failed. */
  complaint: string | undefined;
}

export interface Load {
  mode: Mode;
  clients: number;
  seconds: number;
  /** The file with the statement. */
  script: string;
}

/** The name of a pgbench that runs, and its version; undefined when none is installed. */
export function findPgbench(): { command: string; version: string } | undefined {
  const root = "/usr/lib/postgresql";
  const installed = existsSync(root)
    ? readdirSync(root).map((version) => join(root, version, "bin", "pgbench"))
    : [];
  for (const command of ["pgbench", ...installed]) {
    const { status, stdout } = spawnSync(command, ["--version"], { encoding: "utf8", timeout: 5_000 });
    if (status === 0) return { command, version: stdout.trim() };
  }
  return undefined;
}

/** Resolves with the measurement, or throws an Error with pgbench's own reason. Always ends: hung runs are killed. */
export function runPgbench(command: string, port: number, load: Load): Promise<Measurement> {
  const args = [
    "-n",
    "-h",
    "127.0.0.1",
    "-p",
    String(port),
    "-U",
    "postgres",
    "-M",
    load.mode,
    "-f",
    load.script,
  ];
  // One thread: the machine's other core is the server's. A run of seconds, then a generous wait for the answer to
  // the last statement, since pgbench itself waits for it without end.
  args.push("-c", String(load.clients), "-j", "1", "-T", String(load.seconds), "postgres");
  const limit = load.seconds + 5;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: environment() });
    let output = "";
    let errors = "";
    let killed = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const timer = setTimeout(() => {
      killed = true;
      child.kill("SIGKILL");
    }, limit * 1_000);
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(cause);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      const tps = output.match(/^tps = ([\d.]+) \((?:without|excluding)/m);
      const transactions = output.match(/^number of transactions actually processed: (\d+)/m);
      if (code === 0 && tps && transactions) {
        resolve({
          tps: Number(tps[1]),
          transactions: Number(transactions[1]),
          complaint: firstError(errors),
        });
      } else if (firstError(errors) === undefined && killed) {
        reject(
          new Error(`no answer: pgbench still waited ${limit - load.seconds} s after its time was over`),
        );
      } else {
        reject(new Error(firstError(errors) ?? `pgbench ended with code ${code} and no measurement`));
      }
    });
  });
}

/** The first line that tells why; pgbench prints the rest once for each client. */
function firstError(text: string): string | undefined {
  const line = text.split("\n").find((candidate) => /error|fatal/i.test(candidate));
  return line?.replace(/^pgbench: (error: )?/, "").trim();
}

/** The user's own PG* settings must not reach the run; probes for encryption are not what is measured. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("PG"));
  return {
    ...Object.fromEntries(kept),
    PGSSLMODE: "disable",
    PGGSSENCMODE: "disable",
    PGCONNECT_TIMEOUT: "5",
  };
}
