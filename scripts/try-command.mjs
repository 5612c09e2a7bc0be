// Tries a built edgewire command for real: `node scripts/try-command.mjs dist/adapters/node/cli.js` serves the embedded
// database on a free port, runs a statement through it, and ends it by SIGTERM. Plain JavaScript, so that the oldest Node
// that the package promises can run it.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const [cli] = process.argv.slice(2);
if (cli === undefined) throw new Error("usage: node scripts/try-command.mjs <cli.js>");

const limit = AbortSignal.timeout(120_000);

const probe = createServer().listen(0, "127.0.0.1");
await once(probe, "listening");
const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
probe.close();

const server = spawn(process.execPath, [cli, "serve", "--listen", `127.0.0.1:${port}`], {
  stdio: ["ignore", "inherit", "inherit"],
});
const ended = once(server, "exit");
try {
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const statement = "select 6 * 7 as answer";
  let output;
  for (;;) {
    limit.throwIfAborted();
    if (server.exitCode !== null) throw new Error(`the server ended with exit code ${server.exitCode}`);
    try {
      ({ stdout: output } = await promisify(execFile)(process.execPath, [cli, "query", url, statement], {
        timeout: 60_000,
      }));
      break;
    } catch (error) {
      // Until it listens. Any other failure is the answer.
      if (!/refused/i.test(String(error.stderr))) throw error;
      await sleep(200, undefined, { signal: limit });
    }
  }
  if (!/^\s*42\s*$/m.test(output)) throw new Error(`the answer should be 42:\n${output}`);

  server.kill("SIGTERM");
  const late = sleep(20_000, ["none", "it still runs after 20 seconds"], { ref: false });
  const [code, signal] = await Promise.race([ended, late]);
  if (code !== 0) throw new Error(`SIGTERM: exit code ${code}, ${signal}`);
  console.log(`Node ${process.versions.node}: serves, answers and ends`);
} finally {
  server.kill("SIGKILL");
}
