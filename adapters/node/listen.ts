// The server's sockets: one session for each connection.
import { memoryCancelRegistry, Session, type SessionOptions } from "../../src/session/mod.ts";
import { type Listener, type ListenOptions, serveSockets } from "./socket-server.ts";

export type { Listener, ListenOptions } from "./socket-server.ts";

/** Starts listening. Rejects with Node's error (EADDRINUSE …) if that fails. */
export function listen(session: SessionOptions, options: ListenOptions = {}): Promise<Listener> {
  const cancels = session.cancels ?? memoryCancelRegistry();
  return serveSockets(
    options,
    (transport, refuse) => new Session(transport, { ...session, cancels, ...(refuse && { refuse }) }),
  );
}
