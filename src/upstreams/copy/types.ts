/** The types of columns in binary: those of the database's own are learned from its catalogs. */
import type { Call } from "../../session/mod.ts";
import {
  type BuiltInTypes,
  registerTypes,
  TypeRegistry,
  typeCatalogQuery,
  typeRow,
} from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { ask, type CopySession } from "./session.ts";

/** Types are made of types, but not so deep. */
const maxRounds = 10;

/** @throws PgError 0A000 for a type without a binary form here, by its name */
export async function learnTypes(
  session: CopySession,
  call: Call,
  typeOids: readonly number[],
): Promise<BuiltInTypes> {
  const own = typeOids.filter((typeOid) => !typeRow(typeOid));
  // What the session remembers is asked for once; it may not know what the client's transaction has made.
  const known = own.length > 0 ? await session.types?.(own, call) : undefined;
  if (known && typeOids.every((typeOid) => known.find(typeOid))) return known;
  const types = new TypeRegistry();
  const names = new Map<number, string>();
  let unknown = [...new Set(typeOids)].filter((typeOid) => !types.isKnown(typeOid));
  for (let round = 0; unknown.length > 0 && round < maxRounds; round++) {
    const rows = await ask(session, call, typeCatalogQuery, [`{${unknown.join(",")}}`]);
    for (const [typeOid, name] of rows) names.set(Number(typeOid), name ?? "");
    unknown = registerTypes(types, rows);
  }
  for (const typeOid of typeOids) {
    if (types.find(typeOid)) continue;
    const name = names.get(typeOid);
    if (name === undefined) continue;
    throw new PgError(sqlstate.featureNotSupported, `COPY in binary format cannot be had for type ${name}`, {
      hint: "Use the text or CSV format.",
    });
  }
  return types;
}
