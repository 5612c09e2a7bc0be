// A tunnel: listens for PostgreSQL clients on a local address, and carries each connection over a WebSocket of its own to
// a gateway that no TCP connection reaches, as a Worker or an app on Deno Deploy.
import { validateHeaderName, validateHeaderValue } from "node:http";
import { createServer, type Socket } from "node:net";
import type { PgError } from "../../src/wire/mod.ts";
import { bind } from "./bind.ts";
import { drain, tooManyClients, within } from "./drain.ts";
import type { Listener } from "./listen.ts";
import type { TlsServer } from "./tls.ts";
import { SocketTransport } from "./transport.ts";
import { TunnelConnection } from "./tunnel-connection.ts";
import { socketPath } from "./unix-socket.ts";

export interface TunnelOptions {
  /** Where to: see tunnelUrl(). */
  readonly url: string;
  /** For the handshake of each WebSocket: what a protected endpoint asks for. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 (default) takes a free port. With a folder as `path` it is part of the socket's name. */
  readonly port?: number | undefined;
  /** A Unix socket instead of host and port: its path, or the folder to put `.s.PGSQL.<port>` in. */
  readonly path?: string | undefined;
  /** Offers TLS to clients that insist on it. The way to the gateway is encrypted by `wss:` in any case. */
  readonly tls?: TlsServer | undefined;
  /** Connections at a time; the next client gets FATAL 53300. Default 1,000. */
  readonly maxConnections?: number | undefined;
  /** Milliseconds for the handshake of a WebSocket. Default 10,000. */
  readonly handshakeTimeout?: number | undefined;
  /** Is told of every WebSocket that could not be opened, or broke; so is its client, with the same error. */
  readonly onError?: ((error: PgError) => void) | undefined;
}

/** Milliseconds before TCP keepalive probes. */
const keepAliveDelay = 60_000;

/** Milliseconds that a statement may go on after its client closed its side; see ListenOptions. */
const lostClientGrace = 5_000;

/** Milliseconds after the last connection's end for clients to read its last words and hang up. */
const farewell = 1_000;

/**
 * Starts listening. Nothing is opened before a client comes.
 * @throws TypeError for a URL or a header that makes no sense, and Node's error (EADDRINUSE …) if the address is no good
 */
export async function openTunnel(options: TunnelOptions): Promise<Listener> {
  const { headers = {}, maxConnections = 1_000, handshakeTimeout = 10_000, onError } = options;
  const url = tunnelUrl(options.url);
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
  const target = { url, where: withoutSecrets(url), headers, handshakeTimeout, onError };
  const path = options.path === undefined ? undefined : socketPath(options.path, options.port);
  const connections = new Set<TunnelConnection>();
  const transports = new Set<SocketTransport>();

  function accept(socket: Socket): void {
    const transport = new SocketTransport(socket, { tls: options.tls, lostClientGrace });
    const full = connections.size >= maxConnections;
    const connection = new TunnelConnection(transport, target, full ? tooManyClients() : undefined);
    transports.add(transport);
    transport.closed.then(() => transports.delete(transport));
    if (!full) connections.add(connection);
    connection.closed.then(() => connections.delete(connection));
    transport.attach(connection);
  }

  const server = createServer(
    {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveDelay,
      // A client may close its side when it has asked everything, and still wants its answers.
      allowHalfOpen: true,
    },
    accept,
  );
  await bind(server, { ...options, path });
  // A connection that could not be accepted (too many files) is no reason to end those that stand.
  server.on("error", () => {});
  const address = server.address();
  let closing: Promise<void> | undefined;

  async function close(grace: number): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await drain([...connections], grace);
    if (await within(farewell, closed)) return;
    for (const transport of transports) transport.destroy();
    await closed;
  }

  return {
    host: typeof address === "object" && address ? address.address : "",
    port: typeof address === "object" && address ? address.port : 0,
    path,
    get size() {
      return connections.size;
    },
    close(grace = 10_000) {
      closing ??= close(grace);
      return closing;
    },
  };
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
