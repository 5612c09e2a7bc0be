// The `connect` handler's work: one session for each inbound TCP connection, which is one invocation.
import { Session, type SessionOptions } from "../../src/session/mod.ts";
import { type InboundSocket, SocketTransport } from "./transport.ts";

/**
 * Serves one connection; settles when it is closed and the upstream has let go. The handler has to return this promise:
 * with the handler's end the runtime ends the connection, whatever `waitUntil` was given.
 */
export async function serveSocket(socket: InboundSocket, options: SessionOptions): Promise<void> {
  const { remoteAddress } = await socket.opened;
  const transport = new SocketTransport(socket, withoutPort(remoteAddress));
  const session = new Session(transport, options);
  transport.attach(session);
  await session.closed;
  await transport.closed;
}

/** `192.0.2.1:50000` and `[2001:db8::1]:50000` without what is of no use to anybody. */
function withoutPort(address: string | undefined): string | undefined {
  return address && (/^\[(.*)\]/.exec(address)?.[1] ?? address.replace(/:\d+$/, ""));
}
