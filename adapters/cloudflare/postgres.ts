// PostgreSQL servers as upstreams on Workers, over sockets or WebSockets. A connection belongs to the invocation that made
// it, so each session makes one and ends it.
import { type ClientOptions, type OpenStream, openWebSocket } from "../../src/client/mod.ts";
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { wireUpstream } from "../../src/upstreams/mod.ts";
import { readUrl, readWebSocketUrl } from "./connection-url.ts";
import { openSocket } from "./socket-stream.ts";

/**
 * `postgres://` serves a server. The parameters are libpq's, or settings of the session. Whatever sslmode asks for, TLS is
 * verified as with `verify-full`.
 * @throws ConfigError that says what is wrong with the URL
 */
export function openPostgres(url: string): Upstream {
  const { options, ...address } = readUrl(url);
  return upstream(options, () => openSocket(address, options.connectTimeout));
}

/**
 * `postgres+wss://` and `postgres+ws://` serve a server behind a WebSocket; see parseWebSocketUrl.
 * @throws ConfigError that says what is wrong with the URL
 */
export function openPostgresByWebSocket(url: string): Upstream {
  const { url: address, options } = readWebSocketUrl(url);
  return upstream(options, () => openWebSocket(address, { timeout: options.connectTimeout }));
}

/**
 * `hyperdrive:BINDING` serves the database of a Hyperdrive binding. Hyperdrive has a pool of its own, which it shares by
 * transactions: what a session keeps beyond one (SET, LISTEN, temporary tables) does not stay.
 */
export function openHyperdrive(url: string, bindings: Readonly<Record<string, unknown>>): Upstream {
  const name = url.slice("hyperdrive:".length);
  const binding = bindings[name];
  if (!isHyperdrive(binding)) {
    throw new ConfigError(`there is no Hyperdrive binding "${name}": add [[hyperdrive]] to wrangler.toml`);
  }
  // Host and password are good for the moment in which they are read.
  const now = (): Upstream => openPostgres(binding.connectionString);
  return { connect: (...client) => now().connect(...client), ready: () => now().ready?.() };
}

function upstream(client: ClientOptions, open: OpenStream): Upstream {
  return wireUpstream({ size: Number.POSITIVE_INFINITY, idleTimeout: 0, client, open });
}

function isHyperdrive(binding: unknown): binding is Hyperdrive {
  return (
    typeof binding === "object" &&
    binding !== null &&
    typeof (binding as Hyperdrive).connectionString === "string"
  );
}
