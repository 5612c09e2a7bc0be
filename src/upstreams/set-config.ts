/**
 * `SELECT set_config(name, value, false)`, which is how drivers SET, through an API whose session is gone with its request:
 * it runs there as of the transaction alone, which checks the value, and the gateway keeps what it gave.
 */
import type { ClientContext, Result, Row } from "../session/mod.ts";
import type { ParsedStatement } from "../sql/mod.ts";
import { keptSettings } from "./kept-settings.ts";

/** Settings that a statement sets for the session, by calls that are columns of their own. */
export interface SetConfig {
  /** The statement, but for the transaction only. */
  readonly sql: string;
  readonly calls: readonly { readonly column: number; readonly setting: string }[];
}

interface Argument {
  readonly A_Const?: {
    readonly sval?: { readonly sval?: string };
    readonly boolval?: { readonly boolval?: boolean };
    readonly location?: number;
  };
}

interface Target {
  readonly ResTarget?: {
    readonly val?: {
      readonly FuncCall?: {
        readonly funcname?: readonly { readonly String?: { readonly sval?: string } }[];
        readonly args?: readonly Argument[];
      };
    };
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Names and notices change no results: they are kept, and not set anew. */
const kept = [...keptSettings, "application_name", "client_min_messages"];
const canonical: ReadonlyMap<string, string> = new Map(kept.map((name) => [name.toLowerCase(), name]));

/** Undefined where a call is anything else, or sets what the gateway does not keep. */
export function setConfigOf({ type, node, text, start }: ParsedStatement): SetConfig | undefined {
  // Locations are those of the whole text.
  if (type !== "SelectStmt" || start > 0 || node.fromClause || node.whereClause) return undefined;
  if (!Array.isArray(node.targetList)) return undefined;
  const calls: SetConfig["calls"][number][] = [];
  let sql = text;
  for (const [column, target] of (node.targetList as Target[]).entries()) {
    const call = target.ResTarget?.val?.FuncCall;
    const name = call?.funcname?.at(-1)?.String?.sval;
    if (name !== "set_config") {
      if (/"set_config"/.test(JSON.stringify(target))) return undefined;
      continue;
    }
    const [setting, , local] = call?.args ?? [];
    const known = keptName(setting?.A_Const?.sval?.sval);
    const { boolval, location } = local?.A_Const ?? {};
    if (!boolval || boolval.boolval || location === undefined || known === undefined) return undefined;
    const at = decoder.decode(encoder.encode(text).subarray(0, location)).length;
    if (!/^false\b/i.test(text.slice(at))) return undefined;
    // As long as it was, so that what is behind it stays in its place.
    sql = `${sql.slice(0, at)}true ${sql.slice(at + 5)}`;
    calls.push({ column, setting: known });
  }
  return calls.length > 0 ? { sql, calls } : undefined;
}

/** `run` runs the changed statement. What it has set is the client's from then on. */
export async function runSetConfig(
  { sql, calls }: SetConfig,
  client: ClientContext,
  run: (sql: string) => Promise<Result>,
): Promise<Result> {
  const result = await run(sql);
  if (result.type !== "rows") return result;
  const rows: Row[] = [];
  if (Symbol.asyncIterator in result.rows) for await (const batch of result.rows) rows.push(...batch);
  else rows.push(...result.rows);
  for (const { column, setting } of calls) {
    const value = rows[0]?.[column];
    if (typeof value === "string") client.setParameter(setting, value);
  }
  return { ...result, rows };
}

function keptName(name: string | undefined): string | undefined {
  return name?.includes(".") ? name.toLowerCase() : canonical.get(name?.toLowerCase() ?? "");
}
