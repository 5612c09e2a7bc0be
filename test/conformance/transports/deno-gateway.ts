/** The gateway on Deno, in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { denoEnvironment, denoPath, root } from "../../adapters/deno/deno-process.ts";
import { type Listeners, listenersOptions, transportsOf } from "./listeners.ts";
import { tcp } from "./sockets.ts";
import type { ServedGateway } from "./transport.ts";

export async function startDenoGateway(): Promise<ServedGateway> {
  const options = await listenersOptions();
  const program = fileURLToPath(new URL("./deno-program.ts", import.meta.url));
  const child = spawn(denoPath, ["run", "--quiet", "-A", program, JSON.stringify(options)], {
    cwd: root,
    env: denoEnvironment,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const failed = ended.then(([code]) => Promise.reject(new Error(`Deno ended with ${code}`)));
  failed.catch(() => {});
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), "line"), failed]);
  const listeners: Listeners = JSON.parse(line);
  return {
    asking: async () => `http://127.0.0.1:${listeners.asking}`,
    admin: tcp("admin", listeners.plain),
    transports: transportsOf(listeners, options.folder),
    async close() {
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      child.stdin.end();
      await ended;
      clearTimeout(timer);
      options.remove();
    },
  };
}
