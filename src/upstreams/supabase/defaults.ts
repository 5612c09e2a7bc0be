/** What each request's session begins with: the database's version, and the settings that the client is told. */
import { keptSettings } from "../kept-settings.ts";
import type { SupabaseApi } from "./api.ts";
import { badAnswer } from "./errors.ts";
import { parsed } from "./requests.ts";
import { column, literal } from "./script.ts";

export interface Defaults {
  /** `server_version_num` */
  readonly version: number;
  readonly settings: ReadonlyMap<string, string>;
}

/** Those that are told beside those that are kept. */
const told = [
  "in_hot_standby",
  "is_superuser",
  "max_identifier_length",
  "scram_iterations",
  "server_encoding",
  "server_version",
  "server_version_num",
];

/** @throws PgError */
export async function askDefaults(api: SupabaseApi, signal: AbortSignal): Promise<Defaults> {
  const names = [...keptSettings, ...told].map(literal).join(", ");
  const [cell] = await api.run(
    `SELECT pg_catalog.json_object_agg(n, pg_catalog.current_setting(n, true))::text AS ${column} FROM pg_catalog.unnest(ARRAY[${names}]) AS n`,
    signal,
  );
  const found = cell === undefined ? undefined : parsed(cell);
  if (typeof found !== "object" || found === null) throw badAnswer("there are no settings");
  const settings = new Map<string, string>();
  for (const [name, value] of Object.entries(found)) if (typeof value === "string") settings.set(name, value);
  const version = Number(settings.get("server_version_num"));
  if (!Number.isInteger(version)) throw badAnswer("the server has no version");
  return { version, settings };
}
