/** The WHERE of a COPY FROM, which PostgreSQL looks at before it takes data. */
import type { CopyCondition } from "../../copy/mod.ts";
import type { Call } from "../../session/mod.ts";
import { characterPosition } from "../../sql/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { type InsertTarget, selectBatch } from "./insert.ts";
import { type CopySession, run } from "./session.ts";

/** @throws PgError as PostgreSQL; 0A000 for a column that the data does not have, whose default only INSERT knows */
export async function checkCondition(session: CopySession, call: Call, target: InsertTarget): Promise<void> {
  const where = target.where as CopyCondition;
  visit(where.node, where, target);
  const empty = { line: 0, text: undefined, values: target.columns.map(() => null) };
  const { sql, parameters } = selectBatch(target, [empty]);
  const text = `SELECT FROM (${sql}) AS checked LIMIT 0`;
  try {
    await run(session, call, text, parameters);
  } catch (cause) {
    if (!(cause instanceof PgError)) throw cause;
    const { code, message, position, ...fields } = cause.fields;
    const before = characterPosition(text, text.lastIndexOf(where.text));
    throw new PgError(
      code,
      message.replace(/ in WHERE$/, " in COPY FROM WHERE conditions"),
      position === undefined ? fields : { ...fields, position: position - before + where.position },
      { cause },
    );
  }
}

function visit(node: unknown, where: CopyCondition, target: InsertTarget): void {
  if (Array.isArray(node)) {
    for (const element of node) visit(element, where, target);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  for (const [name, value] of Object.entries(node)) {
    if (name === "SubLink") {
      throw new PgError(sqlstate.featureNotSupported, "cannot use subquery in COPY FROM WHERE condition", {
        position: where.locate((value as { location?: number }).location ?? 0),
      });
    }
    if (name === "ColumnRef") refuseOthers(value as ColumnRef, target);
    visit(value, where, target);
  }
}

interface ColumnRef {
  readonly fields?: readonly { readonly String?: { readonly sval?: string } }[];
}

function refuseOthers({ fields = [] }: ColumnRef, { relation, columns }: InsertTarget): void {
  const name = fields.at(-1)?.String?.sval;
  const column = relation.columns.find((candidate) => candidate.name === name);
  if (!column || columns.includes(column)) return;
  if (column.generated) {
    throw new PgError(
      sqlstate.invalidColumnReference,
      "generated columns are not supported in COPY FROM WHERE conditions",
      { detail: `Column "${name}" is a generated column.` },
    );
  }
  throw new PgError(
    sqlstate.featureNotSupported,
    `column "${name}" cannot stand in the WHERE of a COPY that does not have it`,
    { hint: "The gateway copies by INSERT: only there the column gets its default." },
  );
}
