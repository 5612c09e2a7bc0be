// What `npm start` runs: the command line with its embedded PGlite, in memory, on a port of ours.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/servers/free-port.ts";
import { announce, endWhenTold } from "./announce.ts";
import { packageVersion } from "./package-version.ts";
import { endServer, listens } from "./spawned-server.ts";

async function start(): Promise<void> {
  const script = fileURLToPath(new URL("../../adapters/node/cli.ts", import.meta.url));
  if (!existsSync(script)) {
    return announce({ type: "missing", reason: "adapters/node/cli.ts does not exist" });
  }
  const port = await freePort();
  // Its output is for a person at a terminal; errors go where the bench looks for them.
  const child = spawn(process.execPath, [script, "serve", "--listen", `127.0.0.1:${port}`], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  endWhenTold(() => endServer(child, "SIGTERM", "SIGKILL"));
  if (!(await listens(child, port))) {
    return announce({ type: "missing", reason: "edgewire serve did not listen" });
  }
  const version = `PGlite ${packageVersion(import.meta.resolve("@electric-sql/pglite"))}`;
  announce({ type: "ready", port, version, ...(child.pid !== undefined && { pid: child.pid }) });
}

await start();
