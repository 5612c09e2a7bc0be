// The upstreams that Deno can serve: Node's, by the same URL schemes, with Deno's own way to `postgres://`.
// PGlite runs in a worker of node:worker_threads, as on Node. It needs --allow-read for its package, and --allow-write
// for the folder and the cache.
import type { Openers } from "../../src/gateway/mod.ts";
import { openEmbedded } from "../node/embedded.ts";
import { remoteOpeners } from "../node/remote-databases.ts";
import { openPostgres } from "./postgres.ts";

export const openers: Openers = { pglite: openEmbedded, ...remoteOpeners(openPostgres) };
