// The upstreams that Node can serve, by URL scheme: `pglite:` in memory, `pglite:./folder`, `postgres://`.
import type { Openers } from "../../src/gateway/mod.ts";
import { openEmbedded } from "./embedded.ts";
import { openPostgres } from "./postgres.ts";

export const openers: Openers = {
  pglite: openEmbedded,
  postgres: openPostgres,
  postgresql: openPostgres,
};
