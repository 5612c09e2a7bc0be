/** The settings that decide how values are written: each style that a server may answer in is read, and written alike. */
import { describe, expect, test } from "vitest";
import { binaryDecoder, binaryEncoder, readTypeSettings } from "../../src/types/mod.ts";
import { errorOf } from "../wire/bytes.ts";
import { disagreements } from "./agreement.ts";
import { arrayOf, type Generator, generators, offset } from "./generators.ts";
import type { Postgres, Value } from "./postgres.ts";
import { Random } from "./random.ts";

export function settings(postgres: () => Postgres): void {
  type Settings = Readonly<Record<string, string>>;

  /** PostgreSQL's forms of random values, written under `settings`. */
  async function values(
    type: string,
    settings: Settings,
    generate: Generator,
    count: number,
  ): Promise<(Value & { input: string })[]> {
    const random = new Random(0x5bd1e995 ^ (count + type.length * 7919));
    const texts = Array.from({ length: count }, () => generate(random));
    await postgres().run(
      Object.entries(settings)
        .map(([name, value]) => `set ${name} = '${value}'`)
        .join(";"),
    );
    try {
      return await postgres().read(type, texts);
    } finally {
      await postgres().run("reset all; set timezone = 'UTC'");
    }
  }

  const generatorOf = (type: string): Generator => {
    const element = type.replace("[]", "");
    const generate = generators[element] as Generator;
    return type.endsWith("[]") ? arrayOf(generate) : generate;
  };

  async function agree(
    type: string,
    typeOid: number,
    settings: Settings,
    count = 1000,
    generate = generatorOf(type),
  ): Promise<void> {
    const known = await values(type, settings, generate, count);
    expect(known.length).toBeGreaterThan(count / 3);
    const own = readTypeSettings(Object.entries(settings));
    expect(disagreements(known, binaryEncoder(typeOid, own), binaryDecoder(typeOid, own))).toEqual([]);
  }

  const dateTypes: [string, number][] = [
    ["date", 1082],
    ["timestamp", 1114],
    ["timestamptz", 1184],
  ];

  describe.each([
    "ISO, DMY",
    "SQL, MDY",
    "SQL, DMY",
    "Postgres, MDY",
    "Postgres, DMY",
    "Postgres, YMD",
    "German, DMY",
    "German, MDY",
  ])("DateStyle %s", (DateStyle) => {
    test.each(dateTypes)("%s", (type, typeOid) => agree(type, typeOid, { DateStyle }, 250));

    test("in arrays, ranges, and zones with a fixed offset", async () => {
      await agree("timestamp[]", 1115, { DateStyle }, 50);
      await agree("tsrange", 3908, { DateStyle }, 50);
      await agree("datemultirange", 4535, { DateStyle }, 50);
      await agree("timestamptz", 1184, { DateStyle, TimeZone: "<+03>-03" }, 100);
      await agree("timestamptz", 1184, { DateStyle, TimeZone: "Etc/GMT+5" }, 100);
      await agree("timetz", 1266, { DateStyle }, 50);
    });
  });

  /** Between two years, where PostgreSQL's and the runtime's time zone data can be expected to agree. */
  const between =
    (from: number, to: number): Generator =>
    (random) => {
      const two = (last: number): string => String(random.int(0, last)).padStart(2, "0");
      const date = `${random.int(from, to)}-${String(random.int(1, 12)).padStart(2, "0")}-${String(random.int(1, 28)).padStart(2, "0")}`;
      return `${date} ${two(23)}:${two(59)}:${two(59)}.${random.digits(1, 6)}`;
    };

  const zones = [
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Europe/Berlin",
    "Europe/Dublin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "<+05:30>-05:30",
  ];

  describe.each(zones)("TimeZone %s", (TimeZone) => {
    test("what a zone's clocks show", async () => {
      await agree("timestamptz", 1184, { TimeZone }, 200, between(1970, 2037));
      await agree("tstzrange", 3910, { TimeZone }, 30);
    });

    test("far from today", async () => {
      const zoned: Generator = (random) => `${between(2038, 290000)(random)}${offset(random)}`;
      await agree("timestamptz", 1184, { TimeZone }, 50, zoned);
      await agree("timestamptz", 1184, { TimeZone }, 50, (random) => `${between(1000, 1800)(random)}+00`);
    });

    test("abbreviations are read rightly or not at all", async () => {
      for (const DateStyle of ["SQL", "Postgres", "German"]) {
        const settings = { TimeZone, DateStyle };
        const own = readTypeSettings(Object.entries(settings));
        const known = await values("timestamptz", settings, between(1970, 2037), 60);
        const encode = binaryEncoder(1184, own);
        const read = known.filter(({ text }) => !errorOf(() => encode(text)).startsWith("ERROR 0A000"));
        const decode = binaryDecoder(1184, own);
        const written = known.filter(
          ({ binary }) => !errorOf(() => decode(binary)).startsWith("ERROR 0A000"),
        );
        expect(read.flatMap((value) => disagreements([value], encode, () => value.text))).toEqual([]);
        expect(written.flatMap((value) => disagreements([value], () => value.binary, decode))).toEqual([]);
        if (/New_York|Berlin|Kolkata|<|Apia|Kathmandu/.test(TimeZone)) {
          expect(read.length, `${DateStyle}: ${known[0]?.text}`).toBeGreaterThan(50);
        }
      }
    });
  });

  test("local time that clocks skip, and that they show twice", async () => {
    const texts = [
      "2024-03-10 01:59:59",
      "2024-03-10 02:00:00",
      "2024-03-10 02:30:00",
      "2024-03-10 03:00:00",
      "2024-11-03 00:59:59",
      "2024-11-03 01:00:00",
      "2024-11-03 01:30:00",
      "2024-11-03 01:59:59.999",
      "2024-11-03 02:00:00",
    ];
    await postgres().run("set timezone = 'America/New_York'");
    const known = await postgres().read("timestamptz", texts);
    await postgres().run("set timezone = 'UTC'");
    const own = readTypeSettings([["TimeZone", "America/New_York"]]);
    expect(known).toHaveLength(texts.length);
    expect(disagreements(known, binaryEncoder(1184, own), binaryDecoder(1184, own))).toEqual([]);
  });

  test("a time zone that nobody knows", () => {
    const own = readTypeSettings([["TimeZone", "Nowhere/At_All"]]);
    expect(errorOf(() => binaryDecoder(1184, own)(new Uint8Array(8)))).toBe(
      'ERROR 22023 time zone "Nowhere/At_All" not recognized',
    );
  });

  describe.each(["postgres", "postgres_verbose", "sql_standard", "iso_8601"])(
    "IntervalStyle %s",
    (IntervalStyle) => {
      test("interval", () => agree("interval", 1186, { IntervalStyle }));
      test("interval[]", () => agree("interval[]", 1187, { IntervalStyle }, 100));
    },
  );

  test.each([-15, -14, -10, -4, -1, 0, 1, 3])("extra_float_digits %s", async (digits) => {
    const settings = { extra_float_digits: String(digits) };
    const own = readTypeSettings(Object.entries(settings));
    for (const [type, typeOid] of [
      ["float8", 701],
      ["float4", 700],
      ["point", 600],
      ["float8[]", 1022],
    ] as const) {
      // With few digits the text is another value than the binary form: only what is written can agree.
      const known = await values(type, settings, generatorOf(type), 150);
      const decode = binaryDecoder(typeOid, own);
      expect(
        known.flatMap((value) =>
          disagreements([{ ...value, input: value.text }], () => value.binary, decode),
        ),
        type,
      ).toEqual([]);
    }
  });

  test("extra_float_digits rounds a value midway between two to the even one", async () => {
    for (const [digits, texts] of [
      [-14, ["2.5", "3.5", "-0.5", "25", "0.25"]],
      [0, ["100000000000000.5", "100000000000001.5", "1000000000000005", "1000000000000015"]],
    ] as const) {
      const settings = { extra_float_digits: String(digits) };
      await postgres().run(`set extra_float_digits = ${digits}`);
      const known = await postgres().read("float8", texts);
      await postgres().run("reset extra_float_digits");
      const decode = binaryDecoder(701, readTypeSettings(Object.entries(settings)));
      expect(known.map(({ binary }) => decode(binary))).toEqual(known.map(({ text }) => text));
    }
  });

  test("bytea_output escape", async () => {
    await agree("bytea", 17, { bytea_output: "escape" });
    await agree("bytea[]", 1001, { bytea_output: "escape" }, 100);
  });

  test("settings are read as SHOW and SET write them", () => {
    expect(
      readTypeSettings([
        ["DateStyle", "German"],
        ["intervalstyle", "ISO_8601"],
        ["TimeZone", "Europe/Berlin"],
        ["extra_float_digits", "-3"],
        ["bytea_output", "escape"],
        ["server_version", "18.1"],
      ]),
    ).toEqual({
      dateStyle: "German",
      dateOrder: "DMY",
      intervalStyle: "iso_8601",
      timeZone: "Europe/Berlin",
      extraFloatDigits: -3,
      byteaOutput: "escape",
    });
    expect(readTypeSettings([["DateStyle", "postgres, european"]])).toMatchObject({
      dateStyle: "Postgres",
      dateOrder: "DMY",
    });
    expect(readTypeSettings([["DateStyle", "YMD"]], readTypeSettings([["DateStyle", "SQL"]]))).toMatchObject({
      dateStyle: "SQL",
      dateOrder: "YMD",
    });
  });
}
