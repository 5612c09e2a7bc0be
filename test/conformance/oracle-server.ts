/** The real PostgreSQL server that answers are held to, where one is installed. */
import {
  findPostgres,
  type PostgresOptions,
  type PostgresServer,
  startPostgres,
} from "../servers/postgres.ts";

/** The server's settings that differ from a bare cluster's: PGlite's, and nothing that costs time. */
const settings = {
  fsync: "off",
  autovacuum: "off",
  max_connections: "20",
  shared_buffers: "16MB",
  timezone: "UTC",
  search_path: "public",
  log_min_messages: "fatal",
};

/** @returns the server, or why there is none */
export async function startOracle(options: PostgresOptions = {}): Promise<PostgresServer | string> {
  const bin = await findPostgres();
  if (bin === undefined) return "no PostgreSQL server is installed (initdb and postgres were looked for)";
  return await startPostgres(bin, { ...options, settings: { ...settings, ...options.settings } });
}
