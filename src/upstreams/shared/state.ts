/**
 * What makes up a PostgreSQL session besides its transaction, saved when another client gets its turn and brought back
 * later: settings (custom ones too), role, and statements of SQL's PREPARE. What cannot be moved (temporary tables,
 * cursors WITH HOLD, session-level advisory locks) keeps the backend with its client.
 */
import { classify } from "../../sql/classify.ts";
import { splitStatements } from "../../sql/split.ts";
import type { SharedBackend } from "./backend.ts";

/** One client's session state while another one has its turn. */
export interface SessionState {
  /** Settings of the startup packet: what RESET goes back to. */
  readonly startup: ReadonlyMap<string, string>;
  /** Settings that differ from the backend's own, by name. */
  readonly settings: Map<string, string>;
  role: string;
  /** SET SESSION AUTHORIZATION; undefined: the backend's own user. */
  user: string | undefined;
  /** Texts of SQL's PREPARE statements. */
  prepared: string[];
  /** The settings were set once, as they are, without an error. */
  proven: boolean;
}

/** What a turn may have left behind, seen from its command tags and texts. */
export interface Traces {
  settings: boolean;
  prepared: boolean;
  /** Dotted names that may be custom settings: pg_settings does not list those. */
  readonly customSettings: Set<string>;
}

export function emptyState(settings: ReadonlyMap<string, string> = new Map()): SessionState {
  return {
    startup: settings,
    settings: new Map(settings),
    role: "none",
    user: undefined,
    prepared: [],
    proven: false,
  };
}

export function noTraces(): Traces {
  return { settings: false, prepared: false, customSettings: new Set() };
}

const customName = /[A-Za-z_][\w$]*"?(?:\."?[A-Za-z_][\w$]*)+/g;

/** Notes what a text may do to the session. Command tags tell the rest (see `traceTag`). */
export function traceText(traces: Traces, text: string): void {
  if (!/\bset(_config)?\b/i.test(text)) return;
  if (/set_config|pg_settings/i.test(text)) traces.settings = true;
  for (const [name] of text.matchAll(customName)) {
    if (traces.customSettings.size < 1000) traces.customSettings.add(name.replaceAll('"', "").toLowerCase());
  }
}

export function traceTag(traces: Traces, tag: string): void {
  switch (tag) {
    case "SET":
    case "RESET":
    case "DISCARD ALL":
      traces.settings = true;
      traces.prepared ||= tag === "DISCARD ALL";
      return;
    case "PREPARE":
    case "DEALLOCATE":
    case "DEALLOCATE ALL":
      traces.prepared = true;
      return;
    case "DO":
    case "CALL":
      traces.settings = true;
      traces.prepared = true;
  }
}

/**
 * SQL after which a session may hold what cannot be moved. Functions hide such statements from their callers, but their
 * bodies came as SQL, too.
 */
export const mayPin: RegExp = /temp|advisory|\bhold\b/i;

/**
 * In the body of a function: set_config, SET (not that of UPDATE) or PREPARE, also as text for EXECUTE. A call of such a
 * function leaves no trace in a command tag. Functions with settings of their own put them back themselves.
 */
const hidingBody = "(?:set_config|(?:^|;|'|\"|\\$|begin|then|else|loop)\\s*(?:set|prepare|deallocate)\\s)";

/** SQL that makes functions which change the session's state. */
export const mayHideState: RegExp = new RegExp(`\\b(?:function|procedure)\\b[\\s\\S]*${hidingBody}`, "i");

/** Whether functions that were there before may do what `mayPin` and `mayHideState` look for. */
export async function hiddenInFunctions(
  backend: SharedBackend,
): Promise<{ readonly pins: boolean; readonly state: boolean }> {
  const [row] = await backend.query(`
    SELECT coalesce(pg_catalog.bool_or(body ~* 'temp|advisory|\\mhold\\M'), false),
        coalesce(pg_catalog.bool_or(body ~* ${literal(hidingBody)}), false)
      FROM (
        SELECT p.prosrc || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') AS body
          FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')) AS function`);
  return { pins: row?.[0] === "t", state: row?.[1] === "t" };
}

/**
 * Whether the session holds what only the backend itself can hold. `pg_my_temp_schema()` is 0 until the first
 * temporary table, so that this costs next to nothing for most.
 */
export async function isPinned(backend: SharedBackend): Promise<boolean> {
  const [row] = await backend.query(`
    SELECT (pg_catalog.pg_my_temp_schema() <> 0 AND EXISTS (
        SELECT FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema()))
      OR EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory')
      OR EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)`);
  return row?.[0] === "t";
}

