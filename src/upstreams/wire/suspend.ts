/**
 * Moving a client from one server connection to another, later one: reads what makes up its server session, and makes
 * it anew. What only the server process itself can hold (temporary tables, cursors WITH HOLD, session-level advisory
 * locks, LISTEN, with its notifications) keeps the session where it is. Two things do not survive: `lastval` and
 * `currval` are an error until the next `nextval`, and so is a prepared statement whose tables are gone.
 */
import { type Connection, prepare, query } from "../../client/mod.ts";
import { PgError } from "../../wire/error.ts";
import { identifier, literal, preparing } from "../shared/state.ts";
import type { SessionNotes, UnnamedStatement } from "./session-notes.ts";

type Pairs = readonly (readonly [string, string])[];

interface Prepared {
  readonly name: string;
  readonly query: string;
  readonly parameterTypes: readonly number[];
}

/** A server session outside a transaction; JSON can hold it. */
export interface WireState {
  /** The parameters as the client knows them. */
  readonly parameters: Pairs;
  readonly settings: Pairs;
  readonly role: string;
  /** SET SESSION AUTHORIZATION; absent: the user who logged in. */
  readonly user?: string;
  /** The named statements of the protocol's Parse. */
  readonly prepared: readonly Prepared[];
  /** SQL's PREPARE statements. */
  readonly prepares: readonly string[];
  readonly unnamed?: UnnamedStatement;
  /** Names that may be custom settings. */
  readonly names: readonly string[];
}

/** Characters of SQL that prepared statements may have for a session to be worth moving. */
const maxText = 4 * 1024 * 1024;

/** In ASCII, whatever client_encoding is. */
const pins = `
  SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = pg_catalog.pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = pg_catalog.pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)
    OR EXISTS (SELECT FROM pg_catalog.pg_listening_channels())
    OR EXISTS (SELECT FROM pg_catalog.pg_locks
      WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid())
    OR pg_catalog.current_setting('client_encoding') <> 'UTF8'`;

/** Undefined: it holds what cannot be moved. @throws PgError */
export async function capture(connection: Connection, notes: SessionNotes): Promise<WireState | undefined> {
  if (!notes.complete) return undefined;
  if ((await rows(connection, pins))[0]?.[0] !== "f") return undefined;
  const statements = await rows(
    connection,
    "SELECT name, statement, parameter_types::pg_catalog.oid[]::pg_catalog.text, from_sql FROM pg_catalog.pg_prepared_statements",
  );
  const text = statements.reduce((length, [, statement]) => length + (statement?.length ?? 0), 0);
  if (text > maxText) return undefined;
  const names = [...notes.names];
  const settings = await rows(
    connection,
    `SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings
        WHERE source = 'session' AND context IN ('user', 'superuser') AND name NOT LIKE 'transaction\\_%'
      UNION ALL
      SELECT name, pg_catalog.current_setting(name, true)
        FROM pg_catalog.unnest(${textArray(names)}) AS custom (name)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_settings AS known WHERE known.name = custom.name)`,
  );
  const told = [...connection.parameters.keys()];
  const parameters = await rows(
    connection,
    `SELECT name, pg_catalog.current_setting(name, true)
      FROM pg_catalog.unnest(${textArray(told)}) AS reported (name)
      UNION ALL SELECT '', session_user
      UNION ALL SELECT 'role', pg_catalog.current_setting('role')`,
  );
  const values = new Map(pairs(parameters));
  const user = values.get("") ?? "";
  const loggedIn = connection.parameters.get("session_authorization") ?? user;
  return {
    parameters: told.map((name) => [name, values.get(name) ?? connection.parameters.get(name) ?? ""]),
    settings: pairs(settings),
    role: values.get("role") ?? "none",
    ...(user !== loggedIn && { user }),
    prepared: statements.flatMap(([name, statement, types, fromSql]) =>
      fromSql === "t"
        ? []
        : [{ name: name ?? "", query: statement ?? "", parameterTypes: readOids(types ?? "{}") }],
    ),
    prepares: statements.flatMap(([name, statement, , fromSql]) =>
      fromSql === "t" ? (preparing(name ?? "", statement ?? "") ?? []) : [],
    ),
    ...(notes.unnamed && { unnamed: notes.unnamed }),
    names,
  };
}

/**
 * Makes the session anew on a connection that has nothing of its own yet. It takes one round trip. Gives the parameters
 * that the client knows otherwise. @throws PgError for a setting or a role that is refused now
 */
export async function restore(connection: Connection, state: WireState): Promise<Pairs> {
  const { settings, user, role, prepares, prepared, unnamed } = state;
  const session: string[] = [];
  if (settings.length > 0) {
    const calls = settings.map(
      ([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, false)`,
    );
    session.push(`SELECT ${calls.join(", ")}`);
  }
  if (user !== undefined) session.push(`SET SESSION AUTHORIZATION ${identifier(user)}`);
  if (role !== "none") session.push(`SET ROLE ${identifier(role)}`);
  const done: Promise<unknown>[] = [];
  if (session.length > 0) done.push(query(connection, session.join("; ")));
  // One that speaks of what is gone ends the statement, not the session.
  for (const text of prepares) done.push(query(connection, text).catch(onlyServer));
  for (const { name, query: sql, parameterTypes } of prepared) {
    done.push(prepare(connection, name, { sql, parameterTypes }).catch(onlyServer));
  }
  if (unnamed) {
    const { query: sql, parameterTypes } = unnamed;
    done.push(prepare(connection, "", { sql, parameterTypes }).catch(onlyServer));
  }
  await Promise.all(done);
  const told = new Map(state.parameters);
  return [...connection.parameters].filter(([name, value]) => told.get(name) !== value);
}

function onlyServer(error: unknown): void {
  if (!(error instanceof PgError) || error.severity !== "ERROR" || error.code.startsWith("08")) throw error;
}

type Cells = readonly (string | null)[];

async function rows(connection: Connection, sql: string): Promise<readonly Cells[]> {
  const [result] = await query(connection, sql);
  return (result?.rows ?? []) as readonly Cells[];
}

function pairs(cells: readonly Cells[]): Pairs {
  return cells.flatMap(([name, value]) =>
    typeof name === "string" && typeof value === "string" ? [[name, value]] : [],
  );
}

function textArray(names: readonly string[]): string {
  return `ARRAY[${names.map(literal).join(", ")}]::pg_catalog.text[]`;
}

function readOids(array: string): number[] {
  return array.slice(1, -1).split(",").filter(Boolean).map(Number);
}
