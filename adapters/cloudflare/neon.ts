// `neon://` as an upstream on Workers: SQL over HTTP by fetch, and the tunnel by a WebSocket. Both belong to the invocation
// that made them, so each session makes its own, and ends them.
import { openWebSocket } from "../../src/client/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { neonUpstream } from "../../src/upstreams/neon/mod.ts";
import { readNeonUrl } from "./connection-url.ts";
import { loadParser } from "./parser.ts";

/**
 * Serves a database behind Neon's proxy, or another one that speaks as it does; `neon+http://` without TLS. Parameters
 * are those of parseNeonUrl, without pool_size. @throws ConfigError that says what is wrong with the URL
 */
export function openNeon(url: string): Upstream {
  const { endpoint, tunnel, connectionString, client, fetch } = readNeonUrl(url);
  return neonUpstream({
    endpoint,
    openTunnel: () => openWebSocket(tunnel, { timeout: client.connectTimeout }),
    connectionString,
    client,
    mode: fetch,
    size: Number.POSITIVE_INFINITY,
    idleTimeout: 0,
    parser: loadParser,
  });
}
