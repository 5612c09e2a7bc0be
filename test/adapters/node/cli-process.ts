// `edgewire` as a process of its own, as a user runs it.
import { type ChildProcess, spawn } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const cli = fileURLToPath(new URL("../../../adapters/node/cli.ts", import.meta.url));

/** Milliseconds for anything; PGlite takes seconds to start, and the machine may be busy. */
const patience = 60_000;

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

export class CliProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #closed = false;
  #stdout = "";
  #stderr = "";
  #changed: () => void = () => {};

  constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
    this.#child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, PATH: path, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#changed();
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#ended = new Promise((resolve) => {
      // Under npm the server may outlive npm; its end is that of the pipes.
      this.#child.once("close", (code) => {
        this.#closed = true;
        resolve(code);
        this.#changed();
      });
    });
  }

  /** `edgewire …`. */
  static start(args: readonly string[], environment?: NodeJS.ProcessEnv): CliProcess {
    return new CliProcess(process.execPath, [cli, ...args], environment);
  }

  /** Waits for a text on standard output, and gives what a regular expression found. */
  async output(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = setTimeout(() => this.kill(), patience);
    for (;;) {
      const found = pattern.exec(this.#stdout);
      if (found || this.#closed) {
        clearTimeout(deadline);
        if (found) return found;
        throw new Error(`it ended before it said ${pattern}: ${this.#stdout}${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Waits for the banner, and gives the port in it. */
  async port(): Promise<number> {
    const [, port] = await this.output(/listening on \S+:(\d+)\. Connect with:\n\n.+\n/);
    return Number(port);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  kill(): void {
    if (!this.#closed) this.#child.kill("SIGKILL");
  }

  /** Waits for the end. */
  async finished(): Promise<Finished> {
    const deadline = setTimeout(() => this.kill(), patience);
    const code = await this.#ended;
    clearTimeout(deadline);
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }
}
