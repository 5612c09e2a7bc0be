import { describe, expect, test } from "vitest";
import type { Parameter } from "../../src/session/mod.ts";
import { oid, TypeRegistry } from "../../src/types/mod.ts";
import { type Scripted, scripted } from "./scripted-upstream.ts";
import { bind, connect, describePortal, execute, parse, sync } from "./test-client.ts";

/** An upstream that keeps its parameters, and answers one row of an int4, a text and a numeric. */
function typed(): Scripted & { parameters: readonly Parameter[] } {
  const script: Scripted & { parameters: readonly Parameter[] } = Object.assign(
    scripted({
      query: ({ parameters }) => {
        script.parameters = parameters;
        return {
          type: "rows",
          columns: [
            { name: "i", typeOid: oid.int4 },
            { name: "t", typeOid: oid.text },
            { name: "n", typeOid: oid.numeric },
          ],
          rows: [
            ["258", "tee", null],
            [null, "", Uint8Array.of(0xca, 0xfe)],
          ],
        };
      },
      describe: ({ sql }) => ({
        parameterTypes: (sql.match(/\$\d/g) ?? []).map(() => oid.int4),
        columns: [{ name: "i" }, { name: "t" }, { name: "n" }],
      }),
    }),
    { parameters: [] },
  );
  return script;
}

async function results(formats: number[]): Promise<string[]> {
  const client = await connect(typed());
  const lines = await client.ask(parse("select"), bind([], { results: formats }), execute(), sync);
  return lines.slice(2, -1);
}

describe("result formats", () => {
  test("none: all text", async () => {
    expect(await results([])).toEqual([
      "DataRow 258|tee|null",
      "DataRow null||0xcafe",
      "CommandComplete SELECT 2",
    ]);
  });

  test("one for each: text cells become binary, bytes are sent as they are", async () => {
    expect(await results([1, 0, 1])).toEqual([
      "DataRow 0x00000102|tee|null",
      "DataRow null||0xcafe",
      "CommandComplete SELECT 2",
    ]);
  });

  test("a type that has no binary form here is refused, not guessed", async () => {
    const client = await connect(
      scripted({
        query: () => ({ type: "rows", columns: [{ name: "n", typeOid: 1033 }], rows: [["a=r/b"]] }),
      }),
    );
    void client.send(parse("select"), bind([], { results: [1] }), execute(), sync);
    await client.until("ReadyForQuery");
    expect(client.last("ErrorResponse").fields).toMatchObject({
      code: "0A000",
      message: "no binary output for type aclitem",
      hint: "Ask for this column in text format.",
    });
  });

  test("they are told in RowDescription", async () => {
    const client = await connect(typed());
    void client.send(parse("select"), bind([], { results: [1, 0, 1] }), describePortal(), execute(), sync);
    await client.until("ReadyForQuery");
    expect(client.last("RowDescription").fields.map(({ format }) => format)).toEqual([1, 0, 1]);
  });

  test.each([
    ["too few", [1, 0], "08P01 bind message has 2 result formats but query has 3 columns"],
    ["too many", [1, 0, 1, 0], "08P01 bind message has 4 result formats but query has 3 columns"],
    ["an unknown one", [7], "22023 unsupported format code: 7"],
  ])("%s", async (_, formats, error) => {
    expect(await results(formats)).toEqual([`ErrorResponse ERROR ${error}`]);
  });

  test("reach the upstream, which may give bytes of its own", async () => {
    let seen: readonly number[] = [];
    const script = scripted({
      query: ({ resultFormats }) => {
        seen = resultFormats;
        return { type: "rows", columns: [{ name: "p", typeOid: 600 }], rows: [[new Uint8Array(16)]] };
      },
    });
    const client = await connect(script);
    const lines = await client.ask(parse("select"), bind([], { results: [1] }), execute(), sync);
    expect(lines).toContain(`DataRow 0x${"00".repeat(16)}`);
    expect(seen).toEqual([1]);
  });
});

