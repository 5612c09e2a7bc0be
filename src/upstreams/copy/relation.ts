/** The relation of a COPY, as its catalog has it, and what PostgreSQL says where it cannot be copied. */
import type { CopyRelation } from "../../copy/mod.ts";
import type { Call } from "../../session/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { ask, type CopySession } from "./session.ts";

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  /** -1: none. */
  readonly typeModifier: number;
  /** Of the type without its modifier, and with it, as SQL has them. */
  readonly typeName: string;
  readonly fullTypeName: string;
  /** The type's array; undefined where it has none. */
  readonly arrayName: string | undefined;
  /** What parts the elements of such an array. */
  readonly delimiter: string;
  /** Values are arrays or composite themselves. */
  readonly nested: boolean;
  /** The input function of a base type, and the type that it is given. */
  readonly input: { readonly name: string; readonly type: string } | undefined;
  readonly generated: boolean;
  /** GENERATED ALWAYS AS IDENTITY: COPY sets it all the same. */
  readonly alwaysIdentity: boolean;
  readonly hasDefault: boolean;
  readonly insertable: boolean;
}

export interface Relation {
  readonly name: string;
  /** With its schema, quoted. */
  readonly sql: string;
  readonly kind: string;
  readonly rowSecurity: boolean;
  readonly readOnly: boolean;
  /** Of the server: 150004. */
  readonly version: number;
  /** Rows go one by one, because of a trigger before or instead of each: errors have the text of their line. */
  readonly singly: boolean;
  readonly insteadTrigger: boolean;
  readonly insertRule: boolean;
  /** Its entry in the catalog was made, or made anew, in the transaction. */
  readonly fresh: boolean;
  /** All of them, in their order. */
  readonly columns: readonly RelationColumn[];
}

// tgtype: 1 for each row, 2 before, 4 on INSERT, 64 instead of it.
const triggers = (bits: number): string => `
  exists (select from pg_catalog.pg_trigger g
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & ${bits} = ${bits})::text`;

const catalogQuery = `
select c.relname::text, n.nspname::text, c.relkind::text,
  pg_catalog.row_security_active(c.oid)::text, pg_catalog.current_setting('transaction_read_only'),
  pg_catalog.current_setting('server_version_num'),${triggers(7)},${triggers(69)},
  exists (select from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.ev_type = '3')::text,
  coalesce(c.xmin::text = (pg_catalog.txid_current_if_assigned() % 4294967296)::text, false)::text,
  a.attname::text, a.atttypid::text, a.atttypmod::text,
  pg_catalog.format_type(a.atttypid, -1), pg_catalog.format_type(a.atttypid, a.atttypmod),
  case when t.typarray <> 0 then pg_catalog.format_type(t.typarray, -1) end,
  t.typdelim::text, (t.typcategory in ('A', 'C'))::text,
  case when t.typtype = 'b' then t.typinput::pg_catalog.regproc::text end,
  case when t.typelem <> 0 then t.typelem else t.oid end::text,
  (a.attgenerated <> '')::text, (a.attidentity = 'a')::text,
  (a.atthasdef or a.attidentity <> '' or t.typdefault is not null)::text,
  pg_catalog.has_column_privilege(c.oid, a.attnum, 'INSERT')::text
from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_type t on t.oid = a.atttypid
where c.oid = $1::text::pg_catalog.regclass
order by a.attnum`;

/** @throws PgError 42P01 and its kin */
export async function findRelation(
  session: CopySession,
  call: Call,
  { catalog, schema, name }: CopyRelation,
): Promise<Relation> {
  const written = [catalog, schema, name].filter((part) => part !== undefined).map(quoted);
  const rows = await ask(session, call, catalogQuery, [written.join(".")]);
  const [row] = rows;
  if (!row) throw new PgError(sqlstate.undefinedTable, `relation "${name}" does not exist`);
  const [relname, nspname, kind] = row.map((cell) => cell ?? "");
  return {
    name: relname ?? "",
    sql: `${quoted(nspname ?? "")}.${quoted(relname ?? "")}`,
    kind: kind ?? "",
    rowSecurity: row[3] === "true",
    readOnly: row[4] === "on",
    version: Number(row[5]),
    singly: row[6] === "true" || row[7] === "true",
    insteadTrigger: row[7] === "true",
    insertRule: row[8] === "true",
    fresh: row[9] === "true",
    columns: rows.filter((cells) => cells[10] !== null).map((cells) => columnOf(cells.slice(10))),
  };
}

