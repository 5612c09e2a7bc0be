import { describe, expect, test } from "vitest";
import {
  decodeFrontend,
  encodeFrontend,
  type FrontendMessage,
  type PasswordKind,
  Writer,
} from "../../src/wire/mod.ts";
import { bytes, concat, errorOf, frontendBytes } from "./bytes.ts";

const data = Uint8Array.of(1, 0, 255);

const goldens: [FrontendMessage, string][] = [
  [
    {
      type: "Bind",
      portal: "p",
      statement: "s1",
      parameterFormats: [0, 1],
      parameters: [bytes("'42'"), null],
      resultFormats: [1],
    },
    "42 0000001f 'p' 00 's1' 00 0002 0000 0001 0002 00000002 '42' ffffffff 0001 0001",
  ],
  [
    { type: "Bind", portal: "", statement: "", parameterFormats: [], parameters: [], resultFormats: [] },
    "42 0000000c 00 00 0000 0000 0000",
  ],
  [{ type: "Close", kind: "S", name: "s1" }, "43 00000008 53 's1' 00"],
  [{ type: "Close", kind: "P", name: "" }, "43 00000006 50 00"],
  [{ type: "CopyData", data }, "64 00000007 01 00 ff"],
  [{ type: "CopyData", data: new Uint8Array(0) }, "64 00000004"],
  [{ type: "CopyDone" }, "63 00000004"],
  [{ type: "CopyFail", message: "no more" }, "66 0000000c 'no more' 00"],
  [{ type: "Describe", kind: "S", name: "s1" }, "44 00000008 53 's1' 00"],
  [{ type: "Describe", kind: "P", name: "" }, "44 00000006 50 00"],
  [{ type: "Execute", portal: "p", maxRows: 0 }, "45 0000000a 'p' 00 00000000"],
  [{ type: "Execute", portal: "", maxRows: -1 }, "45 00000009 00 ffffffff"],
  [{ type: "Flush" }, "48 00000004"],
  [
    {
      type: "FunctionCall",
      functionOid: 1397,
      argumentFormats: [1],
      arguments: [bytes("00000007"), null],
      resultFormat: 1,
    },
    "46 0000001c 00000575 0001 0001 0002 00000004 00000007 ffffffff 0001",
  ],
  [{ type: "GSSResponse", data }, "70 00000007 01 00 ff"],
  [{ type: "Parse", statement: "", query: "", parameterTypes: [] }, "50 00000008 00 00 0000"],
  [
    { type: "Parse", statement: "s1", query: "SELECT $1", parameterTypes: [23, 0, 4294967295] },
    "50 0000001f 's1' 00 'SELECT $1' 00 0003 00000017 00000000 ffffffff",
  ],
  [{ type: "PasswordMessage", password: "secret" }, "70 0000000b 'secret' 00"],
  [{ type: "Query", query: "SELECT 1" }, "51 0000000d 'SELECT 1' 00"],
  [{ type: "Query", query: "SELECT 'é東🐘'".replaceAll("'", '"') }, "51 00000017 'SELECT \"é東🐘\"' 00"],
  [
    { type: "SASLInitialResponse", mechanism: "SCRAM-SHA-256", data: bytes("'n,,n=,r=abc'") },
    "70 00000021 'SCRAM-SHA-256' 00 0000000b 'n,,n=,r=abc'",
  ],
  [{ type: "SASLInitialResponse", mechanism: "X", data: null }, "70 0000000a 'X' 00 ffffffff"],
  [{ type: "SASLInitialResponse", mechanism: "X", data: new Uint8Array(0) }, "70 0000000a 'X' 00 00000000"],
  [{ type: "SASLResponse", data: bytes("'c=biws'") }, "70 0000000a 'c=biws'"],
  [{ type: "Sync" }, "53 00000004"],
  [{ type: "Terminate" }, "58 00000004"],
];

const passwordKinds = new Set<string>([
  "SASLInitialResponse",
  "SASLResponse",
  "GSSResponse",
  "PasswordMessage",
]);

function decode(message: Uint8Array, kind: string): FrontendMessage {
  const password = passwordKinds.has(kind) ? (kind as PasswordKind) : undefined;
  return decodeFrontend(message[0] as number, message.subarray(5), password);
}

