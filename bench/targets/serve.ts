// `edgewire serve` with the database of EDGEWIRE_BENCH_DATABASE, as a user runs it.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/servers/free-port.ts";
import { announce, endWhenTold } from "./announce.ts";
import { endServer, listens } from "./spawned-server.ts";

const port = await freePort();
const script = fileURLToPath(new URL("../../adapters/node/cli.ts", import.meta.url));
const database = `main=${process.env.EDGEWIRE_BENCH_DATABASE ?? "pglite:"}`;
const child = spawn(
  process.execPath,
  [
    ...process.execArgv,
    script,
    "serve",
    "--no-http",
    "--listen",
    `127.0.0.1:${port}`,
    "--database",
    database,
  ],
  { stdio: ["ignore", "ignore", "inherit"] },
);
endWhenTold(() => endServer(child, "SIGTERM", "SIGKILL"));
if (await listens(child, port)) announce({ type: "ready", port, ...(child.pid && { pid: child.pid }) });
else announce({ type: "missing", reason: "edgewire serve did not listen" });
