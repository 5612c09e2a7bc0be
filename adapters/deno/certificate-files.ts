// PEM files, read and looked at before anybody has to rely on them: Deno's own TLS takes what it cannot read for nothing at
// all, so that a client's certificate or an authority would silently be missing.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** @throws an error that names the file, if there is none in it, or one that cannot be read */
export function certificatesIn(path: string): X509Certificate[] {
  const blocks = readFileSync(path, "latin1").match(
    /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g,
  );
  if (!blocks) throw new Error(`there is no certificate in ${path}`);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new Error(`a certificate in ${path} cannot be read`, { cause });
    }
  });
}

/** Reads a certificate and the key to it. @throws an error that names the files, if they do not belong together */
export function certificateWithKey({ cert, key }: { cert: string; key: string }): X509Certificate {
  const [certificate] = certificatesIn(cert);
  if (certificate?.checkPrivateKey(createPrivateKey(readFileSync(key)))) return certificate;
  throw new Error(`the key in ${key} does not belong to the certificate in ${cert}`);
}

/**
 * Whether a certificate is of version 3 of X.509 (RFC 5280, 4.1). Deno's TLS takes those of version 1 without looking
 * whether the other side has the key to them: whoever has a copy of one could pretend to be its owner.
 */
export function isVersion3({ raw }: X509Certificate): boolean {
  const signed = headerLength(raw, 0);
  const version = signed + headerLength(raw, signed);
  // [0] { INTEGER 2 }; version 1 is written by leaving it out.
  return [0xa0, 3, 2, 1, 2].every((byte, index) => raw[version + index] === byte);
}

/** Bytes of the tag and the length of a DER element. */
function headerLength(bytes: Uint8Array, at: number): number {
  const length = bytes[at + 1] ?? 0;
  return length < 0x80 ? 2 : 2 + (length & 0x7f);
}
