import { describe, expect, test } from "vitest";
import {
  decodeStartup,
  encodeStartup,
  major,
  minor,
  protocol30,
  protocol32,
  type StartupPacket,
  Writer,
} from "../../src/wire/mod.ts";
import { bytes, errorOf } from "./bytes.ts";

const goldens: [StartupPacket, string][] = [
  [
    { type: "StartupMessage", version: protocol30, parameters: new Map([["user", "u"]]) },
    "00000010 00030000 'user' 00 'u' 00 00",
  ],
  [
    {
      type: "StartupMessage",
      version: protocol32,
      parameters: new Map([
        ["user", "é"],
        ["database", ""],
        ["_pq_.x", "1"],
      ]),
    },
    "00000024 00030002 'user' 00 'é' 00 'database' 00 00 '_pq_.x' 00 '1' 00 00",
  ],
  [{ type: "StartupMessage", version: 0x0003270f, parameters: new Map() }, "00000009 0003270f 00"],
  [{ type: "SSLRequest" }, "00000008 04d2162f"],
  [{ type: "GSSENCRequest" }, "00000008 04d21630"],
  [
    { type: "CancelRequest", processId: 1234, secretKey: bytes("deadbeef") },
    "00000010 04d2162e 000004d2 deadbeef",
  ],
  [
    { type: "CancelRequest", processId: -5, secretKey: new Uint8Array(256).fill(9) },
    `0000010c 04d2162e fffffffb ${"09".repeat(256)}`,
  ],
];

test.each(goldens)("%o", (packet, notation) => {
  const golden = bytes(notation);
  const writer = new Writer();
  encodeStartup(writer, packet);
  expect(writer.take()).toEqual(golden);
  expect(decodeStartup(golden.subarray(4))).toEqual(packet);
});

test("versions", () => {
  expect([major(protocol30), minor(protocol30)]).toEqual([3, 0]);
  expect([major(protocol32), minor(protocol32)]).toEqual([3, 2]);
  expect([major(0x0003270f), minor(0x0003270f)]).toEqual([3, 9999]);
});

test("a parameter sent twice has its last value", () => {
  expect(decodeStartup(bytes("00030000 'a' 00 '1' 00 'a' 00 '2' 00 00"))).toMatchObject({
    parameters: new Map([["a", "2"]]),
  });
});

test("a parameter without a name cannot be sent", () => {
  const parameters = new Map([["", "x"]]);
  const encode = () =>
    encodeStartup(new Writer(), { type: "StartupMessage", version: protocol30, parameters });
  expect(errorOf(encode)).toBe("ERROR 08P01 startup parameter without a name");
});

const layout = "FATAL 08P01 invalid startup packet layout: expected terminator as last byte";
const length = "FATAL 08P01 invalid length of startup packet";

// Where PostgreSQL 15 says something to the client, it says this.
describe("malformed packets", () => {
  test.each([
    ["nothing", "", length],
    ["half a version", "000300", length],
    ["no terminator at all", "00030000", layout],
    ["no terminator behind the parameters", "00030000 'user' 00 'postgres' 00", layout],
    ["a name without a value", "00030000 'user' 00 00", layout],
    ["an open name", "00030000 'user'", layout],
    ["an open value", "00030000 'user' 00 'postgres'", layout],
    ["bytes behind the terminator", "00030000 'user' 00 'postgres' 00 00 00", layout],
    ["protocol 2", "00020000", "FATAL 0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.2"],
    [
      "protocol 4",
      "00040000 00",
      "FATAL 0A000 unsupported frontend protocol 4.0: server supports 3.0 to 3.2",
    ],
    [
      "a request that does not exist",
      "04d21631",
      "FATAL 0A000 unsupported frontend protocol 1234.5681: server supports 3.0 to 3.2",
    ],
    ["SSLRequest with bytes behind it", "04d2162f 00", length],
    ["GSSENCRequest with bytes behind it", "04d21630 00", length],
    [
      "CancelRequest without a process id",
      "04d2162e 0000",
      "FATAL 08P01 invalid length of query cancel packet",
    ],
    ["CancelRequest without a key", "04d2162e 00000001", "FATAL 08P01 invalid length of query cancel key"],
    ["a key of 3 bytes", "04d2162e 00000001 000000", "FATAL 08P01 invalid length of query cancel key"],
    [
      "a key of 257 bytes",
      `04d2162e 00000001 ${"00".repeat(257)}`,
      "FATAL 08P01 invalid length of query cancel key",
    ],
    [
      "invalid UTF-8",
      "00030000 'user' 00 ff 00 00",
      'FATAL 22021 invalid byte sequence for encoding "UTF8": 0xff',
    ],
  ])("%s", (_, body, error) => {
    expect(errorOf(() => decodeStartup(bytes(body)))).toBe(error);
  });
});
