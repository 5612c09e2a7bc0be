/**
 * The settings of a client's StartupMessage, over HTTP: Neon's proxy runs statements in sessions of its own choice, which
 * have the user's and the database's settings, and nothing that a connection string says. One request tells the client's
 * parameters, and which settings have to be set in front of its statements.
 */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { SqlHttp, SqlHttpStatement } from "./http.ts";

export interface HttpSettings {
  /** What ParameterStatus tells, as it is with the client's settings. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Those of the client's settings that the endpoint's sessions do not have. */
  readonly missing: ReadonlyMap<string, string>;
}

/** GUC_REPORT in PostgreSQL's guc_tables.c. */
const reported = [
  "application_name",
  "DateStyle",
  "default_transaction_read_only",
  "in_hot_standby",
  "integer_datetimes",
  "IntervalStyle",
  "is_superuser",
  "scram_iterations",
  "search_path",
  "server_encoding",
  "server_version",
  "session_authorization",
  "standard_conforming_strings",
  "TimeZone",
];

/** Text is UTF-8 here, whatever a client would like. */
const own: ReadonlySet<string> = new Set(["client_encoding"]);

/** Settings with which a transaction begins: too late for a statement that stands in one. */
const ofTransactions = /^default_transaction_/i;

/** Asks for the settings of a client. @throws PgError for one that the server refuses */
export async function askSettings(
  http: SqlHttp,
  wanted: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<HttpSettings> {
  checkEncoding(wanted);
  const asked = [...wanted].filter(([name]) => !own.has(name.toLowerCase()));
  const parameters: string[] = [];
  const bind = (value: string): string => `$${parameters.push(value)}::text`;
  // The rows come in this order: what is reported is read when the settings are set.
  const rows = [
    ...asked.map(([name, value]) => {
      const bound = bind(name);
      return `SELECT 'set', ${bound}, pg_catalog.current_setting(${bound}, true), pg_catalog.set_config(${bound}, ${bind(value)}, true)`;
    }),
    ...reported.map((name) => `SELECT 'told', '${name}', pg_catalog.current_setting('${name}', true), NULL`),
    "SELECT 'told', 'session_authorization', session_user::text, NULL",
  ];
  const result = await http.query({ sql: rows.join(" UNION ALL "), parameters }, signal);
  const told = new Map<string, string>([["client_encoding", "UTF8"]]);
  const missing = new Map<string, string>();
  for (const [what, name, now, then] of result.rows) {
    if (typeof name !== "string") continue;
    if (what === "told" && typeof now === "string") told.set(name, now);
    if (what === "set" && now !== then) missing.set(name, wanted.get(name) ?? "");
  }
  return { parameters: told, missing };
}

function checkEncoding(wanted: ReadonlyMap<string, string>): void {
  for (const [name, value] of wanted) {
    if (name.toLowerCase() === "client_encoding") requireUtf8(value);
  }
}

/** @throws PgError 0A000 for another encoding than UTF-8 */
export function requireUtf8(value: string): void {
  if (/^(utf-?8|unicode)?$/i.test(value.replaceAll(/['"\s]/g, ""))) return;
  throw new PgError(
    sqlstate.featureNotSupported,
    `client_encoding ${value} is not supported by this database`,
    {
      hint: "Set client_encoding to UTF8.",
    },
  );
}

/**
 * What goes in front of a statement in its transaction, so that it has the client's settings. application_name, which
 * changes no result, is set only for statements that may look at it: else a request of every psql would be two.
 */
export function settingsFor(sql: string, missing: ReadonlyMap<string, string>): SqlHttpStatement | undefined {
  const calls: string[] = [];
  const parameters: string[] = [];
  for (const [name, value] of missing) {
    if (name === "application_name" && !/application_name|\bshow\b|pg_settings|pg_stat/i.test(sql)) continue;
    calls.push(`pg_catalog.set_config($${parameters.push(name)}, $${parameters.push(value)}, true)`);
  }
  return calls.length === 0 ? undefined : { sql: `SELECT ${calls.join(", ")}`, parameters };
}

/** Whether settings can be set in front of a statement at all. */
export function canPrecede(missing: ReadonlyMap<string, string>): boolean {
  return ![...missing.keys()].some((name) => ofTransactions.test(name));
}
