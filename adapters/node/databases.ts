// The upstreams that Node can serve, by URL scheme: `pglite:` in memory, `pglite:./folder`, `postgres://`.
import { ConfigError, type Openers } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { sharedUpstream } from "../../src/upstreams/mod.ts";
import { openPglite } from "./pglite.ts";
import { openPostgres } from "./postgres.ts";

export const openers: Openers = {
  pglite: openEmbedded,
  postgres: openPostgres,
  postgresql: openPostgres,
};

/** `pglite:` or `pglite:./folder`; `?extensions=pg_trgm,vector` loads extensions, `?turn_timeout=60` bounds a wait. */
async function openEmbedded(url: string): Promise<Upstream> {
  const [folder = "", query = ""] = url.slice("pglite:".length).split("?", 2);
  const options = new URLSearchParams(query);
  const extensions = options.get("extensions")?.split(",").filter(Boolean);
  const seconds = Number(options.get("turn_timeout") ?? "60");
  if (!(seconds > 0))
    throw new ConfigError(`turn_timeout is a number of seconds, not "${options.get("turn_timeout")}"`);
  const backend = await openPglite(folder === "" ? undefined : decodeURI(folder), {
    ...(extensions && { extensions }),
  });
  return sharedUpstream(backend, { turnTimeout: seconds * 1_000 });
}
