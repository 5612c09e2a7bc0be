// Runs on Deno: the gateway with all of its listeners. Its first line of output says where they are; it ends with its
// standard input. `deno run -A deno-program.ts <options as JSON>`
import process from "node:process";
import { serveRuntime } from "../../../adapters/deno/serve-runtime.ts";
import { startListeners } from "./listeners.ts";

const { close, ...listeners } = await startListeners(serveRuntime, JSON.parse(process.argv[2] ?? ""));
console.log(JSON.stringify(listeners));
process.stdin.once("end", async () => {
  await close();
  process.exit(0);
});
process.stdin.resume();
