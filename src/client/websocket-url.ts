/**
 * Connection URLs of PostgreSQL servers that are reached through a WebSocket: `postgres+wss://user@host/database`, and
 * `postgres+ws://` without encryption. All is as in `postgres://`, save that the port's default is that of HTTP, and that
 * `ws_path` is the WebSocket's path and query.
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { ClientOptions } from "./options.ts";
import { parseUrl, type UrlDefaults } from "./url.ts";
import { splitUrl } from "./url-parts.ts";

export interface ParsedWebSocketUrl {
  /** Of the WebSocket: `wss://host:port/path`. */
  readonly url: string;
  readonly options: ClientOptions;
}

/** The path of Neon's proxies, which edgewire's gateway takes too. */
const defaultPath = "/v2";

/**
 * Parses `postgres+wss://user:password@host:port/database?ws_path=/v2&key=value…`.
 * @throws PgError as parseUrl does, and 0A000 for what there is no way to have through a WebSocket
 */
export function parseWebSocketUrl(text: string, defaults: UrlDefaults = {}): ParsedWebSocketUrl {
  const [scheme, protocol] = /^postgres(?:ql)?\+(wss?):\/\//i.exec(text) ?? [];
  if (scheme === undefined || protocol === undefined) {
    throw invalid("not a connection URL for a WebSocket: it begins with postgres+wss:// or postgres+ws://");
  }
  const secure = protocol.toLowerCase() === "wss";
  const plain = `postgres://${text.slice(scheme.length)}`;
  const { host, port, rootCertificate, certificate, options } = parseUrl(plain, defaults);
  const { ws_path: path = defaultPath, ...parameters } = options.parameters ?? {};
  if (!path.startsWith("/")) throw invalid(`ws_path begins with "/": "${path}"`);
  if (host.startsWith("/")) throw notSupported("a Unix socket");
  if (rootCertificate !== undefined || certificate !== undefined) {
    throw notSupported("a certificate of one's own (sslrootcert, sslcert)");
  }
  if (options.sslNegotiation === "direct") throw notSupported("sslnegotiation=direct");
  const encrypted = options.sslMode !== "disable" && options.sslMode !== "prefer";
  if (encrypted && !secure) throw invalid(`sslmode "${options.sslMode}" needs postgres+wss://`);
  const authority = `${host.includes(":") ? `[${host}]` : host}${namesPort(plain) ? `:${port}` : ""}`;
  return {
    url: `${secure ? "wss" : "ws"}://${authority}${path}`,
    options: { ...options, parameters },
  };
}

/** Whether a URL names a port. */
function namesPort(url: string): boolean {
  const { port, parameters } = splitUrl(url);
  return port !== "" || (parameters.get("port") ?? "") !== "";
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.invalidParameterValue, message);
}

function notSupported(what: string): PgError {
  return new PgError(sqlstate.featureNotSupported, `${what} is not supported through a WebSocket`);
}
