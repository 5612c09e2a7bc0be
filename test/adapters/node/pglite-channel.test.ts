import { expect, test } from "vitest";
import { ByteRing } from "../../../adapters/node/pglite-channel.ts";

function newRing(capacity: number, position = 0): ByteRing {
  const control = new Int32Array(new SharedArrayBuffer(8));
  control.fill(position);
  return new ByteRing(control, 0, 1, new SharedArrayBuffer(capacity));
}

test("takes what fits", () => {
  const ring = newRing(8);
  expect(ring.write(Uint8Array.of(1, 2, 3, 4, 5))).toBe(5);
  expect(ring.write(Uint8Array.of(6, 7, 8, 9))).toBe(3);
  expect(ring.write(Uint8Array.of(9))).toBe(0);
  expect([ring.used, ring.free]).toEqual([8, 0]);
});

test("keeps what was peeked until it is released", () => {
  const ring = newRing(8);
  ring.write(Uint8Array.of(1, 2, 3));
  const target = new Uint8Array(2);
  expect(ring.peek(target)).toBe(2);
  expect(ring.peek(target)).toBe(2);
  expect([...target]).toEqual([1, 2]);
  ring.release(2);
  expect(ring.peek(target)).toBe(1);
  expect(target[0]).toBe(3);
  ring.release(1);
  expect(ring.peek(target)).toBe(0);
});

// Positions are 32-bit counters that begin anew every 4 GiB.
test.each([0, 2 ** 31 - 20, -20])("gives back in order what went in, from position %d on", (position) => {
  const ring = newRing(16, position);
  let written = 0;
  let read = 0;
  for (let round = 0; round < 200; round++) {
    const source = Uint8Array.from({ length: (round * 7) % 23 }, (_, i) => written + i);
    written += ring.write(source);
    const target = new Uint8Array((round * 5) % 19);
    const length = ring.peek(target);
    for (let i = 0; i < length; i++) expect(target[i]).toBe((read + i) & 0xff);
    ring.release(length);
    read += length;
    expect(ring.used).toBe(written - read);
  }
  expect(read).toBeGreaterThan(500);
});
