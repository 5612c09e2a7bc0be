/** An upstream that serves many clients from one PostgreSQL session, such as an embedded PGlite. */
import { startupSettings } from "../../session/startup-options.ts";
import type { Upstream } from "../../session/upstream.ts";
import type { ProtocolBackend } from "./backend.ts";
import { SharedHub, type SharedOptions } from "./hub.ts";
import { SharedSession } from "./session.ts";

export type { ProtocolBackend } from "./backend.ts";
export type { SharedOptions } from "./hub.ts";

/**
 * Shares a backend among clients. Each has the session to itself from its first message until ReadyForQuery outside a
 * transaction; settings, prepared statements and LISTEN are each client's own. A client with a temporary table, a
 * cursor WITH HOLD or a session-level advisory lock keeps the backend until it drops them or leaves.
 */
export function sharedUpstream(backend: ProtocolBackend, options: SharedOptions = {}): Upstream {
  const hub = new SharedHub(backend, options);
  return {
    async connect(client) {
      if (hub.backend.lost) throw hub.backend.lost;
      await hub.open();
      const session = new SharedSession(hub, client, startupSettings(client.login.parameters));
      await hub.introduce(session);
      hub.sessions.add(session);
      return session;
    },
    close: () => backend.close(),
  };
}
