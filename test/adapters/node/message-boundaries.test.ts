import { expect, test } from "vitest";
import { MessageBoundaries } from "../../../adapters/node/message-boundaries.ts";
import { constantFrames, frontendCodes } from "../../../src/wire/mod.ts";
import { concat, frontendBytes } from "../../wire/bytes.ts";

const query = frontendBytes({ type: "Query", query: "select 1" });
const stream = concat(query, constantFrames.sync, query);

test("sees where messages end, wherever the chunks do", () => {
  const ends = [query.length, query.length + 5, stream.length];
  for (let cut = 1; cut <= stream.length; cut++) {
    const boundaries = new MessageBoundaries();
    const found = new Set<number>();
    for (let at = 0; at < stream.length; at += cut) {
      const chunk = stream.subarray(at, at + cut);
      const boundary = boundaries.push(chunk);
      if (boundary > 0) found.add(at + boundary);
      const end = at + chunk.length;
      expect([cut, end, boundaries.whole]).toEqual([cut, end, ends.includes(end)]);
      if (end === query.length + 5) expect(boundaries.last).toBe(frontendCodes.Sync);
    }
    for (const end of found) expect(ends).toContain(end);
    expect(found).toContain(stream.length);
    expect(boundaries.last).toBe(frontendCodes.Query);
  }
});

test("is never whole again behind a length that is none", () => {
  const boundaries = new MessageBoundaries();
  expect(boundaries.push(concat(query, Uint8Array.of(0x51, 0, 0, 0, 3), query))).toBe(query.length);
  expect(boundaries.push(query)).toBe(0);
  expect(boundaries.whole).toBe(false);
});
