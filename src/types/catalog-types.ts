/**
 * Makes the types that a database has of its own known, from its catalogs. What comes of it holds for one database only,
 * and until its types change.
 */
import { typeRow } from "./pg-type.ts";
import type { ExtensionType, TypeKind, TypeRegistry } from "./registry.ts";

/** A row of the query's result, each cell in text form. */
export type TypeCatalogRow = readonly (string | null)[];

/** What the types are whose OIDs are the first parameter, an `oid[]`: the rows that registerTypes takes. PostgreSQL 14. */
export const typeCatalogQuery = `
select t.oid, t.typname, t.typtype, t.typelem, t.typdelim, t.typbasetype, coalesce(r.rngsubtype, m.rngsubtype, 0),
  (select string_agg(a.atttypid::text, ' ' order by a.attnum) from pg_catalog.pg_attribute a
    where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped), s.proname
from pg_catalog.pg_type t
  left join pg_catalog.pg_range r on r.rngtypid = t.oid
  left join pg_catalog.pg_range m on m.rngmultitypid = t.oid
  left join pg_catalog.pg_proc s on s.oid = t.typsend
where t.oid = any ($1::oid[])`;

/** Extensions' types by the name of the function that sends them, for a database may have them in any schema. */
const senders: Readonly<Record<string, ExtensionType>> = {
  citextsend: "citext",
  textsend: "citext",
  hstore_send: "hstore",
  ltree_send: "ltree",
  lquery_send: "lquery",
  ltxtq_send: "ltxtquery",
  vector_send: "vector",
  halfvec_send: "halfvec",
  sparsevec_send: "sparsevec",
};

/**
 * Registers the types of the rows.
 * @returns the OIDs of types that these are made of and that are not known yet: the next to ask for
 */
export function registerTypes(types: TypeRegistry, rows: Iterable<TypeCatalogRow>): number[] {
  const parts = new Set<number>();
  for (const row of rows) {
    const typeOid = Number(row[0]);
    // Of built-in types more is known than the catalogs tell.
    const kind = typeRow(typeOid) ? undefined : kindOf(row);
    if (!kind) continue;
    types.register(typeOid, kind);
    for (const part of partsOf(kind)) parts.add(part);
  }
  return [...parts].filter((typeOid) => !types.isKnown(typeOid));
}

/** Undefined: a type that only its server can convert. */
function kindOf(row: TypeCatalogRow): TypeKind | undefined {
  const [, name, type, element, delimiter, base, subtype, fields, sender] = row.map((cell) => cell ?? "");
  switch (type) {
    case "e":
      return { type: "enum", name: name ?? "" };
    case "d":
      return { type: "domain", base: Number(base) };
    case "c":
      return { type: "composite", fields: (fields ?? "").split(" ").filter(Boolean).map(Number) };
    case "r":
      return { type: "range", subtype: Number(subtype) };
    case "m":
      return { type: "multirange", subtype: Number(subtype) };
  }
  if (sender === "array_send")
    return { type: "array", element: Number(element), delimiter: delimiter || "," };
  const extension = senders[sender ?? ""];
  return extension && { type: "extension", name: extension };
}

function partsOf(kind: TypeKind): readonly number[] {
  switch (kind.type) {
    case "domain":
      return [kind.base];
    case "composite":
      return kind.fields;
    case "array":
      return [kind.element];
    case "range":
    case "multirange":
      return [kind.subtype];
    default:
      return [];
  }
}
