// A PostgreSQL server of our own: a new cluster in a temporary folder, which goes when the target ends.

import { findPostgres, type PostgresServer, startPostgres } from "../../test/servers/postgres.ts";
import { announce, endWhenTold } from "./announce.ts";

let server: PostgresServer | undefined;
endWhenTold(() => server?.stop());

const bin = await findPostgres();
if (bin === undefined) announce({ type: "missing", reason: "no PostgreSQL server is installed" });
else {
  try {
    server = await startPostgres(bin, { settings: { max_connections: "200" } });
    const { port, pid, version } = server;
    announce({ type: "ready", port, pid, version: String(version) });
  } catch (cause) {
    announce({ type: "missing", reason: (cause as Error).message });
  }
}
