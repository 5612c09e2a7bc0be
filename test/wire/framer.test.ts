import { describe, expect, test } from "vitest";
import {
  backendLimits,
  type Frame,
  Framer,
  frontendLimits,
  Writer,
  writeDataRow,
} from "../../src/wire/mod.ts";
import { bytes, concat, errorOf, same } from "./bytes.ts";

const sync = bytes("53 00000004");
const query = bytes("51 0000000d 'SELECT 1' 00");

function drain(framer: Framer): Frame[] {
  const frames: Frame[] = [];
  for (let frame = framer.next(); frame !== undefined; frame = framer.next()) frames.push(frame);
  return frames;
}

describe("cutting", () => {
  test("many messages in one chunk are views of it", () => {
    const chunk = concat(bytes("ffffff"), query, sync, query).subarray(3);
    const framer = new Framer();
    framer.push(chunk);
    expect(framer.buffered).toBe(chunk.length);
    const frames = drain(framer);
    expect(frames.map(({ code }) => code)).toEqual([0x51, 0x53, 0x51]);
    expect(frames.map((frame) => frame.bytes)).toEqual([query, sync, query]);
    expect(frames[0]?.body).toEqual(bytes("'SELECT 1' 00"));
    expect(frames[1]?.body).toHaveLength(0);
    for (const frame of frames) {
      expect(frame.bytes.buffer).toBe(chunk.buffer);
      expect(frame.body.buffer).toBe(chunk.buffer);
    }
    expect(framer.buffered).toBe(0);
  });

  test("a chunk may be a view anywhere in its memory, and of any kind of Uint8Array", () => {
    const framer = new Framer();
    framer.push(Buffer.from("xxxS\0\0\0\x04yy", "latin1").subarray(3, 8));
    const frame = framer.next();
    expect(frame?.bytes).toEqual(sync);
    expect(frame?.bytes.constructor).toBe(Uint8Array);
  });

  test("one byte at a time", () => {
    const framer = new Framer();
    const seen: number[] = [];
    const stream = concat(query, sync, query);
    stream.forEach((_, at) => {
      framer.push(stream.subarray(at, at + 1));
      const frames = drain(framer);
      for (const frame of frames) {
        seen.push(at);
        expect(frame.bytes).toEqual(frame.code === 0x53 ? sync : query);
        expect(framer.buffered).toBe(0);
      }
    });
    expect(seen).toEqual([13, 18, 32]);
  });

  test("every way to cut a stream in two, in three, and with empty chunks", () => {
    const stream = concat(query, sync, query);
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        for (const lazy of [false, true]) {
          const framer = new Framer();
          const frames: Frame[] = [];
          const parts = [stream.slice(0, first), stream.slice(first, second), stream.slice(second)];
          for (const part of parts) {
            framer.push(part);
            if (!lazy) frames.push(...drain(framer));
          }
          frames.push(...drain(framer));
          const right = [query, sync, query].every((message, i) => same(frames[i]?.bytes, message));
          if (!right || framer.buffered !== 0) throw new Error(`cut at ${first} and ${second}`);
        }
      }
    }
  });

  test("a spanning message lies in a buffer of exactly its size", () => {
    const writer = new Writer();
    writeDataRow(writer, ["x".repeat(100_000)]);
    const message = writer.take().slice();
    const framer = new Framer({ limits: backendLimits() });
    for (let at = 0; at < message.length; at += 1000) framer.push(message.slice(at, at + 1000));
    const frame = framer.next();
    expect(same(frame?.bytes, message)).toBe(true);
    expect(frame?.bytes.buffer.byteLength).toBe(message.length);
  });

  test("frames stay as they were while later ones are read", () => {
    const framer = new Framer();
    framer.push(query.subarray(0, 7));
    framer.push(concat(query.subarray(7), sync.subarray(0, 2)));
    const first = framer.next();
    framer.push(concat(sync.subarray(2), bytes("51 00000006 'x' 00")));
    drain(framer);
    expect(first?.bytes).toEqual(query);
  });

  test("ten million bytes in small chunks take no longer than they should", () => {
    const size = 10_000_000;
    const message = new Uint8Array(size + 5);
    message.set(bytes("64"));
    new DataView(message.buffer).setUint32(1, size + 4);
    const framer = new Framer();
    const started = performance.now();
    for (let at = 0; at < message.length; at += 100) {
      framer.push(message.subarray(at, at + 100));
      if (at + 100 < message.length && framer.next() !== undefined) throw new Error("too early");
    }
    expect(framer.next()?.bytes).toHaveLength(message.length);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("a hundred thousand chunks before the first next()", () => {
    const framer = new Framer();
    for (let i = 0; i < 100_000; i++) framer.push(sync.slice());
    expect(framer.buffered).toBe(500_000);
    expect(drain(framer)).toHaveLength(100_000);
  });
});

