/** Random values of every built-in type: our binary and text forms are PostgreSQL's, byte for byte. */
import { describe, expect, test } from "vitest";
import { binaryDecoder, binaryEncoder } from "../../src/types/mod.ts";
import { disagreements } from "./agreement.ts";
import { arrayOf, type Generator, generators } from "./generators.ts";
import type { Postgres } from "./postgres.ts";
import { Random } from "./random.ts";

/** @param count values of each type */
export function randomValues(postgres: () => Postgres, count = 1000): void {
  let oids: Map<string, number> | undefined;

  async function oidOf(type: string): Promise<number> {
    if (!oids) {
      const { rows } = await postgres().query<{ name: string; oid: number }>(
        "select typname::text as name, oid::int from pg_type where oid < 10000",
      );
      oids = new Map(rows.map(({ name, oid }) => [name, oid]));
    }
    const typeOid = oids.get(type);
    if (typeOid === undefined) throw new Error(`no type ${type}`);
    return typeOid;
  }

  // Their text goes out as it is: what comes from a server is in its normal form already.
  const passed = /^json/;

  const pgName = (type: string): string => type.replaceAll('"', "").replace("bit varying", "varbit");

  /** Values enough, though some texts are no value of the type. */
  async function agree(type: string, typeOid: number, generate: Generator, many: number): Promise<void> {
    const random = new Random(0x9e3779b9 ^ (typeOid * 2654435761));
    const encode = binaryEncoder(typeOid);
    const decode = binaryDecoder(typeOid);
    let seen = 0;
    for (let round = 0; seen < many && round < 5; round++) {
      const texts = Array.from({ length: many }, () => generate(random));
      let values = await postgres().read(type, texts);
      // Its text does not tell all trees apart: a | (b | c) is written as (a | b) | c is.
      if (type.startsWith("tsquery"))
        values = await postgres().read(
          type,
          values.map(({ text }) => text),
        );
      if (passed.test(type)) values = values.map(({ binary, text }) => ({ binary, text, input: text }));
      seen += values.length;
      expect(disagreements(values, encode, decode), `seed ${random.seed}`).toEqual([]);
    }
    expect(seen).toBeGreaterThanOrEqual(many);
  }

  describe.each(Object.entries(generators))("%s", (type, generate) => {
    test("values", async () => {
      await agree(type, await oidOf(pgName(type)), generate, count);
    });

    test("arrays", async () => {
      const name = pgName(type);
      const element = name === "box" ? arrayOf(generate, ";") : arrayOf(generate);
      await agree(`${type}[]`, await oidOf(`_${name}`), element, 50);
    });
  });
}
