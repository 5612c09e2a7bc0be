// A tunnel: listens for PostgreSQL clients on a local address, and carries each connection over a WebSocket of its own to
// a gateway that no TCP connection reaches, as a Worker or an app on Deno Deploy.
import { validateHeaderName, validateHeaderValue } from "node:http";
import type { PgError } from "../../src/wire/mod.ts";
import { type Listener, type ListenOptions, serveSockets } from "./socket-server.ts";
import { TunnelConnection } from "./tunnel-connection.ts";

/** Where to listen, and where to. `tls` is for clients that insist on it: `wss:` encrypts the way to the gateway anyway. */
export interface TunnelOptions
  extends Pick<ListenOptions, "host" | "port" | "path" | "tls" | "maxConnections"> {
  /** See tunnelUrl(). */
  readonly url: string;
  /** For the handshake of each WebSocket: what a protected endpoint asks for. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds for the handshake of a WebSocket. Default 10,000. */
  readonly handshakeTimeout?: number | undefined;
  /** Is told of every WebSocket that could not be opened, or broke; so is its client, with the same error. */
  readonly onError?: ((error: PgError) => void) | undefined;
}

/**
 * Starts listening. Nothing is opened before a client comes.
 * @throws TypeError for a URL or a header that makes no sense, and Node's error (EADDRINUSE …) if the address is no good
 */
export async function openTunnel(options: TunnelOptions): Promise<Listener> {
  const { headers = {}, handshakeTimeout = 10_000, onError } = options;
  const url = tunnelUrl(options.url);
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
  const target = { url, where: withoutSecrets(url), headers, handshakeTimeout, onError };
  return serveSockets(options, (transport, refuse) => new TunnelConnection(transport, target, refuse));
}

/**
 * The WebSocket's URL that somebody means: `wss://host/path` as it is, `https://host` and a mere `host` as `wss://host/v2`,
 * which is the path of Neon's driver. A mere `localhost:8080`, or another name of this machine, is `ws:`.
 * @throws TypeError for what is no such URL
 */
export function tunnelUrl(text: string): string {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `${isLoopback(text) ? "ws" : "wss"}://${text}`;
  const url = URL.parse(full.replace(/^http(?=s?:)/i, "ws"));
  if (!url || !/^wss?:$/.test(url.protocol) || url.hostname === "") {
    throw new TypeError(`a tunnel leads to wss://host/path, https://host or host, not to "${text}"`);
  }
  if (url.pathname === "/") url.pathname = "/v2";
  url.hash = "";
  return url.href;
}

function isLoopback(text: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])(?=[:/?]|$)/i.test(text);
}

/** A URL without user, password and query. */
function withoutSecrets(text: string): string {
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}