describe("parameters", () => {
  async function bound(
    parameters: readonly (string | Uint8Array | null)[],
    formats: number[],
    types: number[] = [],
  ): Promise<readonly Parameter[] | string | undefined> {
    const script = typed();
    const client = await connect(script);
    const sql = `select ${parameters.map((_, at) => `$${at + 1}`).join(", ")}`;
    const lines = await client.ask(parse(sql, "", types), bind(parameters, { formats }), execute(), sync);
    const error = lines.find((line) => line.startsWith("ErrorResponse"));
    return error ?? script.parameters;
  }

  test("text, verbatim", async () => {
    expect(await bound(["it''s", '{"","NULL"}', "", null, "ünïcode 😀", "\\x00"], [])).toEqual([
      "it''s",
      '{"","NULL"}',
      "",
      null,
      "ünïcode 😀",
      "\\x00",
    ]);
  });

  test("binary of a type with a codec arrives as text", async () => {
    const types = [oid.int8, oid.bool, oid.bytea, oid.uuid, oid.float8, oid.jsonb];
    const values = [
      Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2),
      Uint8Array.of(1),
      Uint8Array.of(0, 255),
      new Uint8Array(16),
      Uint8Array.of(0x3f, 0xf8, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(1, 0x7b, 0x7d),
    ];
    expect(await bound(values, [1], types)).toEqual([
      "258",
      "t",
      "\\x00ff",
      "00000000-0000-0000-0000-000000000000",
      "1.5",
      "{}",
    ]);
  });

  test("binary of another type arrives as the client's bytes", async () => {
    const value = Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0, 0, 7);
    expect(await bound([value], [1], [99_999])).toEqual([value]);
  });

  test("binary of a fixed size may come in another one, where PostgreSQL reads both", async () => {
    // macaddr8_recv takes a macaddr, too.
    const short = Uint8Array.of(8, 0, 0x2b, 1, 2, 3);
    const long = Uint8Array.of(8, 0, 0x2b, 1, 2, 3, 4, 5);
    expect(await bound([short, long], [1], [774, 774])).toEqual([
      "08:00:2b:ff:fe:01:02:03",
      "08:00:2b:01:02:03:04:05",
    ]);
    const error = "incorrect binary data format in bind parameter 1";
    expect(await bound([new Uint8Array(9)], [1], [774])).toBe(`ErrorResponse ERROR 22P03 ${error}`);
  });

  test("one format for each", async () => {
    expect(await bound(["7", Uint8Array.of(0, 0, 0, 7)], [0, 1], [oid.int4, oid.int4])).toEqual(["7", "7"]);
  });

  test("where Parse gave no types, those that the upstream tells", async () => {
    expect(await bound([Uint8Array.of(0, 0, 1, 0)], [1])).toEqual(["256"]);
    expect(await bound([Uint8Array.of(0, 0, 1, 0)], [1], [0])).toEqual(["256"]);
  });

  test("where nobody tells them, the bytes", async () => {
    const script = scripted({ query: () => ({ type: "command", tag: "OK" }) });
    let seen: readonly Parameter[] = [];
    const client = await connect(
      scripted({
        query: ({ parameters }) => {
          seen = parameters;
          return { type: "command", tag: "OK" };
        },
      }),
    );
    await client.ask(parse("x $1"), bind([Uint8Array.of(1, 2)], { formats: [1] }), execute(), sync);
    expect(seen).toEqual([Uint8Array.of(1, 2)]);
    expect(script.calls).toEqual([]);
  });

  test.each<[string, (string | Uint8Array | null)[], number[], number[], string]>([
    ["too many formats", ["1"], [0, 0], [], "08P01 bind message has 2 parameter formats but 1 parameters"],
    ["an unknown format", ["1"], [2], [], "22023 unsupported format code: 2"],
    [
      "bytes that are not UTF-8",
      [Uint8Array.of(0x61, 0xff)],
      [0],
      [],
      '22021 invalid byte sequence for encoding "UTF8": 0xff',
    ],
    ["a NUL", [Uint8Array.of(0x61, 0)], [0], [], '22021 invalid byte sequence for encoding "UTF8": 0x00'],
    [
      "an int4 of three bytes",
      [new Uint8Array(3)],
      [1],
      [oid.int4],
      "08P01 insufficient data left in message",
    ],
    [
      "an int4 of five bytes",
      [new Uint8Array(5)],
      [1],
      [oid.int4],
      "22P03 incorrect binary data format in bind parameter 1",
    ],
  ])("%s", async (_, parameters, formats, types, error) => {
    expect(await bound(parameters, formats, types)).toBe(`ErrorResponse ERROR ${error}`);
  });

  test("of another number than the statement has", async () => {
    const client = await connect(typed());
    expect(await client.ask(parse("select $1, $2", "s"), bind(["1"], { statement: "s" }), sync)).toContain(
      'ErrorResponse ERROR 08P01 bind message supplies 1 parameters, but prepared statement "s" requires 2',
    );
  });
});