function columnOf(row: readonly (string | null)[]): RelationColumn {
  const [name, typeOid, modifier, typeName, fullTypeName, arrayName, delimiter] = row;
  const [nested, input, inputType, generated, alwaysIdentity, hasDefault, insertable] = row.slice(7);
  return {
    name: name ?? "",
    typeOid: Number(typeOid),
    typeModifier: Number(modifier),
    typeName: typeName ?? "",
    fullTypeName: fullTypeName ?? "",
    arrayName: arrayName ?? undefined,
    delimiter: delimiter ?? ",",
    nested: nested === "true",
    input: input ? { name: input, type: inputType ?? "" } : undefined,
    generated: generated === "true",
    alwaysIdentity: alwaysIdentity === "true",
    hasDefault: hasDefault === "true",
    insertable: insertable === "true",
  };
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The columns that are meant: those named, or all that are not generated. */
export function chooseColumns(
  relation: Relation,
  names: readonly string[] | undefined,
): readonly RelationColumn[] {
  if (!names) return relation.columns.filter(({ generated }) => !generated);
  return numbered(relation, names).map((column) => {
    if (!column.generated) return column;
    throw new PgError(sqlstate.invalidColumnReference, `column "${column.name}" is a generated column`, {
      detail: "Generated columns cannot be used in COPY.",
    });
  });
}

function numbered(relation: Relation, names: readonly string[]): RelationColumn[] {
  const found = new Set<RelationColumn>();
  for (const name of names) {
    const column = relation.columns.find((candidate) => candidate.name === name);
    if (!column) {
      throw new PgError(
        sqlstate.undefinedColumn,
        `column "${name}" of relation "${relation.name}" does not exist`,
      );
    }
    // A generated one is told first.
    if (column.generated) chooseGenerated(column);
    if (found.has(column)) throw twice(name);
    found.add(column);
  }
  return [...found];
}

function chooseGenerated({ name }: RelationColumn): never {
  throw new PgError(sqlstate.invalidColumnReference, `column "${name}" is a generated column`, {
    detail: "Generated columns cannot be used in COPY.",
  });
}

function twice(name: string): PgError {
  return new PgError(sqlstate.duplicateColumn, `column "${name}" specified more than once`);
}

/** Checks the columns of a FORCE option against those that are copied. */
export function checkForced(
  option: string,
  names: readonly string[] | "*",
  relation: Relation,
  columns: readonly RelationColumn[],
): void {
  if (names === "*") return;
  for (const { name } of numbered(relation, names)) {
    if (columns.some((column) => column.name === name)) continue;
    throw new PgError(sqlstate.invalidColumnReference, `${option} column "${name}" not referenced by COPY`);
  }
}

/** The same for the columns of a query. */
export function checkForcedOfQuery(names: readonly string[] | "*", columns: readonly string[]): void {
  if (names === "*") return;
  const seen = new Set<string>();
  for (const name of names) {
    if (!columns.includes(name)) {
      throw new PgError(sqlstate.undefinedColumn, `column "${name}" does not exist`);
    }
    if (seen.has(name)) throw twice(name);
    seen.add(name);
  }
}

const kinds: Readonly<Record<string, string>> = {
  v: "view",
  m: "materialized view",
  f: "foreign table",
  S: "sequence",
  p: "partitioned table",
};

/** COPY TO takes tables only, and views that are stored. */
export function refuseAsSource({ kind, name }: Relation): void {
  if (kind === "r" || kind === "m") return;
  throw new PgError(
    sqlstate.wrongObjectType,
    `cannot copy from ${kinds[kind] ?? "non-table relation"} "${name}"`,
    kind === "S" || !kinds[kind] ? {} : { hint: "Try the COPY (SELECT ...) TO variant." },
  );
}

/** COPY FROM takes what rows can be stored in, and views with a trigger for it. */
export function refuseAsTarget({ kind, name, insteadTrigger, insertRule }: Relation): void {
  if (kind === "r" || kind === "p" || kind === "f" || (kind === "v" && insteadTrigger)) {
    if (!insertRule || kind === "v") return;
    throw new PgError(
      sqlstate.featureNotSupported,
      `COPY FROM cannot be had for "${name}", which has rules for INSERT`,
      {
        hint: "The gateway copies by INSERT, to which the rules would apply. Use INSERT, or drop the rules.",
      },
    );
  }
  throw new PgError(
    sqlstate.wrongObjectType,
    `cannot copy to ${kinds[kind] ?? "non-table relation"} "${name}"`,
    kind === "v" ? { hint: "To enable copying to a view, provide an INSTEAD OF INSERT trigger." } : {},
  );
}

/** What COPY FROM looks at before it takes data. */
export function checkAccess(relation: Relation, columns: readonly RelationColumn[]): void {
  if (relation.readOnly) {
    throw new PgError(sqlstate.readOnlySqlTransaction, "cannot execute COPY FROM in a read-only transaction");
  }
  if (columns.some(({ insertable }) => !insertable)) {
    const kind = relation.kind === "p" || relation.kind === "r" ? "table" : (kinds[relation.kind] ?? "table");
    throw new PgError(sqlstate.insufficientPrivilege, `permission denied for ${kind} ${relation.name}`);
  }
  if (relation.rowSecurity) {
    throw new PgError(sqlstate.featureNotSupported, "COPY FROM not supported with row-level security", {
      hint: "Use INSERT statements instead.",
    });
  }
}
