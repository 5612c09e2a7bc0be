// A server socket, over TCP or a Unix socket: a transport for each connection, a cap on connections that is answered in
// the protocol, graceful shutdown. What is served over a transport is the caller's: sessions, or a tunnel's connections.
import { createServer, type Socket } from "node:net";
import type { PgError } from "../../src/wire/mod.ts";
import { bind } from "./bind.ts";
import { type Draining, drain, tooManyClients, within } from "./drain.ts";
import type { TlsServer } from "./tls.ts";
import { type Receiver, SocketTransport } from "./transport.ts";
import { socketPath } from "./unix-socket.ts";

export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 (default) takes a free port. With a folder as `path` it is part of the socket's name; its default is then 5432. */
  readonly port?: number | undefined;
  /** A Unix socket instead of host and port: its path, or the folder to put `.s.PGSQL.<port>` in. */
  readonly path?: string | undefined;
  /** Mode of the Unix socket. Default 0o700: the own user's processes only. */
  readonly mode?: number | undefined;
  /** Offers TLS: after SSLRequest, and direct. Not on Unix sockets, as in PostgreSQL. */
  readonly tls?: TlsServer | undefined;
  /** Sessions at a time; the next client gets FATAL 53300. Default 1,000. */
  readonly maxConnections?: number | undefined;
  /** Sessions that came by other ways and count, too: those over WebSockets. */
  readonly others?: (() => number) | undefined;
  /**
   * Milliseconds that a statement may go on after its client closed its side of the connection, before it is cancelled.
   * Such a client may still wait for its answer, or be gone for good. Default 5,000.
   */
  readonly lostClientGrace?: number | undefined;
}

export interface Listener {
  /** As it was bound; empty for a Unix socket. */
  readonly host: string;
  /** As it was bound; 0 for a Unix socket. */
  readonly port: number;
  /** Path of the Unix socket. */
  readonly path: string | undefined;
  /** Sessions at the moment. */
  readonly size: number;
  /**
   * Takes no more connections; ends idle sessions at once and the others after their statement (57P01), or after `grace`
   * milliseconds, default 10,000. Settles when every connection is closed.
   */
  close(grace?: number): Promise<void>;
}

/** Milliseconds before TCP keepalive probes, so that vanished clients do not hold a transaction for hours. */
const keepAliveDelay = 60_000;

/** Milliseconds after the last connection's end for clients to read its last words and hang up. */
const farewell = 1_000;

/** Connections above the cap, at a time, that are told so; they wait for a startup packet, too. */
const maxRefused = 100;

/**
 * Starts listening. `serve` is called for each connection, with the error to answer its startup with where there are too
 * many. Rejects with Node's error (EADDRINUSE …) if listening fails.
 */
export async function serveSockets(
  options: ListenOptions,
  serve: (transport: SocketTransport, refuse: PgError | undefined) => Receiver & Draining,
): Promise<Listener> {
  const { maxConnections = 1_000, lostClientGrace = 5_000 } = options;
  const path = options.path === undefined ? undefined : socketPath(options.path, options.port);
  const tls = path === undefined ? options.tls : undefined;
  const served = new Set<Draining>();
  const refused = new Set<Draining>();
  const transports = new Set<SocketTransport>();

  function accept(socket: Socket): void {
    const full = served.size + (options.others?.() ?? 0) >= maxConnections;
    if (full && refused.size >= maxRefused) return void socket.destroy();
    const transport = new SocketTransport(socket, { tls, lostClientGrace });
    transports.add(transport);
    transport.closed.then(() => transports.delete(transport));
    const accepted = serve(transport, full ? tooManyClients() : undefined);
    const kept = full ? refused : served;
    kept.add(accepted);
    accepted.closed.then(() => kept.delete(accepted));
    transport.attach(accepted);
  }

  const settings = {
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveDelay,
    // A client may close its side when it has asked everything, and still wants its answers.
    allowHalfOpen: true,
  };
  const server = createServer(settings, accept);
  await bind(server, { ...options, path });
  // A connection that could not be accepted (too many files) is no reason to end those that stand.
  server.on("error", () => {});
  const address = server.address();
  let closing: Promise<void> | undefined;

  async function close(grace: number): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await drain([...served, ...refused], grace);
    if (await within(farewell, closed)) return;
    for (const transport of transports) transport.destroy();
    await closed;
  }

  return {
    host: typeof address === "object" && address ? address.address : "",
    port: typeof address === "object" && address ? address.port : 0,
    path,
    get size() {
      return served.size;
    },
    close(grace = 10_000) {
      closing ??= close(grace);
      return closing;
    },
  };
}