describe("the session's settings", () => {
  test("tell how the text of a result is to be read for its binary form", async () => {
    const script = scripted({
      settings: "upstream",
      parameters: [
        ["DateStyle", "SQL, DMY"],
        ["TimeZone", "Asia/Tokyo"],
      ],
      query: () => ({
        type: "rows",
        columns: [
          { name: "d", typeOid: 1082 },
          { name: "t", typeOid: oid.timestamptz },
        ],
        rows: [["03/02/2001", "03/02/2001 04:05:06 JST"]],
      }),
    });
    const client = await connect(script);
    const lines = await client.ask(parse("select"), bind([], { results: [1] }), execute(), sync);
    // 3 February 2001, and 19:05:06 UTC of the day before, since 2000-01-01.
    expect(lines).toContain(
      `DataRow 0x${hex(399, 4)}|0x${hex(((398 * 24 + 19) * 60 + 5) * 60_000_000 + 6_000_000, 8)}`,
    );
  });

  function hex(value: number, bytes: number): string {
    return value.toString(16).padStart(bytes * 2, "0");
  }
});

describe("types of the database's own", () => {
  const [mood, pair, moods, secret] = [16_390, 16_392, 16_394, 16_396];
  const types = new TypeRegistry()
    .register(mood, { type: "enum", name: "mood", labels: ["sad", "ok"] })
    .register(pair, { type: "composite", fields: [oid.int4, mood] })
    .register(moods, { type: "array", element: mood });

  async function answered(column: number, text: string, parameters: [number, Uint8Array][] = []) {
    const asked: (readonly number[])[] = [];
    let given: readonly Parameter[] = [];
    const script = scripted({
      query: (statement) => {
        given = statement.parameters;
        return { type: "rows", columns: [{ name: "c", typeOid: column }], rows: [[text], [null]] };
      },
      types: async (oids) => {
        asked.push(oids);
        return types;
      },
    });
    const client = await connect(script);
    const sql = `select ${parameters.map((_, at) => `$${at + 1}`).join()}`;
    const all = bind(
      parameters.map(([, value]) => value),
      { formats: [1], results: [1] },
    );
    const lines = await client.ask(
      parse(
        sql,
        "",
        parameters.map(([type]) => type),
      ),
      all,
      describePortal(),
      execute(),
      sync,
    );
    return { lines: lines.filter((line) => /^(DataRow|ErrorResponse)/.test(line)), asked, given };
  }

  test("have a binary form where the upstream tells what they are", async () => {
    expect((await answered(mood, "sad")).lines).toEqual(["DataRow sad", "DataRow null"]);
    const { lines, asked } = await answered(pair, "(1,ok)");
    expect(lines[0]).toBe("DataRow 0x000000020000001700000004000000010000400600000002".concat("6f6b"));
    expect(asked).toEqual([[pair]]);
  });

  test("are parameters, too", async () => {
    const label = new TextEncoder().encode("ok");
    const array = Uint8Array.of(
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      0x40,
      6,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      2,
      ...label,
    );
    const { given, asked } = await answered(oid.int4, "1", [
      [mood, label],
      [moods, array],
      [mood, label],
    ]);
    expect(given).toEqual(["ok", "{ok}", "ok"]);
    expect(asked).toEqual([[mood, moods]]);
  });

  test("that the upstream does not know are refused, or pass as bytes", async () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect((await answered(oid.int4, "1", [[secret, bytes]])).given).toEqual([bytes]);
    expect((await answered(secret, "x")).lines).toEqual([
      "ErrorResponse ERROR 0A000 no binary output for type with OID 16396",
    ]);
  });
});
