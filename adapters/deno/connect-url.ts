// The client half on Deno: a connection to the server that a URL names.
import { type Connection, connect, type Events, parseUrl } from "../../src/client/mod.ts";
import { urlDefaults } from "../node/connection-url.ts";
import { openSocket } from "./socket-stream.ts";

/**
 * Connects to `postgres://user:password@host:port/database?…`, with libpq's parameters (sslmode, sslrootcert,
 * channel_binding, connect_timeout …); PGUSER, PGPASSWORD and the system's user stand in for what it leaves out.
 *
 * @param settings startup parameters that those of the URL win over
 * @throws PgError: 22023 for a URL that makes no sense, 08001 if the server cannot be reached, or the server's own
 */
export async function connectUrl(
  url: string,
  events: Events = {},
  settings: Readonly<Record<string, string>> = {},
): Promise<Connection> {
  const { options, ...address } = parseUrl(url, urlDefaults());
  const stream = await openSocket(address, options.connectTimeout);
  return connect(stream, { ...options, parameters: { ...settings, ...options.parameters } }, events);
}
