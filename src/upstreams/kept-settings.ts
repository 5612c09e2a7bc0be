/**
 * Settings of a client's session that the gateway keeps, for APIs that give each request another session: what differs
 * from what that session has is set anew in each request or transaction, for it alone (`set_config(…, true)`).
 */

/** Those that change what a statement does or gives. Names and notices (application_name, client_min_messages) do not. */
const defaults: ReadonlyMap<string, string> = new Map([
  ["bytea_output", "hex"],
  ["check_function_bodies", "on"],
  ["DateStyle", "ISO, MDY"],
  ["extra_float_digits", "1"],
  ["IntervalStyle", "postgres"],
  ["jit", "on"],
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

/** The names of the settings that are kept, but for custom ones. */
export const keptSettings: readonly string[] = [...defaults.keys()];

/** The settings that differ from PostgreSQL's defaults, or from what the database was found to begin with. */
export function differingSettings(
  parameters: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string> = defaults,
): Map<string, string> {
  const differing = new Map<string, string>();
  for (const [name, value] of parameters) {
    const initial = name.includes(".") ? "" : found.get(name);
    if (initial === undefined || !(defaults.has(name) || name.includes(".")) || initial === value) continue;
    // From 1 on a float is written with as many digits as it needs, and no more.
    if (name === "extra_float_digits" && Number(value) >= 1 && Number(initial) >= 1) continue;
    differing.set(name, value);
  }
  return differing;
}

/** PostgreSQL's default of a setting. */
export function defaultSetting(name: string): string {
  return defaults.get(name) ?? "";
}
