/**
 * Types that are not built in, as RowDescription has them: a column of a domain has the type below it. They are asked for
 * once; an OID means the same for as long as the database stands.
 */
import type { Column } from "../../session/mod.ts";
import type { SupabaseApi } from "./api.ts";
import { badAnswer } from "./errors.ts";
import { column } from "./script.ts";

/** The first OID that initdb may give to a type that is not in every database. */
const firstUnknown = 10_000;
/** Types that are remembered. */
const maxKnown = 10_000;

interface KnownType {
  readonly typeOid: number;
  readonly typeSize: number;
}

export class Types {
  readonly #known: Map<number, KnownType> = new Map();

  /** The columns with what is known of their types. @throws PgError */
  async settle(
    columns: readonly Column[],
    api: SupabaseApi,
    signal: AbortSignal,
  ): Promise<readonly Column[]> {
    const isUnknown = ({ typeOid = 0 }: Column): boolean => typeOid >= firstUnknown;
    if (!columns.some(isUnknown)) return columns;
    const missing = columns.filter(isUnknown).map(({ typeOid = 0 }) => typeOid);
    await this.#ask(
      [...new Set(missing)].filter((typeOid) => !this.#known.has(typeOid)),
      api,
      signal,
    );
    return columns.map((one) => {
      const type = isUnknown(one) ? this.#known.get(one.typeOid ?? 0) : undefined;
      return type ? { ...one, ...type } : one;
    });
  }

  async #ask(oids: readonly number[], api: SupabaseApi, signal: AbortSignal): Promise<void> {
    if (oids.length === 0) return;
    const cells = await api.run(
      `WITH RECURSIVE base (type, oid, size, of) AS (
SELECT t.oid, t.oid, t.typlen, t.typbasetype FROM pg_catalog.pg_type AS t WHERE t.oid IN (${oids.join(", ")})
UNION ALL SELECT b.type, t.oid, t.typlen, t.typbasetype FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.of
) SELECT pg_catalog.concat_ws(' ', b.type, b.oid, b.size) AS ${column} FROM base AS b WHERE b.of = 0`,
      signal,
    );
    if (this.#known.size + cells.length > maxKnown) this.#known.clear();
    for (const cell of cells) {
      const [type, typeOid, typeSize] = cell.split(" ").map(Number);
      if (type === undefined || typeOid === undefined || typeSize === undefined)
        throw badAnswer("a type is missing");
      this.#known.set(type, { typeOid, typeSize });
    }
  }
}
