/** Random values of every built-in type: our binary and text forms are PostgreSQL's, byte for byte. */
import { describe, expect, test } from "vitest";
import { binaryDecoder, binaryEncoder, typeRow } from "../../src/types/mod.ts";
import { disagreements } from "./agreement.ts";
import { arrayOf, type Generator, generators } from "./generators.ts";
import type { Postgres } from "./postgres.ts";
import { Random } from "./random.ts";

export function randomValues(postgres: () => Postgres): void {
  const count = 1000;

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

  test("every type with a binary form in PostgreSQL has one here, but for a known few", async () => {
    const { rows } = await postgres().query<{ oid: number }>(
      "select oid::int from pg_type where oid < 10000 and typsend <> 0 order by oid",
    );
    const without = rows.filter(({ oid }) => {
      try {
        binaryEncoder(oid);
        return false;
      } catch {
        return true;
      }
    });
    const names = without.map(({ oid }) => typeRow(oid)?.name ?? oid);
    expect(names).toEqual(
      // Rows of catalogs, what only the planner reads, and pseudo-types.
      `pg_ddl_command pg_type pg_attribute pg_proc pg_class _pg_type _pg_attribute _pg_proc _pg_class _aclitem
      pg_database pg_authid pg_auth_members pg_ndistinct pg_dependencies _gtsvector pg_shseclabel
      pg_brin_bloom_summary pg_brin_minmax_multi_summary pg_mcv_list anycompatiblearray pg_subscription`.split(
        /\s+/,
      ),
    );
  });
}
