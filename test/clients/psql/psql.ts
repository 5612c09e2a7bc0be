/**
 * The real psql in the three ways people use it: run once, fed through a pipe while other sessions act, and
 * at a terminal (for prompts, Ctrl-C and \watch, which psql has only there).
 */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { find, kill, type RunResult, run, start } from "../../servers/process.ts";
import { type Context, Skip } from "../check.ts";
import { folder } from "../programs.ts";
import { clientEnvironment, type Target } from "../target.ts";

const timeout = 45_000;

export interface PsqlOptions {
  /** Environment variables besides those every client gets. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Standard input. */
  input?: string;
  url?: string;
}

/** Runs psql once: no startup file, no pager, no readline. */
export function psql(target: Target, args: readonly string[], options: PsqlOptions = {}): Promise<RunResult> {
  const { url = target.url, env, ...rest } = options;
  return run("psql", ["-X", "-n", ...args, url], { ...rest, env: environment(target, env), timeout });
}

/** The standard output of `psql -c` for each command, unaligned and without headers; throws when psql fails. */
export async function output(target: Target, ...commands: string[]): Promise<string> {
  const result = await psql(target, [
    "-A",
    "-t",
    "-v",
    "ON_ERROR_STOP=1",
    ...commands.flatMap((c) => ["-c", c]),
  ]);
  if (result.code !== 0) throw new Error(`psql ended with ${result.code}: ${result.stderr}`);
  return result.stdout.trimEnd();
}

function environment(target: Target, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { ...clientEnvironment(target), PAGER: "cat", PSQL_PAGER: "cat", TERM: "dumb", ...more };
}

/** A running psql whose output is read as it comes. */
export class Running {
  readonly #child: ChildProcess;
  #output = "";
  #from = 0;
  #changed: () => void = () => {};
  #over = false;
  /** Exit code, once it has ended. */
  readonly ended: Promise<number | null>;

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        // A terminal's line ends.
        this.#output += text.replaceAll("\r\n", "\n");
        this.#changed();
      });
    }
    child.stdin?.on("error", () => {});
    this.ended = once(child, "close").then(([code]) => {
      this.#over = true;
      this.#changed();
      return code as number | null;
    });
  }

  send(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Ends its standard input and waits until it has ended. */
  async close(): Promise<number | null> {
    this.#child.stdin?.end();
    return await this.ended;
  }

  interrupt(): void {
    this.#child.kill("SIGINT");
  }

  kill(): void {
    kill(this.#child);
  }

  /** Waits until the pattern is in what came since the last such wait; returns all of that up to its end. */
  async until(pattern: RegExp | string, within = 20_000): Promise<string> {
    const deadline = Date.now() + within;
    for (;;) {
      const rest = this.#output.slice(this.#from);
      const match = typeof pattern === "string" ? plainMatch(rest, pattern) : pattern.exec(rest);
      if (match !== null) {
        const end = match.index + match[0].length;
        this.#from += end;
        return rest.slice(0, end);
      }
      const left = this.#over ? 0 : deadline - Date.now();
      if (left <= 0)
        throw new Error(
          `no ${String(pattern)} ${this.#over ? "at its end" : `within ${within} ms`} in:\n${rest.slice(-1500)}`,
        );
      await this.#change(left);
    }
  }

  /** Runs a command to its end and returns what it printed. Only for a psql fed through a pipe. */
  async ask(command: string, within = 20_000): Promise<string> {
    this.send(`${command}\n\\echo <done>\n`);
    const printed = await this.until("<done>\n", within);
    return printed.slice(0, -"<done>\n".length).trimEnd();
  }

  #change(within: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, within);
    this.#changed = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }
}

function plainMatch(text: string, part: string): { index: number; 0: string } | null {
  const index = text.indexOf(part);
  return index < 0 ? null : { index, 0: part };
}

/** A psql fed through a pipe; killed when the check is over. */
export function piped(context: Context, ...args: string[]): Running {
  // Its standard error is joined to its output, in order, by the shell: `exec` leaves one process.
  const command = ["-c", 'exec "$@" 2>&1', "sh", "psql", "-X", "-n", "-A", "-t", ...args, context.target.url];
  return watch(context, start("sh", command, { env: environment(context.target), stdio: "pipe" }));
}

/** A psql at a terminal; its first prompt is not yet read. */
export function atTerminal(context: Context, ...args: string[]): Running {
  if (find("python3") === undefined) throw new Skip("python3, which makes the terminal, is not installed");
  const command = [join(folder, "psql", "terminal.py"), "psql", "-X", "-n", ...args, context.target.url];
  return watch(context, start("python3", command, { env: environment(context.target), stdio: "pipe" }));
}

function watch(context: Context, child: ChildProcess): Running {
  const running = new Running(child);
  context.defer(async () => {
    running.kill();
    await running.ended;
  });
  return running;
}
