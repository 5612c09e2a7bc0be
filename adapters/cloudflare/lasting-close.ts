// The end of a session over HTTP. Its requests to an upstream (a ROLLBACK behind a statement that failed) go on when the
// answer is complete, or the client gone, and the runtime would end the invocation there, if it were not told to wait.
import { waitUntil } from "cloudflare:workers";
import type { Upstream } from "../../src/session/mod.ts";

/** The upstream, with sessions that the invocation lasts as long as: the runtime allows 30 seconds more. */
export function lastingClose(upstream: Upstream): Upstream {
  return {
    async connect(...client) {
      const session = await upstream.connect(...client);
      const close = session.close?.bind(session);
      if (!close) return session;
      const over = Promise.withResolvers<void>();
      waitUntil(over.promise);
      session.close = async () => {
        try {
          await close();
        } finally {
          over.resolve();
        }
      };
      return session;
    },
  };
}
