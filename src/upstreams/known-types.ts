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
  /** What was asked for, be it found or not. */
  #asked: Map<number, Promise<void>> = new Map();
  #since = 0;

  constructor(ask: AskTypes) {
    this.#ask = ask;
  }

  /** The types may have changed. */
  invalidate(): void {
    if (this.#asked.size === 0) return;
    this.#types = new TypeRegistry();
    this.#asked = new Map();
  }

  /** All that is known, these types and what they are made of among it, where the database has them. */
  async find(typeOids: readonly number[]): Promise<TypeRegistry> {
    if (Date.now() - this.#since > maxAge) this.invalidate();
    if (this.#asked.size === 0) this.#since = Date.now();
    const types = this.#types;
    const asked = this.#asked;
    const missing = typeOids.filter((typeOid) => !asked.has(typeOid));
    if (missing.length > 0) {
      const answer = this.#askAll(types, missing);
      for (const typeOid of missing) asked.set(typeOid, answer);
      // An error is that of those who wait for it; the next one asks again.
      answer.catch(() => {
        for (const typeOid of missing) asked.delete(typeOid);
      });
    }
    await Promise.all(typeOids.map((typeOid) => asked.get(typeOid)));
    return types;
  }

  async #askAll(types: TypeRegistry, typeOids: readonly number[]): Promise<void> {
    const seen = new Set<number>();
    for (let wanted = typeOids; wanted.length > 0; ) {
      for (const typeOid of wanted) seen.add(typeOid);
      const parts = registerTypes(types, await this.#ask(`{${wanted.join()}}`));
      wanted = parts.filter((typeOid) => !seen.has(typeOid));
    }
  }
}
