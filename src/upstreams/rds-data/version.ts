/** The cluster's version: clients choose by it what they ask of the catalog. */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { DataApi } from "./client.ts";

/** Settings that tell the version. */
export type Version = readonly (readonly [name: "server_version" | "server_version_num", value: string])[];

const names = ["server_version", "server_version_num"] as const;

/** @throws PgError */
export async function askVersion(api: DataApi, signal: AbortSignal): Promise<Version> {
  const calls = names.map((name) => `pg_catalog.current_setting('${name}')`);
  const answer = await api.execute(`SELECT ${calls.join(", ")}`, [], undefined, signal);
  if (answer.type === "refused") throw answer.error;
  const [row = []] = answer.result.records ?? [];
  return names.map((name, at) => {
    const value = row[at]?.stringValue;
    if (value === undefined) {
      throw new PgError(sqlstate.connectionFailure, "the RDS Data API did not tell the server's version");
    }
    return [name, value];
  });
}
