// The channel binding type tls-server-end-point (RFC 5929 section 4): a hash of the server's certificate, which ties a
// SCRAM exchange to the TLS connection it runs in.
//
// The hash function is that of the certificate's signature, SHA-256 in the place of MD5 and SHA-1. It is read from the
// DER of the certificate (RFC 5280 section 4.1), because no runtime-independent API tells it.

export type CertificateHash = "SHA-256" | "SHA-384" | "SHA-512";

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Offset, in the bytes that were read, of what follows. */
  readonly end: number;
}

const sequenceTag = 0x30;
const objectIdentifierTag = 0x06;
const context0Tag = 0xa0;

/** Reads one DER element; undefined when the bytes do not hold a whole one. */
function element(bytes: Uint8Array, offset: number): Element | undefined {
  const tag = bytes[offset];
  let length = bytes[offset + 1];
  if (tag === undefined || length === undefined) return undefined;
  let start = offset + 2;
  if (length >= 0x80) {
    const size = length & 0x7f;
    // 0x80 is BER's indefinite length, which DER has not; no certificate needs more than three bytes of length.
    if (size === 0 || size > 3 || start + size > bytes.length) return undefined;
    length = 0;
    for (const byte of bytes.subarray(start, start + size)) length = length * 256 + byte;
    start += size;
  }
  const end = start + length;
  if (end > bytes.length) return undefined;
  return { tag, content: bytes.subarray(start, end), end };
}

function expect(bytes: Uint8Array, offset: number, tag: number): Element | undefined {
  const found = element(bytes, offset);
  return found?.tag === tag ? found : undefined;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Content of the object identifiers of signature algorithms and hash functions, in hexadecimal. */
const hashes: Readonly<Record<string, CertificateHash>> = {
  "2a864886f70d010104": "SHA-256", // md5WithRSAEncryption
  "2a864886f70d010105": "SHA-256", // sha1WithRSAEncryption
  "2a864886f70d01010b": "SHA-256", // sha256WithRSAEncryption
  "2a864886f70d01010c": "SHA-384", // sha384WithRSAEncryption
  "2a864886f70d01010d": "SHA-512", // sha512WithRSAEncryption
  "2a8648ce3d0401": "SHA-256", // ecdsa-with-SHA1
  "2a8648ce3d040302": "SHA-256", // ecdsa-with-SHA256
  "2a8648ce3d040303": "SHA-384", // ecdsa-with-SHA384
  "2a8648ce3d040304": "SHA-512", // ecdsa-with-SHA512
  "2a8648ce380403": "SHA-256", // dsa-with-sha1
  "608648016503040302": "SHA-256", // dsa-with-sha256
  "608648016503040303": "SHA-384", // dsa-with-sha384
  "608648016503040304": "SHA-512", // dsa-with-sha512
  "2a864886f70d0205": "SHA-256", // md5
  "2b0e03021a": "SHA-256", // sha1
  "608648016503040201": "SHA-256", // sha256
  "608648016503040202": "SHA-384", // sha384
  "608648016503040203": "SHA-512", // sha512
};

/** RSASSA-PSS names its hash function in its parameters (RFC 4055 section 3.1). */
const rsassaPss = "2a864886f70d01010a";

function pssHash(parameters: Element | undefined): CertificateHash | undefined {
  if (parameters === undefined || parameters.content.length === 0) return "SHA-256"; // SHA-1 by default
  const first = element(parameters.content, 0);
  if (first === undefined) return undefined;
  if (first.tag !== context0Tag) return "SHA-256";
  const algorithm = expect(first.content, 0, sequenceTag);
  const name = algorithm && expect(algorithm.content, 0, objectIdentifierTag);
  return name && hashes[hex(name.content)];
}

/**
 * The hash function that tls-server-end-point uses for a certificate, or undefined when it has none: the signature names
 * no hash (Ed25519, Ed448), one that WebCrypto lacks (SHA-224, SHA-3), or the bytes are not a certificate. RFC 5929
 * leaves these cases undefined, so no channel binding is offered or chosen for them.
 */
export function certificateHash(certificate: Uint8Array): CertificateHash | undefined {
  const whole = expect(certificate, 0, sequenceTag);
  const signed = whole && expect(whole.content, 0, sequenceTag);
  const algorithm = signed && expect(whole.content, signed.end, sequenceTag);
  if (algorithm === undefined) return undefined;
  const name = expect(algorithm.content, 0, objectIdentifierTag);
  if (name === undefined) return undefined;
  const identifier = hex(name.content);
  if (identifier === rsassaPss) return pssHash(expect(algorithm.content, name.end, sequenceTag));
  return hashes[identifier];
}

/** The data of tls-server-end-point: the hash of a certificate (DER), or undefined when certificateHash() is. */
export async function endPointHash(certificate: Uint8Array): Promise<Uint8Array | undefined> {
  const hash = certificateHash(certificate);
  if (hash === undefined) return undefined;
  return new Uint8Array(await crypto.subtle.digest(hash, new Uint8Array(certificate)));
}
