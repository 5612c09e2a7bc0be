// `postgres://` as an upstream on Node: a real server over a socket, with TLS and a pool; or `postgres+wss://`, over a
// WebSocket.
import { type ClientOptions, type OpenStream, openWebSocket } from "../../src/client/mod.ts";
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { wireUpstream } from "../../src/upstreams/mod.ts";
import { readUrl, readWebSocketUrl } from "./connection-url.ts";
import { openSocket } from "./socket-stream.ts";

/**
 * Serves a PostgreSQL server. `?pool_size=20` bounds its connections; all other parameters are libpq's (sslmode,
 * sslrootcert, sslcert, sslkey, channel_binding, sslnegotiation, connect_timeout …) or settings of the session.
 * @throws ConfigError that says what is wrong with the URL
 */
export function openPostgres(url: string): Upstream {
  return postgresOver(openSocket, url);
}

/** The same over another runtime's sockets. */
export function postgresOver(open: typeof openSocket, url: string): Upstream {
  const { options, ...address } = readUrl(url);
  return pooled(options, () => open(address, options.connectTimeout));
}

/**
 * Serves a PostgreSQL server behind a WebSocket, on any runtime that has the standard's: `postgres+wss://` and
 * `postgres+ws://`, see parseWebSocketUrl. @throws ConfigError that says what is wrong with the URL
 */
export function openPostgresByWebSocket(url: string): Upstream {
  const { url: address, options } = readWebSocketUrl(url);
  return pooled(options, () => openWebSocket(address, { timeout: options.connectTimeout }));
}

function pooled(options: ClientOptions, open: OpenStream): Upstream {
  const { pool_size: poolSize = "20", ...parameters } = options.parameters ?? {};
  const size = /^\d{1,6}$/.test(poolSize) ? Number(poolSize) : 0;
  if (size < 1) throw new ConfigError(`pool_size is a whole number from 1, not "${poolSize}"`);
  return wireUpstream({ size, client: { ...options, parameters }, open });
}
