/** CALL: a procedure with output arguments gives a row, which PL/pgSQL reads; others may commit, and go as they are. */
import type { Result } from "../../session/mod.ts";
import { commandTag } from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { SupabaseApi } from "./api.ts";
import { readColumns, readRecord } from "./columns.ts";
import type { Plan } from "./plan.ts";
import { parsed, type Step } from "./requests.ts";
import { block, column, keep, kept, literal, type Script } from "./script.ts";

/** Types of the output arguments of the procedure that is called; undefined where it has none. */
export async function askOutput(
  api: SupabaseApi,
  { statement, plan }: Step,
  signal: AbortSignal,
): Promise<unknown[] | undefined> {
  if (statement.parameters.length > 0) {
    throw new PgError(
      sqlstate.featureNotSupported,
      "a statement of this kind cannot have parameters through the API",
      { hint: "Write the values into the statement." },
    );
  }
  const cells = await api.run(
    `SELECT (SELECT pg_catalog.json_agg(a.o ORDER BY a.i) FROM ROWS FROM (pg_catalog.unnest(p.proallargtypes), pg_catalog.unnest(p.proargmodes)) WITH ORDINALITY AS a (o, m, i) WHERE a.m IN ('o', 'b'))::text AS ${column} FROM pg_catalog.pg_proc AS p WHERE p.prokind = 'p' AND p.proname = ${literal(procedureName(plan))} AND p.proargmodes && ARRAY['o', 'b']::"char"[]`,
    signal,
  );
  const [first, ...others] = cells;
  if (first === undefined) return undefined;
  if (others.some((other) => other !== first)) {
    throw new PgError(
      sqlstate.featureNotSupported,
      "procedures of one name with different output arguments cannot be called through the API",
    );
  }
  return parsed(first) as unknown[];
}

function procedureName({ statement }: Plan): string {
  const { funccall } = (statement?.node ?? {}) as {
    funccall?: { funcname?: { String?: { sval?: string } }[] };
  };
  return funccall?.funcname?.at(-1)?.String?.sval ?? "";
}

export function addCall(script: Script, { statement, index }: Step, types: unknown[] | undefined): void {
  if (!types) {
    script.addSource(statement.sql, index);
    return;
  }
  const names =
    "(SELECT pg_catalog.json_agg(k.k ORDER BY k.o) FROM pg_catalog.json_object_keys(pg_catalog.row_to_json(r.*)) WITH ORDINALITY AS k (k, o))";
  script.add(
    block(
      "r record;",
      `EXECUTE ${literal(statement.sql)} INTO r; PERFORM ${keep("r0", `pg_catalog.json_build_array(${names}, (r.*)::text)::text`)};`,
    ),
  );
  script.add(`SELECT ${kept("r0")} AS ${column}`);
}

export function readCall({ kind }: Plan, types: unknown[] | undefined, cell: string | undefined): Result {
  if (!types || cell === undefined) return { type: "command", tag: commandTag(kind) };
  const [names, record] = parsed(cell) as [string[], string];
  const columns = readColumns([names, types]);
  return { type: "rows", columns, rows: [readRecord(record, columns.length)], tag: "CALL" };
}
