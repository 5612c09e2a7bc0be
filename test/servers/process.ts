/**
 * Child processes that cannot outlive the run: each one leads its own process group, has a time limit,
 * and is killed by its own pid when it passes it or when the run itself ends.
 */

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const live = new Set<ChildProcess>();
process.on("exit", killAll);

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
  /** Milliseconds until the process group is killed. */
  timeout: number;
  /** Milliseconds without a line of output until it is killed; absent: no such limit. */
  silence?: number;
  /** Aborting it kills the process group. */
  signal?: AbortSignal;
  /** Called with each complete line of standard output. */
  onLine?: (line: string) => void;
  uid?: number;
  gid?: number;
}

export interface RunResult {
  /** Exit code, or null when a signal ended the process. */
  code: number | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

/** Starts a child in a process group of its own and remembers it, to kill it when this process ends. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, args, { ...options, detached: true });
  live.add(child);
  const forget = () => live.delete(child);
  child.once("exit", forget);
  child.once("error", forget);
  return child;
}

/** Ends a child's whole process group; harmless when it is gone already. */
export function kill(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group ended between the check and the call.
  }
}

/** Asks a child to end, and kills it when it has not within `grace` milliseconds. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals, grace: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  // Only the leader is asked: a postmaster or a gateway ends its own workers in its own order.
  child.kill(signal);
  const timer = setTimeout(() => kill(child), grace);
  await ended;
  clearTimeout(timer);
}

function killAll(): void {
  for (const child of live) kill(child);
}

/** Runs a command to its end within its limits. Never throws: a command that is not there is code 127. */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { promise, resolve } = Promise.withResolvers<RunResult>();
  const { timeout, silence, input, signal, onLine, ...rest } = options;
  const child = start(command, args, { ...rest, stdio: ["pipe", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  let partial = "";
  let timedOut = false;
  const expire = () => {
    timedOut = true;
    kill(child);
  };
  const total = setTimeout(expire, timeout);
  signal?.addEventListener("abort", () => kill(child), { once: true });
  const quiet = silence === undefined ? undefined : setTimeout(expire, silence);
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    quiet?.refresh();
    stdout += text;
    if (onLine === undefined) return;
    const lines = (partial + text).split("\n");
    partial = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // A program that ends without reading its input is judged by its exit code, not by our EPIPE.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input ?? "");
  const finish = (code: number | null) => {
    clearTimeout(total);
    clearTimeout(quiet);
    if (partial !== "" && onLine !== undefined) onLine(partial);
    partial = "";
    resolve({ code, stdout, stderr, timedOut });
  };
  child.once("error", (error) => {
    stderr += error.message;
    finish(127);
  });
  child.once("close", finish);
  return promise;
}

/** The full path of a command on PATH, or undefined. */
export function find(command: string, folders: readonly string[] = pathFolders()): string | undefined {
  return folders.map((folder) => join(folder, command)).find(isExecutable);
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function pathFolders(): string[] {
  return (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
}
