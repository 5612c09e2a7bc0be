// Self-signed certificates, built byte by byte: just enough of DER (X.690) and of RFC 5280 for channel binding, since
// Node can read certificates but not make them.

import { constants, generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";

export function der(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const content = Buffer.concat(contents);
  if (content.length < 0x80) return Buffer.concat([Uint8Array.of(tag, content.length), content]);
  const length = content.length.toString(16);
  const bytes = Buffer.from(length.length % 2 === 0 ? length : `0${length}`, "hex");
  return Buffer.concat([Uint8Array.of(tag, 0x80 | bytes.length), bytes, content]);
}

export const sequence = (...contents: Uint8Array[]): Uint8Array => der(0x30, ...contents);
export const set = (...contents: Uint8Array[]): Uint8Array => der(0x31, ...contents);
export const integer = (value: number): Uint8Array => der(0x02, Uint8Array.of(value));
export const tagged = (number: number, ...contents: Uint8Array[]): Uint8Array =>
  der(0xa0 | number, ...contents);
export const bitString = (bytes: Uint8Array): Uint8Array => der(0x03, Uint8Array.of(0), bytes);
export const text = (value: string): Uint8Array => der(0x0c, Buffer.from(value));
export const time = (value: string): Uint8Array => der(0x17, Buffer.from(value));
export const nothing: Uint8Array = der(0x05);

export function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (let arc of rest) {
    const groups = [arc & 0x7f];
    for (arc >>>= 7; arc > 0; arc >>>= 7) groups.unshift(0x80 | (arc & 0x7f));
    bytes.push(...groups);
  }
  return der(0x06, Uint8Array.from(bytes));
}

/** The outer shape of a certificate, with an algorithm but nothing signed. */
export function hollowCertificate(algorithm: Uint8Array): Uint8Array {
  return sequence(sequence(integer(1)), algorithm, bitString(Uint8Array.of(0)));
}

export interface Algorithm {
  keys(): { privateKey: KeyObject; publicKey: KeyObject };
  /** Digest for node's sign(), null where the key decides. */
  digest: string | null;
  /** AlgorithmIdentifier. */
  identifier: Uint8Array;
  pss?: boolean;
}

/** One for all: making an RSA key takes a good part of a second. */
const rsaKeys = generateKeyPairSync("rsa", { modulusLength: 2048 });
const rsa = () => rsaKeys;
const ecdsa = () => generateKeyPairSync("ec", { namedCurve: "P-256" });

/** RSASSA-PSS-params with a hash function, its mask function and a salt of its length. */
function pssParameters(hash: string, length: number): Uint8Array {
  const named = sequence(objectIdentifier(hash), nothing);
  const mask = sequence(objectIdentifier("1.2.840.113549.1.1.8"), named);
  return sequence(tagged(0, named), tagged(1, mask), tagged(2, integer(length)));
}

export type AlgorithmName =
  | "sha256WithRSAEncryption"
  | "sha1WithRSAEncryption"
  | "sha512WithRSAEncryption"
  | "RSASSA-PSS with SHA-384"
  | "ecdsa-with-SHA256"
  | "ecdsa-with-SHA384"
  | "Ed25519";

export const algorithms: Readonly<Record<AlgorithmName, Algorithm>> = {
  sha256WithRSAEncryption: {
    keys: rsa,
    digest: "sha256",
    identifier: sequence(objectIdentifier("1.2.840.113549.1.1.11"), nothing),
  },
  sha1WithRSAEncryption: {
    keys: rsa,
    digest: "sha1",
    identifier: sequence(objectIdentifier("1.2.840.113549.1.1.5"), nothing),
  },
  sha512WithRSAEncryption: {
    keys: rsa,
    digest: "sha512",
    identifier: sequence(objectIdentifier("1.2.840.113549.1.1.13"), nothing),
  },
  "RSASSA-PSS with SHA-384": {
    keys: rsa,
    digest: "sha384",
    identifier: sequence(
      objectIdentifier("1.2.840.113549.1.1.10"),
      pssParameters("2.16.840.1.101.3.4.2.2", 48),
    ),
    pss: true,
  },
  "ecdsa-with-SHA256": {
    keys: ecdsa,
    digest: "sha256",
    identifier: sequence(objectIdentifier("1.2.840.10045.4.3.2")),
  },
  "ecdsa-with-SHA384": {
    keys: ecdsa,
    digest: "sha384",
    identifier: sequence(objectIdentifier("1.2.840.10045.4.3.3")),
  },
  Ed25519: {
    keys: () => generateKeyPairSync("ed25519"),
    digest: null,
    identifier: sequence(objectIdentifier("1.3.101.112")),
  },
};

/** A self-signed certificate in DER, which Node has read and whose signature it has checked. */
export function selfSigned(algorithm: Algorithm): Uint8Array {
  const { privateKey, publicKey } = algorithm.keys();
  const name = sequence(set(sequence(objectIdentifier("2.5.4.3"), text("localhost"))));
  const signed = sequence(
    tagged(0, integer(2)),
    integer(1),
    algorithm.identifier,
    name,
    sequence(time("240101000000Z"), time("491231235959Z")),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const key = algorithm.pss
    ? {
        key: privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      }
    : privateKey;
  const signature = sign(algorithm.digest, signed, key);
  const certificate = sequence(signed, algorithm.identifier, bitString(signature));
  const read = new X509Certificate(certificate);
  if (read.subject !== "CN=localhost" || !read.verify(publicKey))
    throw new Error("a wrong certificate was built");
  return certificate;
}
