import { describe, expect, test } from "vitest";
import { Framer, Writer, writeDataRow } from "../../src/wire/mod.ts";
import { bytes, concat, errorOf, same } from "./bytes.ts";

/** What the writer makes of it inside one message. */
function written(write: (writer: Writer) => void, writer: Writer = new Writer()): Uint8Array {
  writer.begin(0x44);
  write(writer);
  writer.end();
  return writer.take().slice(5);
}

describe("what is written", () => {
  test("numbers", () => {
    expect(
      written((writer) => {
        writer.byte(0xff);
        writer.int16(-2);
        writer.int16(65534);
        writer.int32(-3);
        writer.int32(4294967293);
      }),
    ).toEqual(bytes("ff fffe fffe fffffffd fffffffd"));
  });

  test("text of every length and width is what TextEncoder makes of it", () => {
    const encoder = new TextEncoder();
    for (const character of [
      "a",
      "é",
      "東",
      "🐘",
      "aé",
      "東a",
      "🐘a",
      "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}",
    ]) {
      for (const length of [0, 1, 2, 47, 48, 49, 4095, 4096, 4097, 100_000]) {
        const text = character.repeat(length);
        const encoded = encoder.encode(text);
        for (const writer of [new Writer(), new Writer(16)]) {
          expect(
            same(
              written((one) => one.text(text), writer),
              encoded,
            ),
          ).toBe(true);
          expect(
            same(
              written((one) => one.cstring(text), writer),
              concat(encoded, Uint8Array.of(0)),
            ),
          ).toBe(true);
          const length32 = new Uint8Array(4);
          new DataView(length32.buffer).setUint32(0, encoded.length);
          expect(
            same(
              written((one) => one.sized(text), writer),
              concat(length32, encoded),
            ),
          ).toBe(true);
        }
      }
    }
  });

  test("lone surrogates become U+FFFD, wherever they are", () => {
    for (const text of [
      "\ud83d",
      "\udc18a",
      `é${"\ud83d"}b`,
      `${"x".repeat(60)}\ud83d`,
      `${"x".repeat(5000)}\udc18`,
    ]) {
      expect(written((writer) => writer.text(text))).toEqual(new TextEncoder().encode(text));
    }
  });

  test("long text with a character across the first reservation", () => {
    for (const lead of [4095, 4096, 4097, 8191]) {
      const text = `${"a".repeat(lead)}🐘é東${"b".repeat(50)}🐘`;
      expect(written((writer) => writer.text(text))).toEqual(new TextEncoder().encode(text));
    }
  });

  test("bytes of every length, null and empty values", () => {
    for (const length of [0, 1, 16, 17, 70_000]) {
      const data = new Uint8Array(length).fill(7);
      expect(
        same(
          written((writer) => writer.bytes(data)),
          data,
        ),
      ).toBe(true);
    }
    expect(
      written((writer) => {
        writer.sized(null);
        writer.sized("");
        writer.sized(new Uint8Array(0));
        writer.sized(bytes("ff"));
      }),
    ).toEqual(bytes("ffffffff 00000000 00000000 00000001 ff"));
  });

  test("U+0000 cannot be in a string, and can be in a value", () => {
    const error = 'ERROR 22021 invalid byte sequence for encoding "UTF8": 0x00';
    for (const text of ["\0", "a\0b", `é\0`, `🐘\0`, `${"a".repeat(60)}\0b`, `${"a".repeat(5000)}\0`]) {
      const writer = new Writer();
      writer.begin(0x51);
      expect(errorOf(() => writer.cstring(text))).toBe(error);
      expect(writer.length).toBe(0);
      expect(written((one) => one.text(text))).toEqual(new TextEncoder().encode(text));
    }
  });
});

