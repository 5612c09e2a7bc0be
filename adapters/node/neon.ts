// `neon://` as an upstream: SQL over HTTP by what the runtime does best, and the tunnel by the standard's WebSocket. On
// Deno, too.
import { openWebSocket } from "../../src/client/mod.ts";
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { neonUpstream, type ParsedNeonUrl, parseNeonUrl } from "../../src/upstreams/neon/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { urlDefaults } from "./connection-url.ts";
import { runtimePost } from "./http-post.ts";
import { loadParser } from "./parser.ts";

/**
 * Serves a database behind Neon's proxy, or another one that speaks as it does; `neon+http://` without TLS. Parameters
 * are those of parseNeonUrl. @throws ConfigError that says what is wrong with the URL
 */
export function openNeon(url: string): Upstream {
  const { endpoint, tunnel, connectionString, client, fetch, poolSize } = readNeonUrl(url);
  return neonUpstream({
    endpoint,
    openTunnel: () => openWebSocket(tunnel, { timeout: client.connectTimeout }),
    connectionString,
    client,
    fetch: runtimePost(),
    mode: fetch,
    size: poolSize,
    parser: loadParser,
  });
}

function readNeonUrl(url: string): ParsedNeonUrl {
  try {
    return parseNeonUrl(url, urlDefaults());
  } catch (error) {
    throw error instanceof PgError ? new ConfigError(error.message) : error;
  }
}