describe("a header that lies costs nothing", () => {
  test("memory follows the bytes that came", () => {
    const framers: Framer[] = [];
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 200; i++) {
      const framer = new Framer();
      framer.push(bytes("51 3ffffffe 'SELECT'"));
      expect(framer.next()).toBeUndefined();
      framers.push(framer);
    }
    // 200 messages that claim a gigabyte each.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
    expect(framers.every((framer) => framer.buffered === 11)).toBe(true);
  });
});

describe("startup packets", () => {
  const packet = bytes("00000009 00030000 00");

  test("come first, without a type; then the flag is cleared", () => {
    const stream = concat(bytes("00000008 04d2162f"), packet, sync);
    for (const size of [1, 3, stream.length]) {
      const framer = new Framer({ startup: true });
      const seen: Frame[] = [];
      for (let at = 0; at < stream.length; at += size) {
        framer.push(stream.slice(at, at + size));
        for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
          seen.push(frame);
          if (seen.length === 2) framer.startup = false;
        }
      }
      expect(seen.map(({ code }) => code)).toEqual([0, 0, 0x53]);
      expect(seen[0]?.body).toEqual(bytes("04d2162f"));
      expect(seen[1]?.bytes).toEqual(packet);
      expect(seen[1]?.body).toEqual(bytes("00030000 00"));
    }
  });

  // PostgreSQL's check is of the length without its own four bytes: 4 to 10,000.
  test.each([
    [0, false],
    [7, false],
    [8, true],
    [10_004, true],
    [10_005, false],
    [-1, false],
    [0x47455420, false], // "GET "
    [0x16030100, false], // a TLS ClientHello
  ])("a length of %i", (length, accepted) => {
    const framer = new Framer({ startup: true });
    const header = new Uint8Array(4);
    new DataView(header.buffer).setInt32(0, length);
    framer.push(header);
    const error = errorOf(() => framer.next());
    expect(error).toBe(accepted ? "no error" : "FATAL 08P01 invalid length of startup packet");
  });
});

describe("refusals, as soon as the header shows them", () => {
  const refused = (header: string, framer = new Framer()) => {
    framer.push(bytes(header));
    const error = errorOf(() => framer.next());
    // The stream is lost: it stays refused.
    if (error !== "no error") expect(errorOf(() => framer.next())).toBe(error);
    const drip = new Framer({ limits: framer.limits });
    let dripped = "no error";
    for (const byte of bytes(header)) {
      drip.push(Uint8Array.of(byte));
      dripped = errorOf(() => drip.next());
      if (dripped !== "no error") break;
    }
    expect(dripped).toBe(error);
    return error;
  };

  test("an unknown type, from its one byte", () => {
    expect(refused("'z'")).toBe("FATAL 08P01 invalid frontend message type 122");
    expect(refused("00")).toBe("FATAL 08P01 invalid frontend message type 0");
    expect(refused("'z'", new Framer({ limits: backendLimits() }))).toBe(
      "FATAL 08P01 invalid backend message type 122",
    );
  });

  test("a length below its own four bytes, or negative", () => {
    for (const length of ["00000003", "00000000", "ffffffff", "80000000"]) {
      expect(refused(`51 ${length}`)).toBe("FATAL 08P01 invalid message length");
    }
  });

  test("a length beyond PostgreSQL's own limits", () => {
    expect(refused("51 3fffffff")).toBe("FATAL 08P01 invalid message length");
    expect(refused("51 7fffffff")).toBe("FATAL 08P01 invalid message length");
    expect(refused("51 3ffffffe")).toBe("no error");
    expect(refused("53 00002711")).toBe("FATAL 08P01 invalid message length");
    expect(refused("53 00002710")).toBe("no error");
    expect(refused("70 00010000")).toBe("FATAL 08P01 invalid message length");
    expect(refused("70 0000ffff")).toBe("no error");
  });

  test("a length beyond a configured limit", () => {
    const limits = frontendLimits({ Query: 1_000_000 });
    expect(refused("51 000f4241", new Framer({ limits }))).toBe(
      'FATAL 54000 message of type "Q" is too long: 1000001 bytes, the limit is 1000000',
    );
    expect(refused("51 000f4240", new Framer({ limits }))).toBe("no error");
  });

  test("limits may change between messages", () => {
    const framer = new Framer();
    framer.push(concat(bytes("70 00000005 00"), bytes("70 00000005 00")));
    expect(framer.next()?.code).toBe(0x70);
    framer.limits = frontendLimits({ PasswordMessage: 0 });
    expect(errorOf(() => framer.next())).toBe("FATAL 08P01 invalid frontend message type 112");
  });

  test("the messages before are still served", () => {
    const framer = new Framer();
    framer.push(concat(query, sync, bytes("'z'")));
    expect(framer.next()?.bytes).toEqual(query);
    expect(framer.next()?.bytes).toEqual(sync);
    expect(errorOf(() => framer.next())).toBe("FATAL 08P01 invalid frontend message type 122");
  });
});
