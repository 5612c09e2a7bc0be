import { describe, expect, test } from "vitest";
import { decodeText, Reader } from "../../src/wire/mod.ts";
import { bytes, errorOf } from "./bytes.ts";

describe("Reader", () => {
  test("reads numbers, signed and unsigned", () => {
    const reader = new Reader(bytes("ff fffe fffe fffffffd fffffffd 7fff 80000000"));
    expect(reader.byte()).toBe(255);
    expect(reader.int16()).toBe(-2);
    expect(reader.uint16()).toBe(65534);
    expect(reader.int32()).toBe(-3);
    expect(reader.uint32()).toBe(4294967293);
    expect(reader.int16()).toBe(32767);
    expect(reader.int32()).toBe(-2147483648);
    expect(reader.remaining).toBe(0);
    reader.end();
  });

  test("reads strings of every length", () => {
    for (const length of [0, 1, 13, 14, 15, 40, 5000]) {
      for (const text of ["a".repeat(length), "é".repeat(length), `${"a".repeat(length)}東🐘`, "\u{feff}a"]) {
        const encoded = new TextEncoder().encode(`${text}\0x\0`);
        const reader = new Reader(encoded);
        expect(reader.cstring()).toBe(text);
        expect(reader.cstring()).toBe("x");
        reader.end();
      }
    }
  });

  test("gives views, never copies", () => {
    const memory = bytes("aaaa 0102030405 bbbb");
    const reader = new Reader(memory.subarray(2, 7));
    const view = reader.bytes(2);
    expect(view).toEqual(bytes("0102"));
    expect(view.buffer).toBe(memory.buffer);
    expect(reader.rest()).toEqual(bytes("030405"));
    expect(reader.rest()).toHaveLength(0);
  });

  test("reads values behind their length", () => {
    const reader = new Reader(bytes("00000001 41 ffffffff 00000000"));
    expect(reader.sized()).toEqual(bytes("41"));
    expect(reader.sized()).toBeNull();
    expect(reader.sized()).toHaveLength(0);
  });

  test("every miss is ERROR 08P01 in PostgreSQL's words, and moves nothing", () => {
    const body = bytes("0102 ffff").subarray(0, 2);
    const miss = (read: (reader: Reader) => unknown) => {
      const reader = new Reader(body);
      const error = errorOf(() => read(reader));
      expect(reader.remaining).toBe(2);
      return error;
    };
    const insufficient = "ERROR 08P01 insufficient data left in message";
    expect(miss((reader) => reader.int32())).toBe(insufficient);
    expect(miss((reader) => reader.bytes(3))).toBe(insufficient);
    expect(miss((reader) => reader.bytes(-1))).toBe(insufficient);
    expect(miss((reader) => reader.cstring())).toBe("ERROR 08P01 invalid string in message");
    expect(miss((reader) => reader.end())).toBe("ERROR 08P01 invalid message format");
    expect(errorOf(() => new Reader(body.subarray(0, 1)).uint16())).toBe(insufficient);
    expect(errorOf(() => new Reader(body.subarray(0, 0)).byte())).toBe("ERROR 08P01 no data left in message");
  });

  test("refuses a count its bytes cannot hold", () => {
    expect(new Reader(bytes("0002 00000000 00000000")).count(4)).toBe(2);
    expect(errorOf(() => new Reader(bytes("0003 00000000 00000000")).count(4))).toBe(
      "ERROR 08P01 insufficient data left in message",
    );
  });

  test("a zero byte behind the body does not end its string", () => {
    const memory = bytes("'abc' 00");
    expect(errorOf(() => new Reader(memory.subarray(0, 3)).cstring())).toBe(
      "ERROR 08P01 invalid string in message",
    );
  });
});

// The bytes shown are those PostgreSQL 15 shows: as many as the first one announces, if there are so many.
const invalid: [string, string][] = [
  ["80", "0x80"],
  ["ff", "0xff"],
  ["fc8181818181", "0xfc"],
  ["c3", "0xc3"],
  ["c328", "0xc3 0x28"],
  ["c080", "0xc0 0x80"],
  ["c1bf", "0xc1 0xbf"],
  ["e0808080", "0xe0 0x80 0x80"],
  ["e09f80", "0xe0 0x9f 0x80"],
  ["e228", "0xe2 0x28"],
  ["e22841", "0xe2 0x28 0x41"],
  ["e28228", "0xe2 0x82 0x28"],
  ["e282", "0xe2 0x82"],
  ["eda080", "0xed 0xa0 0x80"],
  ["f0288cbc", "0xf0 0x28 0x8c 0xbc"],
  ["f08fbfbf", "0xf0 0x8f 0xbf 0xbf"],
  ["f4908080", "0xf4 0x90 0x80 0x80"],
  ["f5808080", "0xf5 0x80 0x80 0x80"],
  ["f09f9098f09f90", "0xf0 0x9f 0x90"],
];

describe("invalid UTF-8 is 22021", () => {
  test.each(invalid)("%s", (notation, shown) => {
    const error = `ERROR 22021 invalid byte sequence for encoding "UTF8": ${shown}`;
    expect(errorOf(() => decodeText(bytes(notation)))).toBe(error);
    for (const before of ["a", "é", "a".repeat(60)]) {
      expect(errorOf(() => decodeText(bytes(`'${before}' ${notation}`)))).toBe(error);
      expect(errorOf(() => new Reader(bytes(`'${before}' ${notation} 00`)).cstring())).toBe(error);
    }
  });

  test("every sequence that PostgreSQL takes is taken", () => {
    for (const text of [
      "\u{80}",
      "\u{7ff}",
      "\u{800}",
      "\u{d7ff}",
      "\u{e000}",
      "\u{ffff}",
      "\u{10000}",
      "\u{10ffff}",
    ]) {
      expect(decodeText(new TextEncoder().encode(text))).toBe(text);
    }
  });
});
