/**
 * The types that a database has of its own, for upstreams that give text where clients want binary: its catalogs are
 * asked for a type when it is first met, and what they say is good for a while, or until DDL goes by.
 */
import { registerTypes, type TypeCatalogRow, TypeRegistry } from "../types/mod.ts";

/** Milliseconds that answers are good for: others may change types, too. */
const maxAge = 60_000;

/** Asks the database by `typeCatalogQuery`; `typeOids` is its parameter, an `oid[]` as text. */
export type AskTypes = (typeOids: string) => Promise<Iterable<TypeCatalogRow>>;

export class KnownTypes {
  readonly #ask: AskTypes;
  #types: TypeRegistry = new TypeRegistry();
  /** What was answered, be it found or not. */
  #asked: Set<number> = new Set();
  #since = 0;

  constructor(ask: AskTypes) {
    this.#ask = ask;
  }

  /** The types may have changed. */
  invalidate(): void {
    this.#types = new TypeRegistry();
    this.#asked = new Set();
  }

  /**
   * All that is known, these types and what they are made of among it, where the database has them. No client waits for
   * what another one has asked: on some runtimes a request ends with the client that it is made for.
   */
  async find(typeOids: readonly number[]): Promise<TypeRegistry> {
    if (Date.now() - this.#since > maxAge) this.invalidate();
    if (this.#asked.size === 0) this.#since = Date.now();
    const types = this.#types;
    const asked = this.#asked;
    const missing = typeOids.filter((typeOid) => !asked.has(typeOid));
    if (missing.length > 0) {
      await this.#askAll(types, missing);
      for (const typeOid of missing) asked.add(typeOid);
    }
    return types;
  }

  async #askAll(types: TypeRegistry, typeOids: readonly number[]): Promise<void> {
    const all: TypeCatalogRow[] = [];
    const found = new TypeRegistry();
    const seen = new Set<number>();
    for (let wanted = typeOids; wanted.length > 0; ) {
      for (const typeOid of wanted) seen.add(typeOid);
      const rows = [...(await this.#ask(`{${wanted.join()}}`))];
      all.push(...rows);
      wanted = registerTypes(found, rows).filter((typeOid) => !seen.has(typeOid));
    }
    // Not before all is there: others would take a part of it for the whole.
    registerTypes(types, all);
  }
}
