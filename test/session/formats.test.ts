import { describe, expect, test } from "vitest";
import type { Parameter } from "../../src/session/mod.ts";
import { oid } from "../../src/types/mod.ts";
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
