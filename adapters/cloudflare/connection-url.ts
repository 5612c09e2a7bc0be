// Connection URLs as Workers can follow them: there are no files, no system's user, and TLS is what the runtime makes it.
import {
  type ClientOptions,
  type ParsedUrl,
  type ParsedWebSocketUrl,
  parseUrl,
  parseWebSocketUrl,
} from "../../src/client/mod.ts";
import { splitUrl } from "../../src/client/url-parts.ts";
import { ConfigError } from "../../src/gateway/mod.ts";
import { type ParsedNeonUrl, parseNeonUrl } from "../../src/upstreams/neon/mod.ts";
import { PgError } from "../../src/wire/mod.ts";

/**
 * Parses the URL of a server that is reached by TCP.
 * @throws ConfigError that says what is wrong with it, or what of it Workers cannot do
 */
export function readUrl(url: string): ParsedUrl {
  const parsed = configured(() => parseUrl(url));
  const { host, rootCertificate, certificate, options } = parsed;
  if (host.startsWith("/")) throw new ConfigError("Workers have no Unix sockets");
  if (rootCertificate !== undefined || certificate !== undefined) {
    throw new ConfigError(
      "Workers have no files for sslrootcert, sslcert and sslkey: certificates are those of public authorities",
    );
  }
  if (options.sslNegotiation === "direct") {
    throw new ConfigError("sslnegotiation=direct needs ALPN, which Workers' sockets do not have");
  }
  check(options);
  return parsed;
}

/** Parses the URL of a server that is reached by a WebSocket. @throws ConfigError */
export function readWebSocketUrl(url: string): ParsedWebSocketUrl {
  const parsed = configured(() => parseWebSocketUrl(url));
  check(parsed.options);
  return parsed;
}

/** Parses the URL of a database behind Neon's proxy. @throws ConfigError */
export function readNeonUrl(url: string): ParsedNeonUrl {
  const parsed = configured(() => parseNeonUrl(url));
  // There it has a default.
  if (splitUrl(url.replace(/^[^:]*/, "postgres")).parameters.has("pool_size")) throw noPool();
  return parsed;
}

function check({ channelBinding, parameters }: ClientOptions): void {
  if (channelBinding === "require") {
    throw new ConfigError(
      "channel_binding=require needs the server's certificate, which Workers do not tell",
    );
  }
  if (parameters?.pool_size !== undefined) throw noPool();
}

function noPool(): ConfigError {
  return new ConfigError(
    "pool_size has no meaning on Workers: each session has a connection of its own; a pool is Hyperdrive's to give",
  );
}

/** @throws ConfigError for what a parser of URLs refuses */
export function configured<Parsed>(parse: () => Parsed): Parsed {
  try {
    return parse();
  } catch (error) {
    throw error instanceof PgError ? new ConfigError(error.message) : error;
  }
}
