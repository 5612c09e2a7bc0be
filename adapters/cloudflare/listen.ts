// The `connect` handler's work: one session for each inbound TCP connection, which is one invocation.
import { Session, type SessionOptions } from "../../src/session/mod.ts";
import { type InboundSocket, SocketTransport } from "./transport.ts";

/** Serves one connection; settles when it is closed and the upstream has let go. */
export async function serveSocket(socket: InboundSocket, options: SessionOptions): Promise<void> {
  const transport = new SocketTransport(socket);
  const session = new Session(transport, options);
  transport.attach(session);
  await session.closed;
  await transport.closed;
}
