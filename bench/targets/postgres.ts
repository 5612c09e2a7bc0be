// A PostgreSQL server of our own: a new cluster in a temporary folder, which goes when the target ends.

import { findPostgres, type PostgresServer, startPostgres } from "../../test/servers/postgres.ts";
import { announce, endWhenTold } from "./announce.ts";

let starting: Promise<PostgresServer> | undefined;
endWhenTold(async () => (await starting)?.stop());

const bin = await findPostgres();
if (bin === undefined) announce({ type: "missing", reason: "no PostgreSQL server is installed" });
else {
  try {
    starting = startPostgres(bin, { settings: { max_connections: "200" } });
    const { port, pid, version } = await starting;
    announce({ type: "ready", port, pid, version: String(version) });
  } catch (cause) {
    announce({ type: "missing", reason: (cause as Error).message });
  }
}