describe("golden bytes of frontend messages", () => {
  test.each(goldens)("%o", (message, notation) => {
    const golden = bytes(notation);
    expect(frontendBytes(message)).toEqual(golden);
    expect(decode(golden, message.type)).toEqual(message);
  });

  test.each(goldens)("%o with one byte less or more is malformed", (message, notation) => {
    const golden = bytes(notation);
    const longer = concat(golden, Uint8Array.of(1));
    const free = ["CopyData", "SASLResponse", "GSSResponse"].includes(message.type);
    if (free) return;
    expect(() => decode(longer, message.type)).toThrow(
      /^(invalid message format|invalid password packet size)$/,
    );
    // A body that is empty has nothing to lose.
    if (golden.length === 5) return;
    expect(errorOf(() => decode(golden.subarray(0, -1), message.type))).toMatch(/^ERROR 08P01 /);
  });
});

test("parameters and arguments may be strings when encoding", () => {
  const bind = { type: "Bind", portal: "", statement: "", parameterFormats: [], resultFormats: [] } as const;
  const text = frontendBytes({
    ...bind,
    parameterFormats: [],
    resultFormats: [],
    parameters: ["é", "", null],
  });
  expect(decode(text, "Bind")).toMatchObject({ parameters: [bytes("'é'"), new Uint8Array(0), null] });
  const call = frontendBytes({
    type: "FunctionCall",
    functionOid: 1,
    argumentFormats: [],
    arguments: ["x"],
    resultFormat: 0,
  });
  expect(decode(call, "FunctionCall")).toMatchObject({ arguments: [bytes("'x'")] });
});

test("65,535 parameters, and not one more", () => {
  const parameters = new Array<string | null>(65_535).fill(null);
  parameters[65_534] = "last";
  const bind = { type: "Bind", portal: "", statement: "", parameterFormats: [], resultFormats: [] } as const;
  const message = decode(
    frontendBytes({ ...bind, parameterFormats: [], resultFormats: [], parameters }),
    "Bind",
  );
  expect(message).toMatchObject({ type: "Bind" });
  if (message.type !== "Bind") return;
  expect(message.parameters).toHaveLength(65_535);
  expect(message.parameters[65_534]).toEqual(bytes("'last'"));

  const parameterTypes = new Array<number>(65_535).fill(4_000_000_000);
  const parse = decode(frontendBytes({ type: "Parse", statement: "", query: "", parameterTypes }), "Parse");
  expect(parse).toEqual({ type: "Parse", statement: "", query: "", parameterTypes });

  const writer = new Writer();
  expect(
    errorOf(() =>
      encodeFrontend(writer, {
        type: "Parse",
        statement: "",
        query: "",
        parameterTypes: [...parameterTypes, 1],
      }),
    ),
  ).toBe("ERROR 54000 too many elements in message: 65536");
  expect(writer.take()).toHaveLength(0);
});

