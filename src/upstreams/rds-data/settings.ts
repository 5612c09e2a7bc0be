/** Settings of the client's session, which the API has none for, as a transaction of the API is given them. */
import type { SqlParameter } from "./api.ts";

/** Whether values are to be written otherwise than the API writes them. The session takes no DateStyle but ISO. */
export function changesOutput(settings: ReadonlyMap<string, string>): boolean {
  return settings.has("TimeZone") || settings.has("bytea_output") || settings.has("extra_float_digits");
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
