/** What the cluster's catalogs say of types of its own. */
import { type TypeCatalogRow, typeCatalogQuery } from "../../types/mod.ts";
import type { DataApi } from "./client.ts";

/** The API has no values for oid and "char": all comes as text. */
const columns = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
const sql = `SELECT ${columns.map((name) => `t.${name}::pg_catalog.text`).join(", ")} FROM (${typeCatalogQuery.replace("$1", ":p1")}) AS t (${columns.join(", ")})`;

/** @throws PgError */
export async function askCatalogTypes(
  api: DataApi,
  typeOids: string,
  signal: AbortSignal,
): Promise<TypeCatalogRow[]> {
  const parameters = [{ name: "p1", value: { stringValue: typeOids } }];
  const answer = await api.execute(sql, parameters, undefined, signal);
  if (answer.type === "refused") throw answer.error;
  return (answer.result.records ?? []).map((row) => row.map((field) => field.stringValue ?? null));
}
