/** Every conversion is held to PostgreSQL's own typinput, typoutput, typrecv and typsend. */
import { describe, expect, test } from "vitest";
import {
  binaryEncoder,
  decodeBinary,
  encodeBinary,
  isTextInBinary,
  oid,
  typeRow,
  typeSize,
} from "../../src/types/mod.ts";
import { errorOf } from "../wire/bytes.ts";
import type { Postgres } from "./postgres.ts";

export function knownValues(postgres: () => Postgres): void {
  const words = (text: string): string[] => text.split(/\s+/);

  const texts: Record<string, string[]> = {
    bool: ["t", "f", "true", "false", "yes", "no", "on", "off", "1", "0", " TRUE ", "tr", "fal", "y", "n"],
    int2: ["0", "1", "-1", "32767", "-32768", " 12 ", "+5", "007"],
    int4: ["0", "-1", "2147483647", "-2147483648", "65536", "0x1F", "0b101", "0o17", "1_000"],
    int8: [
      "0",
      "-0x8000000000000000",
      "-1",
      "9223372036854775807",
      "-9223372036854775808",
      "4294967296",
      "123456789012345",
    ],
    oid: ["0", "1", "2147483648", "4294967295"],
    float4: words(
      `0 -0 1 -1.5 3.14159 1e10 1e-10 123456 1234567 1e6 999999 0.0001 0.00001 NaN Infinity -Infinity inf
      3.4028235e38 1.17549435e-38 16777216 0.1 .5 5. 1e+5 -87.490202726234e-22 1.00000017881393432617187499
        1.000000178813934326171875 1.00000017881393432617187501 -1.00000017881393421514957253748434595763683319091796875001`,
    ),
    float8: words(
      `0 -0 1 -1.5 3.141592653589793 1e10 1e-10 1e15 1e14 123456789012345 1e21 1e-5 0.0001 0.00001234 NaN
      Infinity -Infinity +infinity 1.7976931348623157e308 2.2250738585072014e-308 0.1 9007199254740993 100
      1234567890.125 4.9e-324 -1e-7 999999999999999 1000000000000000`,
    ),
    text: ["", "x", "äöü 😀", "it's", "\\x00", "a\nb\tc"],
    varchar: ["", "abc"],
    bpchar: ["", "abc"],
    name: ["", "abc"],
    json: ["{}", '{"a": [1, 2.50, null]}', " 1 "],
    jsonb: ["{}", '{"a": [1, 2.5, null]}', '"x"'],
    xml: ["<a/>", "text"],
    uuid: [
      "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
      "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
      "a0eebc999c0b4ef8bb6d6bb9bd380a11",
      "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
    ],
    bytea: ["\\x", "\\x00ff", "\\xDEADbeef", "\\x 01 02", "abc", "a\\\\b", "\\001\\377x", ""],
    char: ["a", "", "\\200", "\\377", "é", "\\", "\\12"],
    numeric: words(
      `0 -0 0.00 1 -1 10000 0.0001 00012.3400 1e-20 1E+20 NaN Infinity -inf 1_000.5 0x1F -0b101 0o777 .5 5.
        99999999999999999999999999999999.0001 1e131071 1e-16383`,
    ),
    date: [
      "2000-01-01",
      "1999-12-31",
      "infinity",
      "-infinity",
      "4714-11-24 BC",
      "5874897-12-31",
      "0001-01-01",
    ],
    time: ["00:00", "24:00:00", "23:59:59.999999", "23:59:59.9999999", "12:34:60", "04:05:06.5"],
    timetz: ["00:00:00+15:59:59", "24:00:00-15:59:59", "12:00Z", "04:05:06.5-0330"],
    timestamp: [
      "2000-01-01 00:00:00",
      "1999-12-31 23:59:59.999999",
      "1999-12-31T23:59:59.9999999",
      "infinity",
      "-infinity",
      "4714-11-24 00:00:00 BC",
      "294276-12-31 23:59:59.999999",
      "1715-03-04 00:00:00",
      "2285-06-07 08:09:10.123456",
      "2024-02-29 24:00:00",
      "2024-02-29",
      "2024-02-29 01:02:03+05",
    ],
    timestamptz: [
      "2000-01-01 00:00:00+00",
      "2000-01-01 00:00:00-15:59:59",
      "2000-01-01T00:00:00Z",
      "2000-01-01 00:00:00 UTC",
      "1999-12-31 23:59:59.999999+05:30",
      "infinity",
      "4714-11-24 00:00:00+00 BC",
      "294276-12-31 23:59:59.999999+00",
      "2024-02-29",
    ],
    interval: [
      "0",
      "infinity",
      "-infinity",
      "1 year -1 mon 1 day -00:00:00.000001",
      "178000000 years",
      "-178000000 years",
      "2147483647 days",
      "-2147483648 days",
      "2562047788:00:54.775807",
      "P1Y2M3W4DT5H6M7.89S",
      "P-1Y-2MT-0.5S",
      "@ 1 year 2 mons ago",
      "1-2",
      "3 4:05:06",
      "5",
      "90 minutes",
    ],
  };

  const refused: Record<string, string[]> = {
    bool: ["", "maybe", "o", "2", "tru e"],
    int2: ["", "a", "32768", "-32769", "1.5", "1e3", "--1"],
    int4: ["2147483648", "-2147483649", "x", "1__0", "0x"],
    int8: ["9223372036854775808", "-9223372036854775809", "12a"],
    oid: ["-1x", "4294967296"],
    float4: ["", "x", "1e", "1e39", "1e-50"],
    float8: ["", "nano", "1e309", "1e-400", "1.2.3"],
    uuid: ["", "a0ee", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    bytea: ["\\x0 1", "\\x00 1", "\\x0", "\\x0g", "\\9", "\\"],
  };

  for (const [type, values] of Object.entries(texts)) {
    const typeOid = oid[type as keyof typeof oid];
    describe(type, () => {
      for (const text of values) {
        test(JSON.stringify(text), async () => {
          const forms = await postgres().forms(typeOid, text);
          if ("error" in forms) throw new Error(forms.error);
          expect(encodeBinary(typeOid, text)).toEqual(new Uint8Array(forms.binary));
          expect(decodeBinary(typeOid, forms.binary)).toBe(forms.text);
          // Back again: what was decoded is the same value.
          expect(encodeBinary(typeOid, forms.text)).toEqual(new Uint8Array(forms.binary));
        });
      }
    });
  }

  for (const [type, values] of Object.entries(refused)) {
    const typeOid = oid[type as keyof typeof oid];
    describe(`${type}: refused`, () => {
      for (const text of values) {
        test(JSON.stringify(text), async () => {
          const forms = await postgres().forms(typeOid, text);
          if (!("error" in forms)) throw new Error(`PostgreSQL takes it: ${forms.text}`);
          expect(errorOf(() => encodeBinary(typeOid, text))).toBe(`ERROR ${forms.error}`);
        });
      }
    });
  }

  describe("floats of any bits read as PostgreSQL writes them", () => {
    /** Reproducible bits. */
    function* random(count: number): Generator<number> {
      let state = 0x2545f491;
      for (let at = 0; at < count; at++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        yield state >>> 0;
      }
    }

    test("float8", async () => {
      for (const bits of random(300)) {
        const bytes = new Uint8Array(8);
        const view = new DataView(bytes.buffer);
        // Half of them of everyday size, half of any.
        if (bits & 1) view.setFloat64(0, (bits - 2 ** 31) / 10 ** (bits % 20));
        else {
          const [high = 0, low = 0] = random(2);
          view.setUint32(0, high ^ bits);
          view.setUint32(4, low ^ bits);
        }
        const forms = await postgres().forms(oid.float8, bytes);
        if ("error" in forms) throw new Error(forms.error);
        expect(decodeBinary(oid.float8, bytes)).toBe(forms.text);
      }
    });

    test("float4", async () => {
      for (const bits of random(600)) {
        const bytes = new Uint8Array(4);
        const view = new DataView(bytes.buffer);
        if (bits & 1) view.setFloat32(0, (bits - 2 ** 31) / 10 ** (bits % 16));
        else view.setUint32(0, bits);
        const forms = await postgres().forms(oid.float4, bytes);
        if ("error" in forms) throw new Error(forms.error);
        expect(decodeBinary(oid.float4, bytes)).toBe(forms.text);
      }
    });
  });

  describe("binary that is refused", () => {
    test.each([
      ["bool", [1, 2]],
      ["int2", [1]],
      ["int4", [1, 2, 3, 4, 5]],
      ["int8", []],
      ["float8", [1, 2, 3]],
      ["uuid", [1]],
    ] as const)("%s of the wrong length", async (type, given) => {
      const bytes = Uint8Array.from(given);
      const forms = await postgres().forms(oid[type], bytes);
      const error = "error" in forms ? forms.error.replace("in bind parameter 1", "for type") : "";
      expect(errorOf(() => decodeBinary(oid[type], bytes))).toContain(`ERROR ${error}`);
    });

    test("jsonb of another version", async () => {
      const bytes = Uint8Array.of(2, 0x31);
      const forms = await postgres().forms(oid.jsonb, bytes);
      expect(errorOf(() => decodeBinary(oid.jsonb, bytes))).toBe(
        "error" in forms ? `ERROR ${forms.error}` : forms.text,
      );
    });

    test("text that is not UTF-8", async () => {
      const bytes = Uint8Array.of(0x61, 0xff);
      const forms = await postgres().forms(oid.text, bytes);
      expect(errorOf(() => decodeBinary(oid.text, bytes))).toBe(
        "error" in forms ? `ERROR ${forms.error}` : forms.text,
      );
    });
  });

  test("a bool of any byte but zero is true", async () => {
    const forms = await postgres().forms(oid.bool, Uint8Array.of(7));
    expect(decodeBinary(oid.bool, Uint8Array.of(7))).toBe("error" in forms ? "" : forms.text);
  });

  test("names of objects need the server's catalogs", () => {
    expect(errorOf(() => encodeBinary(2205, "pg_class"))).toBe(
      'ERROR 0A000 no binary output for the regclass "pg_class": its OID is not known here',
    );
    expect(encodeBinary(2205, "1259")).toEqual(Uint8Array.of(0, 0, 4, 235));
    expect(encodeBinary(2205, "-")).toEqual(new Uint8Array(4));
    expect(decodeBinary(2205, Uint8Array.of(0, 0, 4, 235))).toBe("1259");
  });

  test("texts of which the bytes are the binary form", () => {
    expect([oid.text, oid.varchar, oid.json, oid.xml].filter(isTextInBinary)).toHaveLength(4);
    expect([oid.jsonb, oid.name, oid.int4, oid.bytea, 99_999].filter(isTextInBinary)).toEqual([]);
  });

  test("a type without a codec is refused, or left alone", () => {
    expect(errorOf(() => encodeBinary(1033, "a=r/b"))).toBe("ERROR 0A000 no binary output for type aclitem");
    expect(errorOf(() => encodeBinary(99_999, "1"))).toBe(
      "ERROR 0A000 no binary output for type with OID 99999",
    );
    expect(decodeBinary(99_999, new Uint8Array(8))).toBeUndefined();
  });

  test("sizes of types are pg_type's", async () => {
    const { rows } = await postgres().query<{ oid: number; typlen: number }>(
      "select oid::int, typlen::int from pg_type where oid < 10000 order by oid",
    );
    expect(rows.length).toBeGreaterThan(150);
    const wrong = rows.filter(({ oid: typeOid, typlen }) => typeSize(typeOid) !== typlen);
    expect(wrong).toEqual([]);
    expect(typeSize(99_999)).toBe(-1);
  });

  test("OIDs are pg_type's", async () => {
    const { rows } = await postgres().query<{ typname: string; oid: number }>(
      "select typname::text, oid::int from pg_type where oid < 10000",
    );
    const known = new Map(rows.map(({ typname, oid: typeOid }) => [typname, typeOid]));
    for (const [name, typeOid] of Object.entries(oid)) expect(known.get(name)).toBe(typeOid);
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
