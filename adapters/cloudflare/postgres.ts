// `postgres://` as an upstream on Workers: a real server over a socket. A connection belongs to the invocation that made
// it, so each session makes one and ends it.
import { ConfigError } from "../../src/gateway/mod.ts";
import type { Upstream } from "../../src/session/mod.ts";
import { wireUpstream } from "../../src/upstreams/mod.ts";
import { readUrl } from "./connection-url.ts";
import { openSocket } from "./socket-stream.ts";

/**
 * Serves a PostgreSQL server. The parameters are libpq's, or settings of the session. Whatever sslmode asks for, TLS is
 * verified as with `verify-full`.
 * @throws ConfigError that says what is wrong with the URL
 */
export function openPostgres(url: string): Upstream {
  const { options, ...address } = readUrl(url);
  return wireUpstream({
    size: Number.POSITIVE_INFINITY,
    idleTimeout: 0,
    client: options,
    open: () => openSocket(address, options.connectTimeout),
  });
}

/** `hyperdrive:BINDING` serves the database of a Hyperdrive binding. */
export function openHyperdrive(url: string, bindings: Readonly<Record<string, unknown>>): Upstream {
  const name = url.slice("hyperdrive:".length);
  const binding = bindings[name];
  if (!isHyperdrive(binding)) {
    throw new ConfigError(`there is no Hyperdrive binding "${name}": add [[hyperdrive]] to wrangler.toml`);
  }
  // Host and password are good for the moment in which they are read.
  return { connect: (...client) => openPostgres(binding.connectionString).connect(...client) };
}

function isHyperdrive(binding: unknown): binding is Hyperdrive {
  return (
    typeof binding === "object" &&
    binding !== null &&
    typeof (binding as Hyperdrive).connectionString === "string"
  );
}
