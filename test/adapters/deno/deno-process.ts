// A process of Deno, as the tests start it, and the program in it that they talk to.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Answers, Started, StartOptions } from "./protocol.ts";

export const root: string = fileURLToPath(new URL("../../../", import.meta.url));

/** The one of node_modules: its version is in the lockfile. */
export const denoPath: string = fileURLToPath(new URL("../../../node_modules/.bin/deno", import.meta.url));

/** What a test's Deno sees of the environment: nothing of it may ask the network for anything but what a test does. */
export const denoEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
};

/** Milliseconds for any answer: Deno compiles what it runs for the first time, and the machine may be busy. */
const patience = 30_000;

type Name = keyof Answers;

/** Listeners on Deno, which are asked over pipes. */
export class DenoServer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #started: Remote[] = [];
  #calls = 0;
  #stderr = "";

  constructor() {
    const program = fileURLToPath(new URL("./programs/server.ts", import.meta.url));
    this.#child = spawn(denoPath, ["run", "--quiet", "--v8-flags=--expose-gc", "-A", program], {
      cwd: root,
      env: denoEnvironment,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error("the process has no pipes");
    createInterface({ input: stdout }).on("line", (line) => this.#answered(line));
    stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#child.once("close", (code) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`Deno ended with ${code}: ${this.#stderr}`));
      }
      this.#waiting.clear();
    });
  }

  /** Memory is only given back to the system now and then: look at `external` for bytes of sockets. */
  call<Method extends Name>(method: Method, ...args: Answers[Method][0]): Promise<Answers[Method][1]> {
    const call = this.#calls++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(call, waiting);
    this.#child.stdin?.write(`${JSON.stringify({ call, method, args })}\n`);
    const timer = setTimeout(
      () => waiting.reject(new Error(`no answer to ${method}: ${this.#stderr}`)),
      patience,
    );
    return waiting.promise.finally(() => clearTimeout(timer)) as Promise<Answers[Method][1]>;
  }

  async start(options: StartOptions = {}): Promise<Remote> {
    const remote = new Remote(this, await this.call("start", options));
    this.#started.push(remote);
    return remote;
  }

  /** Serves HTTP and WebSockets, to everyone, with the database `any`. */
  async startHttp(options: Answers["startHttp"][0][0] = {}): Promise<Remote> {
    const remote = new Remote(this, await this.call("startHttp", options));
    this.#started.push(remote);
    return remote;
  }

  /** Closes what was started since the last time; for the end of a test. @throws if a rejection went unhandled */
  async reset(): Promise<void> {
    await Promise.all(this.#started.splice(0).map((remote) => remote.close(100)));
    const stray = await this.call("stray");
    if (stray.length > 0) throw new Error(`nobody handled: ${stray.join(", ")}`);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    this.#child.stdin?.end();
    await ended;
    clearTimeout(timer);
  }

  #answered(line: string): void {
    const { call, result, error } = JSON.parse(line);
    const waiting = this.#waiting.get(call);
    this.#waiting.delete(call);
    if (error) waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
    else waiting?.resolve(result);
  }
}

/** A listener in the program; it is an address to connect to. */
export class Remote {
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly #server: DenoServer;
  readonly #id: number;

  constructor(server: DenoServer, { id, host, port, path }: Started) {
    this.#server = server;
    this.#id = id;
    this.host = host;
    this.port = port;
    this.path = path;
  }

  close(grace?: number): Promise<void> {
    return this.#server.call("close", this.#id, grace);
  }

  size(): Promise<number> {
    return this.#server.call("size", this.#id);
  }

  counts(): Promise<Answers["counts"][1]> {
    return this.#server.call("counts", this.#id);
  }

  /** What the sessions said of errors. */
  errors(): Promise<readonly string[]> {
    return this.#server.call("errors", this.#id);
  }

  logins(): Promise<Answers["logins"][1]> {
    return this.#server.call("logins", this.#id);
  }

  notify(size: number, times: number): Promise<void> {
    return this.#server.call("notify", this.#id, size, times);
  }

  reload(): Promise<void> {
    return this.#server.call("reload", this.#id);
  }
}
