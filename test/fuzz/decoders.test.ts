// Nothing a peer can send makes a decoder throw anything but PgError, look past its message, or make more than the
// message's bytes can hold.

import { deepStrictEqual, match, ok } from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import {
  decodeBackend,
  decodeFrontend,
  decodeStartup,
  decodeText,
  encodeStartup,
  type PasswordKind,
  PgError,
  traceFrame,
  Writer,
} from "../../src/wire/mod.ts";
import { backendBytes, frontendBytes } from "../wire/bytes.ts";
import { backendMessage, damage, damages, frontendMessage, startupPacket } from "./messages.ts";
import { inputs } from "./settings.ts";

type Decode = (code: number, body: Uint8Array) => unknown;

const passwordKinds: PasswordKind[] = [
  "PasswordMessage",
  "SASLInitialResponse",
  "SASLResponse",
  "GSSResponse",
];

const decoders: Decode[] = [
  decodeBackend,
  (_, body) => decodeStartup(body),
  ...passwordKinds.map(
    (kind): Decode =>
      (code, body) =>
        decodeFrontend(code, body, kind),
  ),
];

/** The decoder of frontend messages that reads `p` as `type`, if that is one. */
function frontendDecoder(type: string): Decode {
  const kind = passwordKinds.find((one) => one === type);
  return (code, body) => decodeFrontend(code, body, kind);
}

/**
 * Decodes a body that lies between other bytes, and again between different ones. The outcome must be the same: else
 * something was read that is not the message's.
 */
function probe(decode: Decode, code: number, body: Uint8Array): unknown {
  const outcomes = [0x00, 0xff].map((canary) => {
    const memory = new Uint8Array(body.length + 32).fill(canary);
    memory.set(body, 16);
    const inside = memory.subarray(16, 16 + body.length);
    const outcome = attempt(() => decode(code, inside));
    if (!(outcome instanceof PgError)) within(outcome, inside);
    for (let i = 0; i < 16; i++) {
      if (memory[i] !== canary || memory[memory.length - 1 - i] !== canary) throw new Error("wrote outside");
    }
    return outcome;
  });
  const [first, second] = outcomes.map((outcome) => (outcome instanceof PgError ? outcome.fields : outcome));
  deepStrictEqual(second, first);
  return first;
}

function attempt(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    // Anything else fails the test.
    if (!(error instanceof PgError)) throw error;
    if (!/^(08P01|22021|0A000)$/.test(error.code)) throw new Error(`an odd code: ${error.code}`);
    return error;
  }
}

/** Every view lies inside the body, and there are no more elements than bytes. */
function within(outcome: unknown, body: Uint8Array): void {
  let elements = 0;
  const visit = (value: unknown): void => {
    if (value instanceof Uint8Array) {
      const from = value.byteOffset - body.byteOffset;
      if (value.buffer !== body.buffer || from < 0 || from + value.length > body.length) {
        throw new Error("a view outside the message");
      }
    } else if (value instanceof Map) {
      elements += value.size;
    } else if (Array.isArray(value)) {
      elements += value.length;
      value.forEach(visit);
    } else if (typeof value === "object" && value !== null) {
      Object.values(value).forEach(visit);
    }
  };
  visit(outcome);
  if (elements > body.length) throw new Error(`${elements} elements out of ${body.length} bytes`);
}

const letters = Array.from("BCDEFHPQSXcdfpRKvZTGWVANtsnI123z", (letter) => letter.charCodeAt(0));
const code = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...letters) }, fc.nat({ max: 255 }));
const decoder = fc.constantFrom(...decoders);

test("random bytes", () => {
  const body = fc.uint8Array({ maxLength: 60 });
  fc.assert(
    fc.property(decoder, code, body, (decode, type, bytes) => void probe(decode, type, bytes)),
    inputs(20_000),
  );
});

test("random bytes that look more like a message: zeros, small numbers, letters", () => {
  const byte = fc.constantFrom(
    0,
    0,
    0,
    0,
    1,
    2,
    4,
    5,
    8,
    10,
    11,
    12,
    0x41,
    0x50,
    0x53,
    0x61,
    0xff,
    0xff,
    0xc3,
  );
  const body = fc.array(byte, { maxLength: 60 }).map((bytes) => Uint8Array.from(bytes));
  fc.assert(
    fc.property(decoder, code, body, (decode, type, bytes) => void probe(decode, type, bytes)),
    inputs(25_000),
  );
});

test("counts and lengths that the bytes do not hold", () => {
  const word = fc.constantFrom(
    "ffff",
    "7fff",
    "8000",
    "ffffffff",
    "7fffffff",
    "80000000",
    "fffffffe",
    "0001",
    "00",
  );
  const body = fc
    .array(word, { maxLength: 12 })
    .map((words) => Uint8Array.from(Buffer.from(words.join(""), "hex")));
  fc.assert(
    fc.property(decoder, code, body, (decode, type, bytes) => void probe(decode, type, bytes)),
    inputs(10_000),
  );
});

test("damaged frontend messages", () => {
  fc.assert(
    fc.property(frontendMessage, damages, (message, damageList) => {
      const bytes = frontendBytes(message);
      probe(frontendDecoder(message.type), bytes[0] as number, damage(bytes.subarray(5), damageList));
    }),
    inputs(12_000),
  );
});

test("damaged backend messages", () => {
  fc.assert(
    fc.property(backendMessage, damages, (message, damageList) => {
      const bytes = backendBytes(message);
      probe(decodeBackend, bytes[0] as number, damage(bytes.subarray(5), damageList));
    }),
    inputs(12_000),
  );
});

test("damaged startup packets", () => {
  fc.assert(
    fc.property(startupPacket, damages, (packet, damageList) => {
      const writer = new Writer();
      encodeStartup(writer, packet);
      probe((_, body) => decodeStartup(body), 0, damage(writer.take().subarray(4), damageList));
    }),
    inputs(5_000),
  );
});

test("text is refused exactly when it is not UTF-8", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const byte = fc.constantFrom(
    0x41,
    0x80,
    0xbf,
    0xc2,
    0xc3,
    0xe0,
    0xa0,
    0xed,
    0x9f,
    0xef,
    0xbb,
    0xf0,
    0x90,
    0xf4,
    0x8f,
  );
  const some = fc.array(fc.oneof(byte, fc.nat({ max: 255 })), { maxLength: 30 });
  fc.assert(
    fc.property(some, (list) => {
      const bytes = Uint8Array.from(list);
      const ours = attempt(() => decodeText(bytes));
      let platform: string | undefined;
      try {
        platform = strict.decode(bytes);
      } catch {}
      deepStrictEqual(ours instanceof PgError ? undefined : ours, platform);
      if (ours instanceof PgError) match(ours.message, /^invalid byte sequence .*(0x[0-9a-f]{2} ?){1,4}$/);
    }),
    inputs(8_000),
  );
});

test("a trace can be made of anything", () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.array(fc.nat({ max: 3 })).map((list) => Uint8Array.from(list)),
  );
  const direction = fc.constantFrom("F" as const, "B" as const);
  fc.assert(
    fc.property(
      direction,
      fc.oneof(code, fc.constant(0)),
      body,
      fc.boolean(),
      (from, type, bytes, regress) => {
        const line = traceFrame(
          from,
          { code: type, body: bytes, bytes },
          { regress, password: "PasswordMessage" },
        );
        ok(line.startsWith(`${from}\t`));
      },
    ),
    inputs(6_000),
  );
});
