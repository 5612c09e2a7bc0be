/** Types whose OIDs differ from database to database: enums, domains, composite types, ranges of one's own, extensions. */
import { beforeAll, describe, expect, test } from "vitest";
import { type ExtensionType, registerTypes, TypeRegistry, typeCatalogQuery } from "../../src/types/mod.ts";
import { errorOf } from "../wire/bytes.ts";
import { disagreements } from "./agreement.ts";
import { arrayOf, type Generator, generators } from "./generators.ts";
import type { Postgres, Value } from "./postgres.ts";
import { Random } from "./random.ts";

export function registeredTypes(postgres: () => Postgres): void {
  const oids = new Map<string, number>();
  const types = new TypeRegistry();

  const oidOf = (name: string): number => {
    const typeOid = oids.get(name);
    if (typeOid === undefined) throw new Error(`no type ${name}`);
    return typeOid;
  };

  beforeAll(async () => {
    await postgres().run(`
    create extension citext; create extension hstore; create extension ltree; create extension vector;
    create type mood as enum ('sad', 'so so', 'Happy "!"');
    create domain positive as int4 check (value > 0);
    create type pair as (a int4, b text);
    create type inner_type as (m mood, p positive, at timestamptz, list text[]);
    create type outer_type as (p pair, i inner_type, ps pair[], r int4range, "empty" text);
    create type floats as range (subtype = float8);
    create type texts as range (subtype = text);
  `);
    const { rows } = await postgres().query<{ name: string; oid: number }>(
      "select typname::text as name, oid::int from pg_type where oid < 10000 or typnamespace = 'public'::regnamespace",
    );
    for (const { name, oid } of rows) oids.set(name, oid);
    const names: ExtensionType[] = [
      "citext",
      "hstore",
      "ltree",
      "lquery",
      "ltxtquery",
      "vector",
      "halfvec",
      "sparsevec",
    ];
    for (const name of names) types.register(oidOf(name), { type: "extension", name });
    // What a type is made of may come later.
    types
      .register(oidOf("outer_type"), {
        type: "composite",
        fields: [oidOf("pair"), oidOf("inner_type"), oidOf("_pair"), oidOf("int4range"), oidOf("text")],
      })
      .register(oidOf("inner_type"), {
        type: "composite",
        fields: [oidOf("mood"), oidOf("positive"), oidOf("timestamptz"), oidOf("_text")],
      })
      .register(oidOf("pair"), { type: "composite", fields: [oidOf("int4"), oidOf("text")] })
      .register(oidOf("mood"), { type: "enum", name: "mood", labels: ["sad", "so so", 'Happy "!"'] })
      .register(oidOf("positive"), { type: "domain", base: oidOf("int4") })
      .register(oidOf("floats"), { type: "range", subtype: oidOf("float8") })
      .register(oidOf("texts"), { type: "range", subtype: oidOf("text") })
      .register(oidOf("floats_multirange"), { type: "multirange", subtype: oidOf("float8") });
    for (const name of [...names, "mood", "positive", "pair", "outer_type", "floats"]) {
      types.register(oidOf(`_${name}`), { type: "array", element: oidOf(name) });
    }
  });

  const label = (random: Random): string => random.pick(["sad", "so so", 'Happy "!"']);
  const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
  const record = (values: readonly (string | null)[]): string =>
    `(${values.map((value) => (value === null ? "" : quoted(value))).join(",")})`;
  const maybe = (random: Random, value: string): string | null => (random.chance(0.1) ? null : value);

  const pair: Generator = (random) =>
    record([maybe(random, String(random.bigint(32))), maybe(random, random.text())]);
  const inner: Generator = (random) =>
    record([
      maybe(random, label(random)),
      maybe(random, String(random.int(1, 1000))),
      maybe(random, (generators.timestamptz as Generator)(random)),
      maybe(random, arrayOf((more) => more.text())(random)),
    ]);

  const half = (random: Random): string =>
    random.chance(0.5)
      ? String(random.int(-2048, 2048) / 2 ** random.int(0, 12))
      : String((random.chance(0.5) ? 1 : -1) * (random.bits() / 2 ** 32) * 10 ** random.int(-8, 4));
  const single = (random: Random): string =>
    String(Math.fround((random.bits() - 2 ** 31) / 10 ** random.int(0, 30)));
  const word = (random: Random): string => random.pick(["a", "B_1", "Top", "xyz9", "k-1"]);

  const custom: Readonly<Record<string, Generator>> = {
    mood: label,
    positive: (random) => String(random.int(1, 2147483647)),
    pair,
    outer_type: (random) =>
      record([
        maybe(random, pair(random)),
        maybe(random, inner(random)),
        maybe(random, arrayOf(pair)(random)),
        maybe(random, (generators.int4range as Generator)(random)),
        maybe(random, random.pick(["", "x"])),
      ]),
    floats: (random) =>
      `[${random.int(-50, 0) / 8},${random.pick(["", String(random.int(0, 50) / 4), "NaN"])})`,
    texts: (random) =>
      `["a${random.text(0, 3).replace(/["\\]/g, "\\$&")}","b${random.text(0, 3).replace(/["\\]/g, "\\$&")}"]`,
    floats_multirange: (random) =>
      `{${random.list(0, 4, () => `${random.pick(["[", "("])}${random.int(-9, 0)},${random.int(1, 9)}]`).join(",")}}`,
    citext: (random) => random.text(),
    hstore: (random) =>
      random
        .list(
          0,
          5,
          () =>
            `${quoted(random.text(0, 4))}${random.pick(["=>", " => "])}${random.chance(0.2) ? "NULL" : quoted(random.text(0, 5))}`,
        )
        .join(random.pick([",", ", "])),
    ltree: (random) => random.list(0, 5, () => word(random)).join("."),
    lquery: (random) =>
      random.list(1, 4, () => random.pick([word(random), "*", "*{1,2}", "!a|b", "foo*@"])).join("."),
    ltxtquery: (random) =>
      random.list(1, 3, () => random.pick([word(random), "!b", "c*@"])).join(random.pick([" & ", " | "])),
    vector: (random) => `[${random.list(1, 8, () => single(random)).join(random.pick([",", ", "]))}]`,
    halfvec: (random) => `[${random.list(1, 8, () => half(random)).join(",")}]`,
    sparsevec: (random) => {
      const indices = new Set(random.list(0, 6, () => random.int(1, 20)));
      return `{${Array.from(indices, (index) => `${index}:${single(random)}`).join(",")}}/20`;
    },
  };

  async function agree(name: string, type: string, generate: Generator, count: number): Promise<void> {
    const random = new Random(0x2c1b3c6d ^ (name.length * 40503));
    const values: (Value & { input?: string })[] = [];
    for (let round = 0; values.length < count && round < 5; round++) {
      const texts = Array.from({ length: count }, () => generate(random));
      values.push(...(await postgres().read(type, texts)));
    }
    expect(values.length).toBeGreaterThanOrEqual(count);
    // Their text goes out as it is: what comes from a server is in its normal form already.
    if (/query/.test(type)) for (const value of values) delete value.input;
    const typeOid = oidOf(name);
    expect(disagreements(values, types.encoder(typeOid), types.decoder(typeOid))).toEqual([]);
  }

  describe.each(Object.keys(custom))("%s", (name) => {
    const generate = custom[name] as Generator;
    test("values", () => agree(name, name, generate, 1000));
    const hasArray = !["texts", "floats_multirange"].includes(name);
    if (hasArray) test("arrays", () => agree(`_${name}`, `${name}[]`, arrayOf(generate), 50));
  });

  test("the catalogs tell what types are", async () => {
    const learned = new TypeRegistry();
    let rounds = 0;
    for (
      let wanted = [oidOf("_outer_type"), oidOf("floats_multirange"), oidOf("_citext")];
      wanted.length > 0;
    ) {
      const rows = await postgres().rows(typeCatalogQuery.replace("$1", `'{${wanted}}'`));
      wanted = registerTypes(learned, rows);
      rounds++;
    }
    expect(rounds).toBe(4);
    const random = new Random(1);
    for (const name of ["outer_type", "floats_multirange", "citext", "mood", "positive"]) {
      const values = await postgres().read(
        name,
        Array.from({ length: 20 }, () => (custom[name] as Generator)(random)),
      );
      expect(disagreements(values, learned.encoder(oidOf(name)), learned.decoder(oidOf(name)))).toEqual([]);
    }
    const extensions = ["hstore", "ltree", "lquery", "ltxtquery", "vector", "halfvec", "sparsevec"].map(
      oidOf,
    );
    const rows = await postgres().rows(typeCatalogQuery.replace("$1", `'{${extensions},600,3904,1034}'`));
    expect(registerTypes(learned, rows)).toEqual([]);
    for (const typeOid of extensions) expect(learned.find(typeOid)).toBe(types.find(typeOid));
    // What is built in is not touched by a row that says nothing of it.
    expect(learned.encoder(600)("(1,2)")).toEqual(types.encoder(600)("(1,2)"));
    expect(learned.encoder(3904)("[1,2]")).toEqual(types.encoder(3904)("[1,2]"));
  });

  test("a record tells its types itself, in binary", async () => {
    const [value] = await postgres().read("pair", ['(1,"a \\"b")']);
    const { rows } = await postgres().query<{ text: string }>(`select row(1, 'a "b')::text as text`);
    expect(value?.text).toBe(rows[0]?.text);
    expect(types.decoder(oidOf("record"))(value?.binary as Uint8Array)).toBe(value?.text);
    expect(errorOf(() => types.encoder(oidOf("record"))("(1,a)"))).toBe(
      "ERROR 0A000 no binary output for type record: its text does not tell the types of its values",
    );
  });

  test("texts that are none of the type's", async () => {
    for (const [type, text] of [
      ["pair", "1,a"],
      ["pair", "(1)"],
      ["pair", "(1,a,b)"],
      ["pair", "(1,a"],
      ["pair", "(1,a) x"],
      ["pair", '(1,"a)'],
      ["mood", "glad"],
      ["vector", "[]"],
      ["vector", "[NaN]"],
      ["vector", "[Infinity]"],
      ["sparsevec", "{}/0"],
    ] as const) {
      const forms = await postgres().forms(oidOf(type), text);
      expect(
        errorOf(() => types.encoder(oidOf(type))(text)),
        text,
      ).toBe("error" in forms ? `ERROR ${forms.error}` : forms.text);
    }
  });

  test("what is not registered, or made of itself, is refused by its number", () => {
    const registry = new TypeRegistry()
      .register(20001, { type: "array", element: 20002 })
      .register(20003, { type: "domain", base: 20003 })
      .register(20004, { type: "enum" });
    for (const typeOid of [20001, 20002, 20003]) {
      expect(errorOf(() => registry.encoder(typeOid))).toBe(
        `ERROR 0A000 no binary output for type with OID ${typeOid}`,
      );
      expect(registry.find(typeOid)).toBeUndefined();
    }
    // Known as soon as it is told.
    registry.register(20002, { type: "extension", name: "vector" });
    expect(registry.encoder(20001)('{"[1,2]"}').length).toBe(20 + 4 + 12);
    expect(registry.encoder(20004)("any label").length).toBe(9);
  });
}
