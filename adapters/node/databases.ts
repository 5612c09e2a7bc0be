// The upstreams that Node can serve, by URL scheme: `pglite:` in memory, `pglite:./folder`, and those of
// remote-databases.ts.
import type { Openers } from "../../src/gateway/mod.ts";
import { openEmbedded } from "./embedded.ts";
import { openPostgres } from "./postgres.ts";
import { remoteOpeners } from "./remote-databases.ts";

export const openers: Openers = { pglite: openEmbedded, ...remoteOpeners(openPostgres) };
