// The TCP server: one session for each connection; direct TLS told from plain protocol by the first byte; Unix sockets;
// a cap on connections that is answered in the protocol; graceful shutdown.
import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Session, type SessionOptions } from "../../src/session/mod.ts";
import { fatal, type PgError, sqlstate } from "../../src/wire/mod.ts";
import type { TlsServer } from "./tls.ts";
import { SocketTransport } from "./transport.ts";

export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 takes a free port. */
  readonly port?: number | undefined;
  /** Path of a Unix socket, instead of host and port. */
  readonly path?: string | undefined;
  readonly tls?: TlsServer | undefined;
  /** Connections at a time; the next one gets FATAL 53300. Default 1,000. */
  readonly maxConnections?: number | undefined;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Sessions at the moment. */
  readonly size: number;
  /** Takes no more connections, ends idle sessions at once and the others after their statement (57P01). */
  close(graceMilliseconds?: number): Promise<void>;
}

/** Milliseconds before TCP keepalive probes, so that vanished clients do not hold a transaction for hours. */
const keepAliveDelay = 60_000;
const tlsHandshakeByte = 0x16;

/** Starts listening. Rejects with Node's error (EADDRINUSE …) if that fails. */
export async function listen(session: SessionOptions, options: ListenOptions = {}): Promise<Listener> {
  const sessions = new Set<Session>();
  const maxConnections = options.maxConnections ?? 1_000;
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveDelay }, (socket) => {
    socket.on("error", () => {});
    if (options.tls) peekTls(socket, options.tls, open);
    else open(socket);
  });

  function open(socket: Socket): void {
    const transport = new SocketTransport(socket, options.tls);
    const accepted = new Session(transport, {
      ...session,
      ...(sessions.size >= maxConnections && { refuse: tooManyClients() }),
    });
    sessions.add(accepted);
    accepted.closed.then(() => sessions.delete(accepted));
    transport.attach(accepted);
  }

  await started(server, options);
  const address = server.address();
  return {
    host: typeof address === "object" && address ? address.address : (options.path ?? ""),
    port: typeof address === "object" && address ? address.port : 0,
    get size() {
      return sessions.size;
    },
    async close(grace = 10_000) {
      server.close();
      for (const open of sessions) open.shutdown();
      const timer = setTimeout(() => {
        for (const open of sessions) open.end();
      }, grace);
      await Promise.all([...sessions].map(({ closed }) => closed));
      clearTimeout(timer);
    },
  };
}

function tooManyClients(): PgError {
  return fatal(sqlstate.tooManyConnections, "sorry, too many clients already");
}

function started(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const ready = (): void => {
      server.off("error", reject);
      resolve();
    };
    if (options.path !== undefined) server.listen(options.path, ready);
    else server.listen(options.port ?? 0, options.host ?? "127.0.0.1", ready);
  });
}

/** PostgreSQL 17's direct TLS: the connection begins with a handshake instead of a startup packet. */
function peekTls(socket: Socket, tls: TlsServer, open: (socket: Socket) => void): void {
  socket.once("data", (first: Buffer) => {
    socket.pause();
    socket.unshift(first);
    if (first[0] !== tlsHandshakeByte) {
      open(socket);
      socket.resume();
      return;
    }
    const secure = new TLSSocket(socket, { isServer: true, ...tls.options() });
    secure.on("error", () => socket.destroy());
    secure.once("secure", () => {
      // Without ALPN a cross-protocol attack could reach the server (PostgreSQL requires it, too).
      if (secure.alpnProtocol === "postgresql") open(secure);
      else secure.destroy();
    });
  });
}
