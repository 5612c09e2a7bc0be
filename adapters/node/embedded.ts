// `pglite:` as an upstream: the embedded PostgreSQL, shared by all clients. On Node and Deno.
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { sharedUpstream } from "../../src/upstreams/mod.ts";
import { openPglite } from "./pglite.ts";

/** `pglite:` or `pglite:./folder`; `?extensions=pg_trgm,vector` loads extensions, `?turn_timeout=60` bounds a wait. */
export async function openEmbedded(url: string): Promise<Upstream> {
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
