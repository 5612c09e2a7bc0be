/** An upstream that serves many clients from one PostgreSQL session, such as an embedded PGlite. */
import { startupSettings } from "../../session/startup-options.ts";
import type { Upstream } from "../../session/upstream.ts";
import type { ProtocolBackend } from "./backend.ts";
import { refusedEncoding } from "./encoding.ts";
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
      const settings = startupSettings(client.login.parameters);
      checkEncoding(settings);
      const session = new SharedSession(hub, client, settings);
      await hub.introduce(session);
      hub.sessions.add(session);
      return session;
    },
    closed: hub.ended,
    close: () => (hub.backend.lost ? undefined : backend.close()),
  };
}

/** The shared session speaks UTF8; a client that wants another encoding is told so before it sends text. */
function checkEncoding(settings: Map<string, string>): void {
  for (const [name, value] of settings) {
    if (name.toLowerCase() !== "client_encoding") continue;
    const refused = refusedEncoding(value);
    if (refused) throw refused;
    // asyncpg sends 'utf-8' with the quotes.
    if (/^'?(utf-?8|unicode)'?$/i.test(value)) settings.delete(name);
  }
}
