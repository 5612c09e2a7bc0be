// The framer gives the same messages, or the same refusal, however the stream is cut.

import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { backendLimits, encodeStartup, Framer, frontendLimits, PgError, Writer } from "../../src/wire/mod.ts";
import { backendBytes, concat, frontendBytes } from "../wire/bytes.ts";
import { backendMessage, damage, damages, frontendMessage, startupPacket } from "./messages.ts";
import { inputs } from "./settings.ts";

/** What came out: messages as hex, and the error that ended it. */
interface Outcome {
  messages: string[];
  error: unknown;
  left: number;
}

type MakeFramer = () => Framer;

/** Chunks lie between other bytes, in memory of their own: what is not theirs must not come out. */
function feed(make: MakeFramer, chunks: readonly Uint8Array[], lazy: boolean): Outcome {
  const framer = make();
  const outcome: Outcome = { messages: [], error: undefined, left: 0 };
  const frames: { bytes: Uint8Array; hex: string }[] = [];
  try {
    for (const chunk of chunks) {
      const memory = new Uint8Array(chunk.length + 16).fill(0xee);
      memory.set(chunk, 8);
      framer.push(memory.subarray(8, 8 + chunk.length));
      if (!lazy) drain(framer, frames);
    }
    drain(framer, frames);
  } catch (error) {
    if (!(error instanceof PgError) || error.severity !== "FATAL") throw error;
    outcome.error = error.fields;
  }
  // Frames must still be what they were when they came out.
  for (const frame of frames) deepStrictEqual(Buffer.from(frame.bytes).toString("hex"), frame.hex);
  outcome.messages = frames.map(({ hex }) => hex);
  outcome.left = framer.buffered;
  return outcome;
}

function drain(framer: Framer, frames: { bytes: Uint8Array; hex: string }[]): void {
  for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
    const hex = Buffer.from(frame.bytes).toString("hex");
    const header = frame.code === 0 ? 4 : 5;
    deepStrictEqual(hex.slice(header * 2), Buffer.from(frame.body).toString("hex"));
    frames.push({ bytes: frame.bytes, hex });
    // As a session does: real startup packets come first.
    if (framer.startup && frame.body[0] === 0) framer.startup = false;
  }
}

function cut(stream: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < stream.length; i++) {
    const size = sizes.length === 0 ? 1 : (sizes[i % sizes.length] as number);
    chunks.push(stream.subarray(at, at + size));
    at += size;
    // Sizes that are all zero would never end.
    if (i > 2000) break;
  }
  chunks.push(stream.subarray(Math.min(at, stream.length)));
  return chunks;
}

const sizes = fc.array(fc.oneof(fc.nat({ max: 6 }), fc.nat({ max: 90 })), { maxLength: 8 });
const makers = fc.constantFrom<MakeFramer>(
  () => new Framer(),
  () => new Framer({ startup: true }),
  () => new Framer({ limits: backendLimits() }),
  () => new Framer({ limits: frontendLimits({ Query: 20, Bind: 30 }) }),
);

function compare(make: MakeFramer, stream: Uint8Array, cuts: readonly number[], lazy: boolean): Outcome {
  const whole = feed(make, [stream], false);
  const parts = feed(make, cut(stream, cuts), lazy);
  deepStrictEqual(parts.messages, whole.messages);
  deepStrictEqual(parts.error, whole.error);
  // What did not come out is what is held.
  const out = whole.messages.reduce((sum, hex) => sum + hex.length / 2, 0);
  deepStrictEqual(whole.left, stream.length - out);
  if (whole.error === undefined) deepStrictEqual(parts.left, whole.left);
  return whole;
}

test("random bytes", () => {
  fc.assert(
    fc.property(
      makers,
      fc.uint8Array({ maxLength: 120 }),
      sizes,
      fc.boolean(),
      (make, stream, cuts, lazy) => {
        compare(make, stream, cuts, lazy);
      },
    ),
    inputs(6_000),
  );
});

test("random headers", () => {
  const length = fc.oneof(
    fc.nat({ max: 40 }),
    fc.constantFrom(0, 3, 4, -1, 0x3ffffffe, 0x3fffffff, 0x7fffffff),
  );
  const message = fc
    .tuple(fc.constantFrom(..."QPBSHdcfpXzTDZ"), length, fc.uint8Array({ maxLength: 36 }))
    .map(([letter, declared, body]) => {
      const bytes = new Uint8Array(5 + body.length);
      bytes[0] = letter.charCodeAt(0);
      new DataView(bytes.buffer).setInt32(1, declared);
      bytes.set(body, 5);
      return bytes;
    });
  const stream = fc.array(message, { maxLength: 6 }).map((parts) => concat(...parts));
  fc.assert(
    fc.property(makers, stream, sizes, fc.boolean(), (make, bytes, cuts, lazy) => {
      compare(make, bytes, cuts, lazy);
    }),
    inputs(6_000),
  );
});

test("valid frontend streams come out whole, startup packets first", () => {
  const packets = fc.array(startupPacket, { maxLength: 2 });
  const messages = fc.array(frontendMessage, { maxLength: 6 });
  fc.assert(
    fc.property(packets, messages, sizes, fc.boolean(), (before, after, cuts, lazy) => {
      const writer = new Writer();
      const begin = before.filter((packet) => packet.type !== "StartupMessage");
      for (const packet of begin) encodeStartup(writer, packet);
      encodeStartup(writer, {
        type: "StartupMessage",
        version: 196608,
        parameters: new Map([["user", "u"]]),
      });
      const stream = concat(writer.take(), ...after.map(frontendBytes));
      const outcome = compare(() => new Framer({ startup: true }), stream, cuts, lazy);
      deepStrictEqual(outcome.error, undefined);
      deepStrictEqual(outcome.messages.length, begin.length + 1 + after.length);
      deepStrictEqual(outcome.left, 0);
    }),
    inputs(3_000),
  );
});

test("damaged streams", () => {
  const stream = fc.oneof(
    fc.array(frontendMessage, { maxLength: 5 }).map((list) => concat(...list.map(frontendBytes))),
    fc.array(backendMessage, { maxLength: 5 }).map((list) => concat(...list.map(backendBytes))),
  );
  fc.assert(
    fc.property(makers, stream, damages, sizes, fc.boolean(), (make, bytes, damageList, cuts, lazy) => {
      compare(make, damage(bytes, damageList), cuts, lazy);
    }),
    inputs(4_000),
  );
});
