/** Texts and bytes that are no value of their type: refused where PostgreSQL refuses them, and in its words. */
import { beforeAll, describe, expect, test } from "vitest";
import { binaryDecoder, binaryEncoder, typeRow } from "../../src/types/mod.ts";
import { errorOf } from "../wire/bytes.ts";
import { disagreements } from "./agreement.ts";
import { type Generator, generators } from "./generators.ts";
import type { Postgres } from "./postgres.ts";
import { Random } from "./random.ts";

export function malformedValues(postgres: () => Postgres): void {
  let oids: Map<string, number>;
  beforeAll(async () => {
    const { rows } = await postgres().query<{ name: string; oid: number }>(
      "select typname::text as name, oid::int from pg_type where oid < 10000",
    );
    oids = new Map(rows.map(({ name, oid }) => [name, oid]));
  });

  const oidOf = (type: string): number =>
    oids.get(type.replaceAll('"', "").replace("bit varying", "varbit")) as number;

  const texts: Record<string, string[]> = {
    numeric: ["", "x", "1e", "1.2.3", "--1", "1_", "0x", "Inf1", "1e200000", "-", "1 2"],
    money: ["x", "92233720368547758.08", "1€"],
    date: ["", "x", "2024-02-30", "2023-13-01", "0000-01-01", "2024-01-01 25:00:00", "99999999-01-01"],
    time: ["", "x", "25:00:00", "24:00:01", "12:60:00", "12:00:61"],
    timetz: ["", "x", "12:00:00+16", "25:00:00+00"],
    timestamp: ["", "x", "2024-02-30 00:00:00", "2024-01-01 25:00:00", "300000-01-01 00:00:00"],
    timestamptz: ["", "x", "2024-01-01 00:00:00+16:00", "4715-01-01 00:00:00+00 BC"],
    interval: ["", "x", "1 lightyear", "1 2", "P", "1 year x", "99999999999 years"],
    uuid: ["", "x", "a0eebc999c0b4ef8bb6d6bb9bd380a1"],
    inet: ["", "x", "1.2.3.256", "1.2.3.4/33", "::1/129", "1:2:3", ":::", "1::2::3", "g::"],
    cidr: ["", "1.2.3.4/8", "::1/64"],
    macaddr: ["", "x", "08:00:2b:01:02", "08:00:2b:01:02:0g", "08:00:2b:01:02:03:04:05"],
    macaddr8: ["", "x", "08:00:2b:01:02"],
    varbit: ["2", "x0g", "b12"],
    point: ["", "x", "(1)", "(1,2,3)", "(1,x)"],
    lseg: ["", "(1)", "[(1,2)]"],
    path: ["", "x", "[]", "()"],
    box: ["", "(1,2)"],
    polygon: ["", "()", "x"],
    line: ["", "{0,0,1}", "{1,2}"],
    circle: ["", "<(1,2),-1>", "<(1,2)>"],
    pg_lsn: ["", "x", "1", "1/", "123456789/1", "g/1"],
    tid: ["", "x", "(1)", "(1,70000)", "(x,1)"],
    xid8: ["", "x", "18446744073709551616"],
    pg_snapshot: ["", "x", "1:0:", "0:1:", "1:5:5", "1:5:3,2"],
    int4range: ["", "x", "[1,2", "[2,1]", "1,2", "[1,2,3]", "[1,2]x", "[a,b]", "[1,2147483647]"],
    int4multirange: ["", "x", "{[1,2]", "{[1,2] [3,4]}", "{1}"],
    tsvector: ["'", "a:0", "\\", "''"],
    tsquery: ["'", "a b", "a &", "& a", "(a", "a)", "a <16385> b", "!", "''"],
    jsonb: [],
    _int4: [
      "",
      "x",
      "{",
      "{1",
      "{1,}",
      "{,1}",
      "{1}}",
      "{{1},2}",
      "{1,{2}}",
      "{{1,2},{3}}",
      "[1:2]={1}",
      "[0:0]{1}",
      '{1"2"}',
      '{"1"2}',
      "{1} x",
      "{a}",
      "{{{{{{{1}}}}}}}",
      '{"1',
    ],
    int2vector: ["x", "1,2", "70000"],
  };

  /** What PostgreSQL says in other words, or leaves to a function that is not the type's own. */
  describe.each(Object.entries(texts).filter(([, list]) => list.length > 0))("%s", (type, list) => {
    test.each(list.map((text) => [text]))("text %j", async (text) => {
      const forms = await postgres().forms(oidOf(type), text);
      if (!("error" in forms)) throw new Error(`PostgreSQL takes it: ${forms.text}`);
      expect(errorOf(() => binaryEncoder(oidOf(type))(text))).toBe(`ERROR ${forms.error}`);
    });
  });

  /** Types whose text goes out as it is, and one whose numbers PostgreSQL reads less generously. */
  const passed = /^json|^xml|^text|^name|char$|^reg|^int2vector/;

  function damagedText(random: Random, text: string): string {
    const characters = [...text];
    const at = random.int(0, characters.length);
    const other = random.pick([...` 01259-+:.,()[]{}<>/"'\\eEtTnNxXab`]);
    characters.splice(at, random.int(0, 1), ...(random.chance(0.6) ? [other] : []));
    return characters.join("");
  }

  /** Bytes cut off, put on, and changed. */
  function damaged(random: Random, bytes: Uint8Array): Uint8Array {
    const kind = random.int(0, 3);
    if (kind === 0) return bytes.slice(0, random.int(0, Math.max(bytes.length - 1, 0)));
    if (kind === 1) return Uint8Array.of(...bytes, random.int(0, 255));
    const copy = bytes.slice();
    // The beginning is where counts, lengths and flags are.
    const at = random.int(0, Math.min(copy.length - 1, random.pick([8, 16, copy.length])));
    if (copy.length > 0) copy[at] = random.pick([0, 1, 0x7f, 0xff, random.int(0, 255)]);
    return copy;
  }

  /** Which parameter it was is the session's to say. */
  function inWords(error: string): string {
    return error.replace(/(incorrect binary data format) .*/, "$1").replace(/ \((\w+|\?\?\?|[\w ]+)\)/g, "");
  }

  /** A count that PostgreSQL has no memory for is one that the bytes cannot hold. */
  const tooMuch = /invalid memory alloc|invalid size of tsvector/;

  /**
   * The grammars of jsonpath and XML are for the server to check. Of vectors PostgreSQL looks less closely at the type of
   * the elements, and reads no empty ones, though it writes them.
   */
  const unchecked = new Set(["jsonpath", "xml", "int2vector", "oidvector"]);

  describe.each(Object.keys(generators).filter((type) => !passed.test(type)))("%s", (type) => {
    test("damaged texts become no other bytes than PostgreSQL's", async () => {
      const random = new Random(0x7654321 ^ (type.length * 65537));
      const generate = generators[type] as Generator;
      const texts = Array.from({ length: 150 }, () => damagedText(random, generate(random)));
      const known = new Map((await postgres().read(type, texts)).map((value) => [value.input, value]));
      const encode = binaryEncoder(oidOf(type));
      const wrong = texts.flatMap((text) => {
        const value = known.get(text);
        // What is read here is what PostgreSQL reads; not all that it reads is read here.
        if (errorOf(() => encode(text)) !== "no error") return [];
        return value ? disagreements([{ ...value, text }], encode, () => text) : [`${text}: taken`];
      });
      expect(wrong).toEqual([]);
    });
  });

  describe.each(Object.keys(generators).filter((type) => !unchecked.has(type)))("%s", (type) => {
    test("damaged bytes are refused where PostgreSQL refuses them, and read as it reads them", async () => {
      const random = new Random(0x1234567 ^ (type.length * 65537));
      const sources = await postgres().read(
        type,
        Array.from({ length: 30 }, () => (generators[type] as (random: Random) => string)(random)),
      );
      const decode = binaryDecoder(oidOf(type));
      const wrong: string[] = [];
      for (let round = 0; round < 25; round++) {
        const bytes = damaged(random, random.pick(sources).binary);
        const forms = await postgres().forms(oidOf(type), bytes);
        const expected = "error" in forms ? inWords(forms.error) : forms.text;
        let got: string;
        const error = errorOf(() => {
          got = decode(bytes);
        });
        const answer = error === "no error" ? (got! as string) : inWords(error.replace("ERROR ", ""));
        const isRefused = error !== "no error" && "error" in forms;
        if (isRefused && tooMuch.test(forms.error)) continue;
        if (answer !== expected) wrong.push(`${Buffer.from(bytes).toString("hex")}: ${answer} | ${expected}`);
      }
      expect(wrong, typeRow(oidOf(type))?.name).toEqual([]);
    });
  });

  test("what is nested without end is refused, what is only long is not", () => {
    const jsonb = new TextEncoder().encode(`\u0001${"[".repeat(100_000)}`);
    expect(errorOf(() => binaryDecoder(oidOf("jsonb"))(jsonb))).toBe(
      "ERROR 54001 stack depth limit exceeded",
    );
    const tsquery = binaryEncoder(oidOf("tsquery"));
    for (const text of ["(".repeat(100_000), "!".repeat(100_000)]) {
      expect(errorOf(() => tsquery(text))).toBe("ERROR 54001 stack depth limit exceeded");
    }
    const chain = Array.from({ length: 5000 }, (_, at) => `'w${at}'`).join(" | ");
    expect(binaryDecoder(oidOf("tsquery"))(tsquery(chain))).toBe(chain);
    const array = binaryEncoder(oidOf("_int4"));
    expect(errorOf(() => array("{".repeat(100_000)))).toBe(
      "ERROR 54000 number of array dimensions exceeds the maximum allowed (6)",
    );
    expect(array(`{${"1,".repeat(100_000)}1}`).length).toBe(20 + 100_001 * 8);
  });

  test("white space without end costs no more than its length", () => {
    const space = " ".repeat(100_000);
    for (const type of Object.keys(generators)) {
      const encode = binaryEncoder(oidOf(type));
      const start = performance.now();
      for (const text of [`${space}x`, `1${space}x`, `(${space}x`, `[${space}x`, `'a'${space}:x`])
        errorOf(() => encode(text));
      expect(performance.now() - start, type).toBeLessThan(2000);
    }
  });
}
