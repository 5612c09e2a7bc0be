/**
 * Settings of the client's session, which the API has none for: what differs from the defaults is set anew in each
 * transaction, for that transaction (`set_config(…, true)`).
 */
import type { TransactionModes } from "../../session/mod.ts";
import type { SqlParameter } from "./api.ts";

/** Those that change what a statement does or gives. Names and notices (application_name, client_min_messages) do not. */
const defaults: ReadonlyMap<string, string> = new Map([
  ["bytea_output", "hex"],
  ["check_function_bodies", "on"],
  ["DateStyle", "ISO, MDY"],
  ["extra_float_digits", "1"],
  ["IntervalStyle", "postgres"],
  ["lc_monetary", "C"],
  ["lc_numeric", "C"],
  ["lc_time", "C"],
  ["lock_timeout", "0"],
  ["role", "none"],
  ["row_security", "on"],
  ["search_path", '"$user", public'],
  ["standard_conforming_strings", "on"],
  ["statement_timeout", "0"],
  ["synchronous_commit", "on"],
  ["TimeZone", "UTC"],
  ["work_mem", "4MB"],
  ["xmloption", "content"],
]);

/** The settings that differ. */
export function differingSettings(parameters: ReadonlyMap<string, string>): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of parameters) {
    const initial = name.includes(".") ? "" : defaults.get(name);
    if (initial === undefined || initial === value) continue;
    // From 1 on a float is written with as many digits as it needs, and no more.
    if (name === "extra_float_digits" && Number(value) >= 1) continue;
    found.set(name, value);
  }
  return found;
}

/** The value of a setting that does not differ. */
export function defaultSetting(name: string): string {
  return defaults.get(name) ?? "";
}

/** Whether values are to be written otherwise than the API writes them. The session takes no DateStyle but ISO. */
export function changesOutput(settings: ReadonlyMap<string, string>): boolean {
  return settings.has("TimeZone") || settings.has("bytea_output") || settings.has("extra_float_digits");
}

/** What SET SESSION CHARACTERISTICS has asked for. */
export function defaultModes(parameters: ReadonlyMap<string, string>): TransactionModes {
  const isolation = parameters.get("default_transaction_isolation");
  return {
    ...(isolation !== undefined && isolation !== "read committed" && { isolation }),
    ...(parameters.get("default_transaction_read_only") === "on" && { readOnly: true }),
    ...(parameters.get("default_transaction_deferrable") === "on" && { deferrable: true }),
  };
}

/** One statement that sets them all for the transaction. */
export function settingsStatement(settings: ReadonlyMap<string, string>): {
  sql: string;
  parameters: SqlParameter[];
} {
  const calls: string[] = [];
  const parameters: SqlParameter[] = [];
  for (const [name, value] of settings) {
    const [first, second] = [`p${parameters.length + 1}`, `p${parameters.length + 2}`];
    calls.push(`pg_catalog.set_config(:${first}, :${second}, true)`);
    parameters.push(
      { name: first, value: { stringValue: name } },
      { name: second, value: { stringValue: value } },
    );
  }
  return { sql: `SELECT ${calls.join(", ")}`, parameters };
}

/** SET TRANSACTION, the first statement of one that has modes. */
export function modesStatement({ isolation, readOnly, deferrable }: TransactionModes): string | undefined {
  const modes = [
    isolation !== undefined && `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    readOnly !== undefined && (readOnly ? "READ ONLY" : "READ WRITE"),
    deferrable !== undefined && (deferrable ? "DEFERRABLE" : "NOT DEFERRABLE"),
  ].filter((mode) => mode !== false);
  return modes.length === 0 ? undefined : `SET TRANSACTION ${modes.join(", ")}`;
}
