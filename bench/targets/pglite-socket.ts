// The socket server that PGlite's authors publish, over an in-memory PGlite.

import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { freePort } from "../../test/servers/free-port.ts";
import { announce, endWhenTold } from "./announce.ts";
import { packageVersion } from "./package-version.ts";

endWhenTold();
const db = await PGlite.create();
const port = await freePort();
// Its default is one connection at a time; pgbench opens one more than its clients while it begins.
const server = new PGLiteSocketServer({ db, port, host: "127.0.0.1", maxConnections: 1_000 });
await server.start();
announce({
  type: "ready",
  port,
  version: packageVersion(import.meta.resolve("@electric-sql/pglite-socket")),
});
