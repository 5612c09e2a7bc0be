// The server socket: one session for each connection, over TCP or a Unix socket; a cap on connections that is answered in
// the protocol; graceful shutdown. Needs --allow-net for the address; for a Unix socket --allow-read and --allow-write for
// its path.
import { chmodSync, unlinkSync } from "node:fs";
import { memoryCancelRegistry, Session, type SessionOptions } from "../../src/session/mod.ts";
import { drain, tooManyClients, within } from "../node/drain.ts";
import type { Listener, ListenOptions as NodeListenOptions } from "../node/listen.ts";
import { ConnChannel } from "./channel.ts";
import type { TlsServer } from "./tls.ts";
import { ConnTransport } from "./transport.ts";
import { removeStale, socketPath } from "./unix-socket.ts";

export type { Listener } from "../node/listen.ts";

export interface ListenOptions extends Omit<NodeListenOptions, "tls"> {
  /** Offers TLS: after SSLRequest, and direct. Not on Unix sockets, as in PostgreSQL. */
  readonly tls?: TlsServer | undefined;
}

/** Milliseconds after the last session's end for clients to read its last words and hang up. */
const farewell = 1_000;

/** Connections above the cap, at a time, that are told so; they wait for a startup packet, too. */
const maxRefused = 100;

/** Milliseconds until a connection is looked for again after one could not be accepted: too many files are open. */
const acceptPause = 100;

/** Starts listening. Rejects with Deno's error, whose `code` is Node's (EADDRINUSE …), if that fails. */
export async function listen(session: SessionOptions, options: ListenOptions = {}): Promise<Listener> {
  const { maxConnections = 1_000, lostClientGrace = 5_000 } = options;
  const path = options.path === undefined ? undefined : socketPath(options.path, options.port);
  const tls = path === undefined ? options.tls : undefined;
  const cancels = session.cancels ?? memoryCancelRegistry();
  const sessions = new Set<Session>();
  const refused = new Set<Session>();
  const transports = new Set<ConnTransport>();
  const server: Deno.Listener =
    path === undefined ? listenTcp(options) : await listenUnix(path, options.mode);

  function accept(connection: Deno.Conn): void {
    const full = sessions.size + (options.others?.() ?? 0) >= maxConnections;
    if (full && refused.size >= maxRefused) return connection.close();
    if (isTcp(connection)) prepare(connection);
    const { remoteAddr } = connection;
    const address = "hostname" in remoteAddr ? remoteAddr.hostname : "[local]";
    const transport = new ConnTransport(new ConnChannel(connection), { tls, lostClientGrace, address });
    transports.add(transport);
    transport.closed.then(() => transports.delete(transport));
    const accepted = new Session(transport, {
      ...session,
      cancels,
      ...(full && { refuse: tooManyClients() }),
    });
    const kept = full ? refused : sessions;
    kept.add(accepted);
    accepted.closed.then(() => kept.delete(accepted));
    transport.attach(accepted);
  }

  let closing: Promise<void> | undefined;

  async function acceptAll(): Promise<void> {
    for (;;) {
      try {
        accept(await server.accept());
      } catch {
        if (closing) return;
        // A connection that could not be accepted is no reason to end those that stand.
        await new Promise((resolve) => setTimeout(resolve, acceptPause));
      }
    }
  }

  async function close(grace: number): Promise<void> {
    server.close();
    if (path !== undefined) remove(path);
    await drain([...sessions, ...refused], grace);
    const closed = Promise.all([...transports].map((transport) => transport.closed));
    if (await within(farewell, closed)) return;
    for (const transport of transports) transport.destroy();
  }

  void acceptAll();
  const { addr } = server;
  return {
    host: "hostname" in addr ? addr.hostname : "",
    port: "port" in addr ? addr.port : 0,
    path,
    get size() {
      return sessions.size;
    },
    close(grace = 10_000) {
      closing ??= close(grace);
      return closing;
    },
  };
}

function listenTcp({ host = "127.0.0.1", port = 0 }: ListenOptions): Deno.Listener {
  return Deno.listen({ hostname: host, port });
}

async function listenUnix(path: string, mode = 0o700): Promise<Deno.Listener> {
  const bound = (): Deno.Listener => Deno.listen({ transport: "unix", path });
  let server: Deno.Listener;
  try {
    server = bound();
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse) || !(await removeStale(path))) throw error;
    server = bound();
  }
  chmodSync(path, mode);
  return server;
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else has removed it.
  }
}

function isTcp(connection: Deno.Conn): connection is Deno.TcpConn {
  return "setNoDelay" in connection;
}

/** Deno has no say in when keepalive probes begin: it is the system's time, two hours on Linux. */
function prepare(connection: Deno.TcpConn): void {
  try {
    connection.setNoDelay();
    connection.setKeepAlive();
  } catch {
    // The client is gone already: whoever reads hears of it.
  }
}
