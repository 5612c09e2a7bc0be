import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { md5Hex, md5PasswordHash, md5Response } from "../../src/auth/md5.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("md5", () => {
  // RFC 1321, appendix A.5.
  test.each([
    ["", "d41d8cd98f00b204e9800998ecf8427e"],
    ["a", "0cc175b9c0f1b6a831c399e269772661"],
    ["abc", "900150983cd24fb0d6963f7d28e17f72"],
    ["message digest", "f96b697d7cb7938d525a2f31aaf161d0"],
    ["abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"],
    ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"],
    [
      "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
      "57edf4a22be3c955ac49da2e2107b67a",
    ],
  ])("of %j", (text, digest) => {
    expect(md5Hex(bytes(text))).toBe(digest);
  });

  test("agrees with another implementation at every length around the block size", () => {
    for (let length = 0; length < 200; length++) {
      const message = Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 0xff);
      expect(md5Hex(message)).toBe(createHash("md5").update(message).digest("hex"));
    }
  });

  test("agrees with another implementation on anything", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1000 }), (message) => {
        expect(md5Hex(message)).toBe(createHash("md5").update(message).digest("hex"));
      }),
      { seed: 1321 },
    );
  });

  test("reads only its own part of a larger buffer", () => {
    expect(md5Hex(bytes("xxabcxx").subarray(2, 5))).toBe("900150983cd24fb0d6963f7d28e17f72");
  });
});

test("the hash PostgreSQL stores: CREATE ROLE alice PASSWORD 'secret' under password_encryption = md5", () => {
  expect(md5PasswordHash("alice", "secret")).toBe("4a0a68b43b6cd5cf266fa02f196e2371");
});

test("the answer to a salt", () => {
  const stored = createHash("md5").update("secretalice").digest("hex");
  const expected = createHash("md5")
    .update(stored)
    .update(Uint8Array.of(1, 2, 3, 255))
    .digest("hex");
  expect(md5Response(stored, Uint8Array.of(1, 2, 3, 255))).toBe(`md5${expected}`);
});