describe("messages", () => {
  test("begin(0) starts one without a type", () => {
    const writer = new Writer();
    writer.begin(0);
    writer.int32(196608);
    writer.byte(0);
    writer.end();
    expect(writer.take()).toEqual(bytes("00000009 00030000 00"));
  });

  test("a message begun and not ended is dropped by the next", () => {
    const writer = new Writer();
    writer.begin(0x51);
    writer.text("half");
    writer.begin(0x53);
    writer.end();
    expect(writer.take()).toEqual(bytes("53 00000004"));
  });

  test("raw messages go between the others", () => {
    const writer = new Writer();
    writer.raw(bytes("31 00000004"));
    writer.begin(0x53);
    writer.end();
    writer.raw(new Uint8Array(0));
    writer.raw(bytes("32 00000004"));
    expect(writer.take()).toEqual(bytes("31 00000004 53 00000004 32 00000004"));
  });

  test("lengths are right when the chunk grows in the middle", () => {
    for (const size of [16, 100, 2048, 65536]) {
      const writer = new Writer(size);
      const framer = new Framer({ limits: () => 0x3fffffff });
      const cells = ["x".repeat(300), "é".repeat(300), null, new Uint8Array(3000), "東".repeat(9000)];
      for (let i = 0; i < 20; i++) writeDataRow(writer, cells);
      framer.push(writer.take());
      let frames = 0;
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        expect(frame.bytes).toHaveLength(1 + 4 + 2 + 4 * 5 + 300 + 600 + 3000 + 27_000);
        frames++;
      }
      expect(frames).toBe(20);
      expect(framer.buffered).toBe(0);
    }
  });

  test("a count beyond uint16 is 54000", () => {
    const writer = new Writer();
    expect(errorOf(() => writeDataRow(writer, new Array<null>(65_536).fill(null)))).toBe(
      "ERROR 54000 too many elements in message: 65536",
    );
    writeDataRow(writer, new Array<null>(65_535).fill(null));
    expect(writer.take()).toHaveLength(7 + 4 * 65_535);
  });

  test("a message larger than PostgreSQL could hold is 54000, before the memory is asked for", () => {
    const writer = new Writer();
    writer.begin(0x44);
    const huge = { length: 0x40000000 } as Uint8Array;
    expect(errorOf(() => writer.bytes(huge))).toBe(
      "ERROR 54000 message is too large: more than 1073741823 bytes",
    );
    expect(writer.length).toBe(0);
  });
});

describe("take()", () => {
  test("of nothing is empty", () => {
    const writer = new Writer();
    expect(writer.take()).toHaveLength(0);
    expect(writer.length).toBe(0);
  });

  test("hands out views that later writes leave alone", () => {
    const writer = new Writer();
    const taken: Uint8Array[] = [];
    const copies: Uint8Array[] = [];
    for (let i = 0; i < 2000; i++) {
      writeDataRow(writer, [`row ${i}`, "x".repeat(i % 97), i % 400 === 0 ? "y".repeat(70_000) : null]);
      const view = writer.take();
      taken.push(view);
      copies.push(view.slice());
    }
    expect(taken.every((view, i) => same(view, copies[i] as Uint8Array))).toBe(true);
  });

  test("continues behind what it handed out, in the same chunk", () => {
    const writer = new Writer();
    writer.raw(bytes("0102"));
    const first = writer.take();
    writer.raw(bytes("0304"));
    const second = writer.take();
    expect(second.buffer).toBe(first.buffer);
    expect(second.byteOffset).toBe(first.byteOffset + 2);
  });

  test("leaves an open message where it is", () => {
    const writer = new Writer();
    writer.raw(bytes("31 00000004"));
    writer.begin(0x43);
    writer.text("SELECT ");
    expect(writer.take()).toEqual(bytes("31 00000004"));
    expect(writer.take()).toHaveLength(0);
    writer.cstring("1");
    writer.end();
    expect(writer.take()).toEqual(bytes("43 0000000d 'SELECT 1' 00"));
  });

  test("keeps little memory: nothing at first, a small chunk when idle, never a large message's", () => {
    const writer = new Writer();
    writer.raw(bytes("31 00000004"));
    expect(writer.take().buffer.byteLength).toBeLessThanOrEqual(2048);
    writer.raw(new Uint8Array(1_000_000));
    const large = writer.take().buffer;
    writer.raw(bytes("31 00000004"));
    const next = writer.take().buffer;
    expect(next).not.toBe(large);
    expect(next.byteLength).toBeLessThanOrEqual(65_536);
    // A small batch ends a large chunk's life.
    writer.raw(bytes("31 00000004"));
    expect(writer.take().buffer.byteLength).toBeLessThanOrEqual(8192);
  });

  test("one chunk serves many small batches", () => {
    const writer = new Writer();
    const buffers = new Set<ArrayBufferLike>();
    for (let i = 0; i < 200; i++) {
      writer.raw(bytes("31 00000004"));
      buffers.add(writer.take().buffer);
    }
    expect(buffers.size).toBe(1);
  });
});

describe("mark() and rewind()", () => {
  test("drop what was written since, also across a growing chunk", () => {
    const writer = new Writer(16);
    writer.raw(bytes("31 00000004"));
    const mark = writer.mark();
    writeDataRow(writer, ["x".repeat(10_000)]);
    writer.begin(0x44);
    writer.text("open");
    writer.rewind(mark);
    writer.raw(bytes("33 00000004"));
    expect(writer.take()).toEqual(bytes("31 00000004 33 00000004"));
  });

  test("count from the last take", () => {
    const writer = new Writer();
    writer.raw(bytes("31 00000004"));
    writer.take();
    const mark = writer.mark();
    expect(mark).toBe(0);
    writer.raw(bytes("32 00000004"));
    writer.rewind(mark);
    expect(writer.take()).toHaveLength(0);
  });
});
