/** The `wire` upstream: a PostgreSQL server, over any byte stream, with everything that it can do. */
import { type ClientOptions, execute, type OpenStream } from "../../client/mod.ts";
import { startupSettings } from "../../session/startup-options.ts";
import type { Upstream } from "../../session/upstream.ts";
import { PgError } from "../../wire/error.ts";
import { Pool, type PoolOptions } from "./pool.ts";
import { WireSession } from "./session.ts";

export type { PoolOptions } from "./pool.ts";

export interface WireOptions extends PoolOptions {
  /** Opens a connection to the server. */
  readonly open: OpenStream;
  /** Whom to connect as. The client's own settings (application_name, TimeZone …) are set on top. */
  readonly client: ClientOptions;
}

/** Serves each client by a connection of its own to a PostgreSQL server. */
export function wireUpstream(options: WireOptions): Upstream {
  const pool = new Pool(options.open, options.client, options);
  return {
    async connect(client) {
      const connection = await pool.acquire();
      const settings = startupSettings(client.login.parameters);
      // What the server is told is UTF8 whatever the client calls it; the session has refused everything else.
      settings.delete("client_encoding");
      try {
        for (const [name, value] of settings) {
          await execute(connection, { sql: "SELECT pg_catalog.set_config($1, $2, false)", parameters: [name, value] });
        }
      } catch (error) {
        await pool.release(connection, false);
        // A bad setting in the startup packet ends the connection, as it does on the server.
        const { code, message, ...fields } = PgError.from(error).fields;
        throw new PgError(code, message, { ...fields, severity: "FATAL" });
      }
      return new WireSession(connection, pool, options);
    },
    close: () => pool.close(),
  };
}
