import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { certificateHash, endPointHash } from "../../src/auth/channel-binding.ts";
import {
  algorithms,
  hollowCertificate,
  nothing,
  objectIdentifier,
  selfSigned,
  sequence,
} from "./certificate.ts";

describe("a self-signed certificate", () => {
  test.each([
    ["sha256WithRSAEncryption", "SHA-256"],
    ["sha1WithRSAEncryption", "SHA-256"],
    ["sha512WithRSAEncryption", "SHA-512"],
    ["RSASSA-PSS with SHA-384", "SHA-384"],
    ["ecdsa-with-SHA256", "SHA-256"],
    ["ecdsa-with-SHA384", "SHA-384"],
  ] as const)("%s is hashed with %s", async (name, hash) => {
    const certificate = selfSigned(algorithms[name]);
    expect(certificateHash(certificate)).toBe(hash);
    const expected = createHash(hash.toLowerCase().replace("-", "")).update(certificate).digest();
    expect(await endPointHash(certificate)).toEqual(new Uint8Array(expected));
  });

  test("Ed25519 has no channel binding", async () => {
    const certificate = selfSigned(algorithms.Ed25519);
    expect(certificateHash(certificate)).toBeUndefined();
    expect(await endPointHash(certificate)).toBeUndefined();
  });
});

describe("a signature algorithm", () => {
  test.each([
    ["md5WithRSAEncryption", "1.2.840.113549.1.1.4", "SHA-256"],
    ["sha384WithRSAEncryption", "1.2.840.113549.1.1.12", "SHA-384"],
    ["ecdsa-with-SHA1", "1.2.840.10045.4.1", "SHA-256"],
    ["ecdsa-with-SHA512", "1.2.840.10045.4.3.4", "SHA-512"],
    ["dsa-with-sha256", "2.16.840.1.101.3.4.3.2", "SHA-256"],
    ["sha224WithRSAEncryption, which WebCrypto lacks", "1.2.840.113549.1.1.14", undefined],
    ["Ed448", "1.3.101.113", undefined],
    ["one nobody knows", "1.2.3.4", undefined],
    ["RSASSA-PSS without parameters, which means SHA-1", "1.2.840.113549.1.1.10", "SHA-256"],
  ])("%s", (_, identifier, hash) => {
    expect(certificateHash(hollowCertificate(sequence(objectIdentifier(identifier))))).toBe(hash);
  });

  test("RSASSA-PSS with empty parameters means SHA-1", () => {
    const algorithm = sequence(objectIdentifier("1.2.840.113549.1.1.10"), sequence());
    expect(certificateHash(hollowCertificate(algorithm))).toBe("SHA-256");
  });

  test("RSASSA-PSS with only a mask function means SHA-1", () => {
    const mask = Uint8Array.of(0xa1, ...sequence(objectIdentifier("1.2.3")).subarray(1));
    const algorithm = sequence(objectIdentifier("1.2.840.113549.1.1.10"), sequence(mask));
    expect(certificateHash(hollowCertificate(algorithm))).toBe("SHA-256");
  });
});

describe("bytes that are no certificate", () => {
  const certificate = hollowCertificate(sequence(objectIdentifier("1.2.840.113549.1.1.11"), nothing));

  test.each([
    ["nothing", new Uint8Array()],
    ["one byte", Uint8Array.of(0x30)],
    ["an indefinite length", Uint8Array.of(0x30, 0x80, 0, 0)],
    ["a length that is cut off", Uint8Array.of(0x30, 0x82, 1)],
    ["a length beyond the end", Uint8Array.of(0x30, 0x82, 0xff, 0xff, 0x30)],
    ["PEM", new TextEncoder().encode("-----BEGIN CERTIFICATE-----\n")],
  ])("%s", (_, bytes) => {
    expect(certificateHash(bytes)).toBeUndefined();
  });

  test("a certificate that is cut off anywhere", () => {
    expect(certificateHash(certificate)).toBe("SHA-256");
    for (let length = 0; length < certificate.length; length++) {
      expect(certificateHash(certificate.subarray(0, length))).toBeUndefined();
    }
  });

  test("anything", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        certificateHash(bytes);
        certificateHash(Uint8Array.of(0x30, bytes.length & 0x7f, ...bytes));
      }),
      { seed: 5929, numRuns: 5000 },
    );
  });
});
