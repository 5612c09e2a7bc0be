// Starting, measuring and ending the process of one target.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Announcement } from "./targets/announce.ts";
import type { Target } from "./targets.ts";

/** The one of node_modules. */
const deno: string = fileURLToPath(new URL("../node_modules/.bin/deno", import.meta.url));

/** PGlite compiles its WebAssembly and initdb runs in this time; everything else is ready in a fraction of it. */
const startLimit = 60_000;

export interface Running {
  port: number;
  /** Where WebSockets are taken, if they are. */
  http: number | undefined;
  version: string | undefined;
  /** Bytes of memory that the server has; undefined where /proc is not. */
  residentBytes(): number | undefined;
  /** CPU seconds, user and system, that the server and its ended children have used; undefined where /proc is not. */
  cpuSeconds(): number | undefined;
  /** Sends the target's own process a signal. */
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Options for node itself. */
  nodeOptions?: readonly string[];
  /** Environment variables besides our own. */
  environment?: Readonly<Record<string, string>>;
}

/** Starts the target and waits until it takes connections. Throws an Error that says why it does not. */
export async function startTarget(target: Target, options: StartOptions = {}): Promise<Running> {
  const script = fileURLToPath(new URL(`targets/${target.script}`, import.meta.url));
  // stdin is a pipe that we never write to: its end tells the target that the bench is gone.
  const [command, ...args] =
    target.runtime === "deno"
      ? [deno, "run", "--quiet", "-A"]
      : [process.execPath, ...(options.nodeOptions ?? [])];
  const child = spawn(command, [...args, script], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.environment },
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4_000);
  });
  const lines = createInterface({ input: child.stdout });
  try {
    const announcement = await firstLine(child, lines, () => errors);
    if (announcement.type === "missing") {
      throw new Error(errors === "" ? announcement.reason : `${announcement.reason}: ${lastError(errors)}`);
    }
    const pid = announcement.pid ?? child.pid;
    return {
      port: announcement.port,
      http: announcement.http,
      version: announcement.version,
      residentBytes: () => (pid === undefined ? undefined : residentBytes(pid)),
      cpuSeconds: () => (pid === undefined ? undefined : cpuSeconds(pid)),
      signal: (name) => void child.kill(name),
      stop: () => end(child),
    };
  } catch (cause) {
    await end(child);
    throw cause;
  }
}

async function firstLine(
  child: ChildProcess,
  lines: NodeJS.EventEmitter,
  errors: () => string,
): Promise<Announcement> {
  const timer = new AbortController();
  const line = once(lines, "line").then(([text]) => JSON.parse(text as string) as Announcement);
  const exit = once(child, "exit").then(([code, signal]) => {
    throw new Error(`it ended (${code ?? signal}) before it was ready: ${lastError(errors())}`);
  });
  const late = sleep(startLimit, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`it was not ready within ${startLimit / 1_000} s`);
  });
  line.catch(() => {});
  exit.catch(() => {});
  late.catch(() => {});
  try {
    return await Promise.race([line, exit, late]);
  } finally {
    timer.abort();
  }
}

/** The line of a stack trace that says what happened. */
function lastError(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? "no output";
}

/** Ends exactly this process: politely, then not. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await exited;
  clearTimeout(timer);
}

/**
 * utime, stime, cutime and cstime of proc_pid_stat(5), in ticks of 1/100 s on every Linux. The children count for
 * PostgreSQL, whose backends are processes: they show once they have ended, which they do with pgbench.
 */
function cpuSeconds(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return ticks / 100;
  } catch {
    return undefined;
  }
}

function residentBytes(pid: number): number | undefined {
  try {
    const [, kibi] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return kibi === undefined ? undefined : Number(kibi) * 1024;
  } catch {
    return undefined;
  }
}
