// `postgres://` as an upstream on Node: a real server over a socket, with TLS and a pool.
import { parseUrl } from "../../src/client/mod.ts";
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { wireUpstream } from "../../src/upstreams/mod.ts";
import { openSocket } from "./socket-stream.ts";

/**
 * Serves a PostgreSQL server. `?pool_size=20` bounds its connections; all other parameters are libpq's (sslmode,
 * sslrootcert, channel_binding, sslnegotiation, connect_timeout) or settings of the session.
 */
export function openPostgres(url: string): Upstream {
  const { options, ...address } = parseUrl(url);
  const { pool_size: poolSize = "20", ...parameters } = options.parameters ?? {};
  const size = Number(poolSize);
  if (!Number.isInteger(size) || size < 1) throw new ConfigError(`pool_size is a whole number, not "${poolSize}"`);
  return wireUpstream({
    size,
    client: { ...options, parameters },
    open: () => openSocket(address, options.sslMode ?? "prefer"),
  });
}
