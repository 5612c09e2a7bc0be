// An example, run as its first lines say.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** Milliseconds until an example has to be up. */
const patience = 20_000;

export interface Example {
  readonly port: number;
  /** What it printed so far. */
  output(): string;
}

/** Starts `examples/<name>.ts` on a free port, until the end of the test. */
export async function startExample(name: string, args: readonly string[] = []): Promise<Example> {
  const path = fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [path, ...args], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const timer = setTimeout(() => reject(new Error(`${name} did not start: ${output}`)), patience);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const [, port] = /^psql .*(?::|port=)(\d+)/m.exec(output) ?? [];
      if (port !== undefined) resolve(Number(port));
    });
  }
  child.once("exit", (code) => reject(new Error(`${name} ended with ${code}: ${output}`)));
  const port = await promise;
  clearTimeout(timer);
  return { port, output: () => output };
}
