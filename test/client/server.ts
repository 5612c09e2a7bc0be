/** edgewire's own server half as the other end of a client's stream: a Session over a duplex in memory. */
import { trustAuthSource } from "../../src/auth/mod.ts";
import type { ByteStream } from "../../src/client/mod.ts";
import type { StatementSession, Upstream } from "../../src/session/mod.ts";
import {
  type CancelRegistry,
  memoryCancelRegistry,
  Session,
  type SessionOptions,
} from "../../src/session/mod.ts";
import { type DuplexOptions, duplex } from "./duplex.ts";

export interface TestServer {
  /** Opens another connection. */
  open(): Promise<ByteStream>;
  readonly sessions: ReadonlySet<Session>;
  /** Waits until the sessions of clients that have gone have let go of everything. */
  settled(): Promise<void>;
  /** The same for all sessions. */
  closed(): Promise<void>;
}

export type ServerOptions = Omit<Partial<SessionOptions>, "upstream"> & {
  readonly upstream: Upstream | StatementSession["query"];
  readonly duplex?: DuplexOptions | undefined;
};

/** A server of one process: its sessions share a cancel registry. */
export function testServer({ upstream, duplex: pipe, ...options }: ServerOptions): TestServer {
  const served: Upstream =
    typeof upstream === "function" ? { connect: () => ({ query: upstream }) } : upstream;
  const cancels: CancelRegistry = memoryCancelRegistry();
  const sessions = new Set<Session>();
  const left = new Set<Session>();
  return {
    sessions,
    async open() {
      const { client, server } = duplex(pipe);
      const session = new Session(server, {
        auth: trustAuthSource(),
        cancels,
        ...options,
        upstream: ({ database }) => (database === "nosuch" ? undefined : served),
      });
      server.onData = (chunk) => session.receive(chunk);
      server.onClose = () => session.end();
      sessions.add(session);
      session.closed.then(() => {
        sessions.delete(session);
        left.delete(session);
      });
      for (const goodbye of ["end", "destroy"] as const) {
        const method = client[goodbye].bind(client);
        client[goodbye] = () => {
          if (sessions.has(session)) left.add(session);
          method();
        };
      }
      return client;
    },
    async settled() {
      await Promise.all([...left].map(({ closed }) => closed));
    },
    async closed() {
      await Promise.all([...sessions].map(({ closed }) => closed));
    },
  };
}