/** Reads the state of the session as it is now. */
export async function capture(
  backend: SharedBackend,
  state: SessionState,
  traces: Traces,
  ownUser: string,
): Promise<void> {
  if (traces.settings) {
    const custom = [
      ...traces.customSettings,
      ...[...state.settings.keys()].filter((name) => name.includes(".")),
    ];
    const names = custom.map(literal).join(", ");
    const rows = await backend.query(`
      SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings
        WHERE source = 'session' AND context IN ('user', 'superuser') AND name NOT LIKE 'transaction\\_%'
      UNION ALL
      SELECT name, pg_catalog.current_setting(name, true)
        FROM pg_catalog.unnest(ARRAY[${names}]::text[]) AS custom (name)
        WHERE pg_catalog.current_setting(name, true) <> ''
      UNION ALL SELECT 'role', pg_catalog.current_setting('role')
      UNION ALL SELECT 'session_authorization', session_user`);
    state.settings.clear();
    // They come from the server itself, but a role may be gone when it is needed again.
    state.proven = true;
    for (const [name, value] of rows) {
      if (name === "role") state.role = value ?? "none";
      else if (name === "session_authorization")
        state.user = value === ownUser ? undefined : (value ?? undefined);
      else if (name && value !== null && value !== undefined) state.settings.set(name, value);
    }
  }
  if (traces.prepared) {
    const rows = await backend.query(
      "SELECT name, statement FROM pg_catalog.pg_prepared_statements WHERE from_sql",
    );
    state.prepared = rows.flatMap(([name, text]) => preparing(name ?? "", text ?? "") ?? []);
  }
}

/** Settings that are lists of names (GUC_LIST_QUOTE in the server's guc_tables.c). */
const listSettings = /^(search_path|temp_tablespaces|\w+_preload_libraries|unix_socket_directories)$/i;

/** Whether one client's settings are the other's, so that nothing has to be set when turns change. */
export function sameSettings(left: SessionState, right: SessionState): boolean {
  if (left.settings.size !== right.settings.size || left.role !== right.role || left.user !== right.user)
    return false;
  for (const [name, value] of left.settings) if (right.settings.get(name) !== value) return false;
  return true;
}

/** What a change of turns always clears: the sequences' last values would be another client's. */
export const discardSequences = "DISCARD SEQUENCES";

/** What has to be done besides, because of what the last client did. */
export interface Restoration {
  /** Statements of SQL's PREPARE are to go. */
  readonly deallocate: boolean;
  /** The user to become, if it is another one. */
  readonly user: string | undefined;
}

/** The PREPARE of that name: PostgreSQL keeps the whole query that it came in, which must not be run again. */
export function preparing(name: string, query: string): string | undefined {
  try {
    const own = splitStatements(query).filter(({ text }) => {
      const statement = classify(text);
      return statement.type === "prepare" && statement.name === name;
    });
    return own.at(-1)?.text;
  } catch {
    return undefined;
  }
}

/** The SQL that clears what the last client left, and sets what the next one had. */
export function restoreText(state: SessionState, { deallocate, user }: Restoration): string {
  const statements = ["RESET ALL", "RESET ROLE", discardSequences];
  // RESET SESSION AUTHORIZATION does nothing in PGlite.
  if (user !== undefined) statements.unshift(`SET SESSION AUTHORIZATION ${identifier(user)}`);
  if (deallocate) statements.push("DEALLOCATE ALL");
  for (const [name, value] of state.settings) {
    // SET takes a tenth of the time, but would quote a list as if it were one name.
    if (listSettings.test(name)) {
      statements.push(`SELECT pg_catalog.set_config(${literal(name)}, ${literal(value)}, false)`);
    } else statements.push(`SET ${name.split(".").map(identifier).join(".")} = ${literal(value)}`);
  }
  if (state.role !== "none") statements.push(`SET ROLE ${identifier(state.role)}`);
  // One query is one round trip, and one implicit transaction: a value that is refused leaves nothing half done.
  return [...statements, ...state.prepared].join("; ");
}

/** Runs `restoreText`. */
export async function restore(
  backend: SharedBackend,
  state: SessionState,
  restoration: Restoration,
): Promise<void> {
  const { prepared } = state;
  try {
    await backend.query(`SELECT 1; ${restoreText(state, restoration)}`);
  } catch (error) {
    if (prepared.length === 0) throw error;
    // One of them may speak of a table that is gone: that ends the statement, not the session.
    state.prepared = [];
    await backend.query(`SELECT 1; ${restoreText(state, restoration)}`);
    for (const text of prepared) if (await prepares(backend, text)) state.prepared.push(text);
  }
  state.proven = true;
}

function prepares(backend: SharedBackend, text: string): Promise<boolean> {
  return backend.query(`SELECT 1; ${text}`).then(
    () => true,
    () => false,
  );
}

/** What a client that has gone leaves: nothing. */
export async function discard(backend: SharedBackend, ownUser: string): Promise<void> {
  await backend.query(
    `SELECT 1; SET SESSION AUTHORIZATION ${identifier(ownUser)}; CLOSE ALL; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES; RESET ALL; RESET ROLE`,
  );
}

export function literal(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return text.includes("\\") ? `E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
