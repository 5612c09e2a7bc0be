// decode(encode(message)) is the message, for every message in both directions; and what is encoded is framed as one.

import { deepStrictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import {
  backendLimits,
  decodeBackend,
  decodeFrontend,
  decodeStartup,
  decodeText,
  encodeBackend,
  encodeStartup,
  type Frame,
  Framer,
  type PasswordKind,
  Writer,
  writeDataRow,
} from "../../src/wire/mod.ts";
import { backendBytes, frontendBytes } from "../wire/bytes.ts";
import { backendMessage, backendMessages, frontendMessages, startupPacket } from "./messages.ts";
import { inputs } from "./settings.ts";

const passwordKinds = new Set<string>([
  "PasswordMessage",
  "SASLInitialResponse",
  "SASLResponse",
  "GSSResponse",
]);

function onlyFrame(bytes: Uint8Array, framer: Framer): Frame {
  framer.push(bytes);
  const frame = framer.next();
  if (frame === undefined || framer.buffered !== 0) throw new Error("not one message");
  return frame;
}

describe("frontend", () => {
  test.each([...frontendMessages])("%s", (type, messages) => {
    const password = passwordKinds.has(type) ? (type as PasswordKind) : undefined;
    fc.assert(
      fc.property(messages, (message) => {
        const { code, body } = onlyFrame(frontendBytes(message), new Framer());
        deepStrictEqual(decodeFrontend(code, body, password), message);
      }),
      inputs(400),
    );
  });
});

describe("backend", () => {
  test.each([...backendMessages])("%s", (_, messages) => {
    fc.assert(
      fc.property(messages, (message) => {
        const { code, body } = onlyFrame(backendBytes(message), new Framer({ limits: backendLimits() }));
        deepStrictEqual(decodeBackend(code, body), message);
      }),
      inputs(400),
    );
  });
});

test("startup packets", () => {
  fc.assert(
    fc.property(startupPacket, (packet) => {
      const writer = new Writer();
      encodeStartup(writer, packet);
      deepStrictEqual(decodeStartup(onlyFrame(writer.take(), new Framer({ startup: true })).body), packet);
    }),
    inputs(2_000),
  );
});

test("whatever is written, taken and rewound: what was taken stays, what comes out is what went in", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: backendMessage.map((message) => ({ do: "write" as const, message })) },
    { weight: 2, arbitrary: fc.constant({ do: "take" as const }) },
    { weight: 1, arbitrary: backendMessage.map((message) => ({ do: "rewind" as const, message })) },
    { weight: 1, arbitrary: fc.constant({ do: "fail" as const }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.constantFrom(16, 100, 65_536), (steps, size) => {
      const writer = new Writer(size);
      const expected: Uint8Array[] = [];
      const taken: { view: Uint8Array; copy: Uint8Array }[] = [];
      const take = () => {
        const view = writer.take();
        taken.push({ view, copy: view.slice() });
      };
      for (const one of steps) {
        if (one.do === "write") {
          encodeBackend(writer, one.message);
          expected.push(backendBytes(one.message));
        } else if (one.do === "rewind") {
          const mark = writer.mark();
          encodeBackend(writer, one.message);
          writer.rewind(mark);
        } else if (one.do === "fail") {
          throws(() => encodeBackend(writer, { type: "CommandComplete", tag: "a\0" }));
        } else {
          take();
        }
      }
      take();
      for (const { view, copy } of taken) deepStrictEqual(view, copy);
      deepStrictEqual(Buffer.concat(taken.map(({ view }) => view)), Buffer.concat(expected));
    }),
    inputs(2_000),
  );
});

test("cells as strings, lone surrogates and all, are what TextEncoder makes of them", () => {
  const cell = fc.oneof(
    fc.array(fc.nat({ max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.constant(null),
  );
  const encoder = new TextEncoder();
  fc.assert(
    fc.property(fc.array(cell, { maxLength: 5 }), (cells) => {
      const writer = new Writer();
      writeDataRow(writer, cells);
      const { code, body } = onlyFrame(writer.take(), new Framer({ limits: backendLimits() }));
      const values = cells.map((text) => (text === null ? null : encoder.encode(text)));
      deepStrictEqual(decodeBackend(code, body), { type: "DataRow", values });
      for (const value of values) if (value !== null) decodeText(value);
    }),
    inputs(4_000),
  );
});
