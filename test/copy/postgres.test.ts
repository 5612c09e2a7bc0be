// Options, data and errors of COPY, held to PostgreSQL's own.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { binaryRow } from "../../src/copy/binary.ts";
import { oid, TypeRegistry } from "../../src/types/mod.ts";
import { refusedOptions } from "./option-lists.ts";
import { CopyOracle } from "./oracle.ts";
import * as ours from "./ours.ts";
import { holdsRead, holdsWritten, setup } from "./properties.ts";

let oracle: CopyOracle;
beforeAll(async () => {
  oracle = await CopyOracle.start(setup);
});
afterAll(() => oracle?.close());

test("options are read and refused as PostgreSQL does", async () => {
  for (const options of refusedOptions) {
    for (const direction of ["from stdin", "to stdout"]) {
      const copy = `copy t ${direction} ${options}`;
      expect([copy, ours.refusal(copy)]).toEqual([copy, await oracle.refusal(copy)]);
    }
  }
});

test("data is read as PostgreSQL does, right and wrong", async () => {
  await holdsRead(oracle, 150);
});

test("rows are written as PostgreSQL does", async () => {
  await holdsWritten(oracle, 40);
});

describe("the binary format", () => {
  const table: ours.Table = {
    name: "n",
    columns: [
      { name: "a", fromBinary: new TypeRegistry().decoder(oid.int4) },
      { name: "b", fromBinary: new TypeRegistry().decoder(oid.text) },
    ],
    defaults: [],
  };
  const copy = "copy n from stdin (format binary)";
  const header = [...Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), 0, 0, 0, 0, 0, 0, 0, 0];
  const row = [0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 1, 0x41];
  const end = [0xff, 0xff];

  test.each<[string, number[]]>([
    ["rows", [...header, ...row, ...row, ...end]],
    ["no rows", [...header, ...end]],
    ["no trailer", [...header, ...row]],
    ["half a trailer", [...header, ...row, 0xff]],
    ["NULL", [...header, 0, 2, ...[255, 255, 255, 255], 0, 0, 0, 0, ...end]],
    ["an extension", [...header.slice(0, 18), 3, 1, 2, 3, ...row, ...end]],
    ["an extension that is cut short", [...header.slice(0, 18), 3, 1, 2]],
    ["another signature", [...header.with(3, 0x4f), ...row]],
    ["a signature that is cut short", header.slice(0, 7)],
    ["no flags", header.slice(0, 13)],
    ["no length", header.slice(0, 17)],
    ["a length below zero", [...header.slice(0, 15), 255, 255, 255, 255]],
    ["OIDs", [...header.with(12, 1), ...row]],
    ["unknown flags", [...header.with(12, 4), ...row]],
    ["bytes behind the trailer", [...header, ...row, ...end, 0]],
    ["too many fields", [...header, ...row.with(1, 3), ...end]],
    ["a field that is too long", [...header, ...row.with(5, 5), 1, 1]],
    ["a field that is too short", [...header, 0, 2, 0, 0, 0, 2, 0, 7, 255, 255, 255, 255]],
    ["a length that makes no sense", [...header, ...row, 0, 2, 255, 255, 255, 254]],
    ["a row that is cut short", [...header, ...row, ...row.slice(0, 12)]],
    ["bytes that are no text", [...header, ...row.with(14, 0xff), ...end]],
  ])("%s", async (_, bytes) => {
    const data = new Uint8Array(bytes);
    const expected = await oracle.read(copy, data, "n");
    expect(ours.read(copy, data, table)).toEqual(expected);
    expect(ours.read(copy, data, table, 1)).toEqual(expected);
  });

  test("is written as PostgreSQL does, chunk by chunk", async () => {
    const chunks = await oracle.write("copy (values (7, 'A'), (null, '')) to stdout (format binary)");
    const field = (text: string): Uint8Array => new TextEncoder().encode(text);
    const seven = new Uint8Array([0, 0, 0, 7]);
    expect(chunks).toEqual([
      new Uint8Array([...header, ...binaryRow([seven, field("A")])]),
      binaryRow([null, field("")]),
      new Uint8Array(end),
    ]);
    const none = await oracle.write("copy (select 1 where false) to stdout (format binary)");
    expect(none).toEqual([new Uint8Array([...header, ...end])]);
  });
});

describe("limits", () => {
  const table = { name: "t", columns: [{ name: "a" }], defaults: [] };

  test.each(["", "(format csv)"])("of a line %s", (options) => {
    const copy = `copy t from stdin ${options}`;
    const decode = (length: number, part: number): unknown =>
      ours.errorOf(() => {
        const decoder = ours.decoderOf(copy, { relation: "t", columns: table.columns, maxLine: 100 });
        const data = new TextEncoder().encode(`x\n${"y".repeat(length)}\n`);
        for (let at = 0; at < data.length; at += part)
          for (const _ of decoder.push(data.slice(at, at + part)));
        return [...decoder.end()];
      });
    for (const part of [7, 1_000]) {
      expect(decode(100, part)).toEqual([]);
      expect(decode(101, part)).toMatchObject({ code: "54000", where: "COPY t, line 2" });
    }
  });

  test("of a binary row", () => {
    const header = [...Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), 0, 0, 0, 0, 0, 0, 0, 0];
    const told = ours.errorOf(() => {
      const decoder = ours.decoderOf("copy t from stdin (format binary)", {
        relation: "t",
        columns: table.columns,
        maxLine: 100,
      });
      return [...decoder.push(new Uint8Array([...header, 0, 1, 0x7f, 0, 0, 0, 1]))];
    });
    expect(told).toMatchObject({ code: "54000", where: "COPY t, line 1" });
  });
});
