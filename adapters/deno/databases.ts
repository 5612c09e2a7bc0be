// The upstreams that Deno can serve, by URL scheme: `pglite:` in memory, `pglite:./folder`, `postgres://`, `neon://`,
// `rds-data://`.
// PGlite runs in a worker of node:worker_threads, as on Node. It needs --allow-read for its package, and --allow-write
// for the folder and the cache.
import type { Openers } from "../../src/gateway/mod.ts";
import { openEmbedded } from "../node/embedded.ts";
import { openNeon } from "../node/neon.ts";
import { openPostgresByWebSocket } from "../node/postgres.ts";
import { openRdsData } from "../node/rds-data.ts";
import { openPostgres } from "./postgres.ts";

export const openers: Openers = {
  pglite: openEmbedded,
  neon: openNeon,
  "neon+http": openNeon,
  postgres: openPostgres,
  postgresql: openPostgres,
  "postgres+ws": openPostgresByWebSocket,
  "postgres+wss": openPostgresByWebSocket,
  "postgresql+ws": openPostgresByWebSocket,
  "postgresql+wss": openPostgresByWebSocket,
  "rds-data": openRdsData,
};