// Each answer was taken from PostgreSQL 15.
const malformed: [string, string, string, string][] = [
  ["Query without a terminator", "Q", "'select 1'", "ERROR 08P01 invalid string in message"],
  ["Query without a body", "Q", "", "ERROR 08P01 invalid string in message"],
  ["Query with bytes behind it", "Q", "'select 1' 00 'x'", "ERROR 08P01 invalid message format"],
  ["Query with a zero byte inside", "Q", "'select 1' 00 ' garbage' 00", "ERROR 08P01 invalid message format"],
  [
    "Query with invalid UTF-8",
    "Q",
    "'select ' e228 '1' 00",
    'ERROR 22021 invalid byte sequence for encoding "UTF8": 0xe2 0x28 0x31',
  ],
  ["Parse without a body", "P", "", "ERROR 08P01 invalid string in message"],
  ["Parse without a count", "P", "00 'select 1' 00", "ERROR 08P01 insufficient data left in message"],
  ["Parse, 65,535 types in none", "P", "00 00 ffff", "ERROR 08P01 insufficient data left in message"],
  ["Parse, half a type", "P", "00 00 0001 0000", "ERROR 08P01 insufficient data left in message"],
  ["Parse with bytes behind it", "P", "00 00 0000 00", "ERROR 08P01 invalid message format"],
  ["Bind with one name", "B", "00", "ERROR 08P01 invalid string in message"],
  ["Bind with an open name", "B", "00 'abc'", "ERROR 08P01 invalid string in message"],
  ["Bind, 65,535 formats in none", "B", "00 00 ffff", "ERROR 08P01 insufficient data left in message"],
  [
    "Bind, 65,535 values in none",
    "B",
    "00 00 0000 ffff 0000",
    "ERROR 08P01 insufficient data left in message",
  ],
  [
    "Bind with a length of -2",
    "B",
    "00 00 0000 0001 fffffffe 0000",
    "ERROR 08P01 insufficient data left in message",
  ],
  [
    "Bind with a length past the end",
    "B",
    "00 00 0000 0001 00000010 0000",
    "ERROR 08P01 insufficient data left in message",
  ],
  [
    "Bind with a length of 2 GiB",
    "B",
    "00 00 0000 0001 7fffffff 0000",
    "ERROR 08P01 insufficient data left in message",
  ],
  ["Bind without result formats", "B", "00 00 0000 0000", "ERROR 08P01 insufficient data left in message"],
  [
    "Bind with a result format missing",
    "B",
    "00 00 0000 0000 0002 0000",
    "ERROR 08P01 insufficient data left in message",
  ],
  ["Bind with bytes behind it", "B", "00 00 0000 0000 0000 00", "ERROR 08P01 invalid message format"],
  ["Describe without a body", "D", "", "ERROR 08P01 no data left in message"],
  ["Describe of nothing", "D", "53", "ERROR 08P01 invalid string in message"],
  ["Describe of an X", "D", "58 00", "ERROR 08P01 invalid DESCRIBE message subtype 88"],
  ["Describe of an X with bytes behind it", "D", "58 00 00", "ERROR 08P01 invalid message format"],
  ["Close of an X", "C", "58 00", "ERROR 08P01 invalid CLOSE message subtype 88"],
  ["Execute with half a limit", "E", "00 0000", "ERROR 08P01 insufficient data left in message"],
  ["Execute with bytes behind it", "E", "00 00000000 00", "ERROR 08P01 invalid message format"],
  ["Flush with a body", "H", "00", "ERROR 08P01 invalid message format"],
  ["Sync with a body", "S", "00", "ERROR 08P01 invalid message format"],
  ["FunctionCall without a body", "F", "", "ERROR 08P01 insufficient data left in message"],
  [
    "FunctionCall with formats that do not fit",
    "F",
    "00000575 0002 0001 0001 0001 ffffffff 0001",
    "ERROR 08P01 function call message contains 2 argument formats but 1 arguments",
  ],
  [
    "FunctionCall with a length of -2",
    "F",
    "00000575 0001 0001 0001 fffffffe 0001",
    "ERROR 08P01 invalid argument size -2 in function call message",
  ],
  [
    "FunctionCall without a result format",
    "F",
    "00000575 0000 0000",
    "ERROR 08P01 insufficient data left in message",
  ],
  ["PasswordMessage without a terminator", "p", "'abc'", "ERROR 08P01 invalid password packet size"],
  [
    "PasswordMessage with a zero byte inside",
    "p",
    "'a' 00 'b' 00",
    "ERROR 08P01 invalid password packet size",
  ],
  ["PasswordMessage without a body", "p", "", "ERROR 08P01 invalid password packet size"],
  ["a type that does not exist", "z", "", "FATAL 08P01 invalid frontend message type 122"],
  ["a type of zero", "\0", "", "FATAL 08P01 invalid frontend message type 0"],
];

test.each(malformed)("%s", (_, code, body, error) => {
  expect(errorOf(() => decodeFrontend(code.charCodeAt(0), bytes(body)))).toBe(error);
});

test("malformed SASL messages", () => {
  const decodeInitial = (body: string) =>
    errorOf(() => decodeFrontend(0x70, bytes(body), "SASLInitialResponse"));
  expect(decodeInitial("'X'")).toBe("ERROR 08P01 invalid string in message");
  expect(decodeInitial("'X' 00")).toBe("ERROR 08P01 insufficient data left in message");
  expect(decodeInitial("'X' 00 00000005 'abc'")).toBe("ERROR 08P01 insufficient data left in message");
  expect(decodeInitial("'X' 00 00000001 'abc'")).toBe("ERROR 08P01 invalid message format");
  expect(decodeInitial("'X' 00 fffffffe")).toBe("ERROR 08P01 insufficient data left in message");
});

test("decoded bytes are views of the body", () => {
  const body = bytes("00 00 0000 0001 00000002 'ab' 0000");
  const message = decodeFrontend(0x42, body);
  if (message.type !== "Bind") throw new Error(message.type);
  expect(message.parameters[0]?.buffer).toBe(body.buffer);
});

test("a message that fails leaves nothing in the writer, and the ones before it", () => {
  const writer = new Writer();
  encodeFrontend(writer, { type: "Sync" });
  expect(errorOf(() => encodeFrontend(writer, { type: "Query", query: "a\0b" }))).toBe(
    'ERROR 22021 invalid byte sequence for encoding "UTF8": 0x00',
  );
  encodeFrontend(writer, { type: "Flush" });
  expect(writer.take()).toEqual(bytes("53 00000004 48 00000004"));
});
