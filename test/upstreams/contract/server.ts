/** Sessions before an upstream, each over a connection in memory, as a gateway has them. */
import { trustAuthSource } from "../../../src/auth/mod.ts";
import type { ByteStream } from "../../../src/client/mod.ts";
import {
  memoryCancelRegistry,
  memoryNotificationBroker,
  Session,
  type Upstream,
} from "../../../src/session/mod.ts";
import { duplex } from "../../client/duplex.ts";

export interface ContractServer {
  open(): Promise<CountedStream>;
  /** Settles when every session has let go of everything. */
  closed(): Promise<void>;
}

/** The client's end, and how many bytes the session has sent to it. */
export interface CountedStream extends ByteStream {
  readonly sent: () => number;
}

export function contractServer(upstream: Upstream): ContractServer {
  const cancels = memoryCancelRegistry();
  const notifications = memoryNotificationBroker();
  const sessions = new Set<Session>();
  return {
    async open() {
      const { client, server } = duplex();
      let sent = 0;
      const write = server.write.bind(server);
      server.write = (bytes) => {
        sent += bytes.length;
        return write(bytes);
      };
      const session = new Session(server, {
        auth: trustAuthSource(),
        cancels,
        notifications,
        upstream: () => upstream,
      });
      server.onData = (chunk) => session.receive(chunk);
      server.onClose = () => session.end();
      sessions.add(session);
      session.closed.then(() => sessions.delete(session));
      return Object.assign(client, { sent: () => sent });
    },
    async closed() {
      await Promise.all([...sessions].map(({ closed }) => closed));
    },
  };
}
