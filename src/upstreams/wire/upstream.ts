/** The `wire` upstream: a PostgreSQL server, over any byte stream, with everything that it can do. */
import type { ClientOptions, Connection, OpenStream } from "../../client/mod.ts";
import type { Upstream } from "../../session/upstream.ts";
import { fatal, PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { Pool, type PoolOptions } from "./pool.ts";
import { type Suspension, WireSession } from "./session.ts";
import { SessionNotes } from "./session-notes.ts";
import { restore, type WireState } from "./suspend.ts";

export type { PoolOptions } from "./pool.ts";

export interface WireOptions extends PoolOptions {
  /** Opens a connection to the server. */
  readonly open: OpenStream;
  /** Whom to connect as. The settings of a client's own startup packet go on top. */
  readonly client: ClientOptions;
}

/** Serves each client by a connection of its own to a PostgreSQL server. */
export function wireUpstream(options: WireOptions): Upstream {
  const { open, client: login } = options;
  const pool = new Pool(open, login, options);
  const route = { open, sslMode: login.sslMode, sslNegotiation: login.sslNegotiation };
  const processIds = new Map<number, number>();
  return {
    async connect(client, resumed) {
      try {
        const settings = startupSettings(client.login.parameters, login.parameters?.options);
        const connection = await pool.acquire(settings, client.signal);
        const suspension = client.suspendable ? await prepared(connection, pool, resumed) : undefined;
        return new WireSession(connection, pool, route, client.processId, processIds, suspension);
      } catch (error) {
        throw forClient(PgError.from(error));
      }
    },
    async ready() {
      // A connection that stands is proof enough.
      if (pool.taken + pool.idle > 0) return;
      try {
        await pool.release(await pool.acquire({}), true);
      } catch (error) {
        throw forClient(PgError.from(error));
      }
    },
    get connections() {
      return { taken: pool.taken, idle: pool.idle };
    },
    close: () => pool.close(),
  };
}

/** A connection for a session that may be suspended, and, if it was, with everything that it had. */
async function prepared(connection: Connection, pool: Pool, resumed: unknown): Promise<Suspension> {
  const notes = new SessionNotes();
  if (resumed === undefined) return { notes };
  const state = resumed as WireState;
  try {
    const parameters = await restore(connection, state);
    notes.resume(state.names, state.unnamed);
    return { notes, parameters };
  } catch (error) {
    await pool.release(connection, false);
    throw error;
  }
}

/** What a client's StartupMessage says about settings, for the server's. */
function startupSettings(
  parameters: ReadonlyMap<string, string>,
  ownOptions: string | undefined,
): Record<string, string> {
  const settings = new Map(parameters);
  // Who, where and how is the upstream's to say.
  for (const name of ["user", "database", "replication"]) settings.delete(name);
  const options = settings.get("options");
  if (options !== undefined && ownOptions !== undefined) settings.set("options", `${ownOptions} ${options}`);
  return Object.fromEntries(settings);
}

/** The gateway's own password is not the client's: it must not be asked for it again. */
function forClient(error: PgError): PgError {
  const { code, message, ...fields } = error.fields;
  if (!code.startsWith("28")) return fatal(code, message, fields);
  return new PgError(
    sqlstate.sqlclientUnableToEstablishSqlconnection,
    "the gateway could not log in to the database server",
    { severity: "FATAL" },
    { cause: error },
  );
}
