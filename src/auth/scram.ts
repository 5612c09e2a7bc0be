// The arithmetic of SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677) on WebCrypto, shared by both sides.

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { encodeBase64 } from "./base64.ts";
import { equalBytes } from "./constant-time.ts";

export const scramSha256 = "SCRAM-SHA-256";
export const scramSha256Plus = "SCRAM-SHA-256-PLUS";

/** Length in bytes of every SHA-256 key, proof and signature. */
export const scramKeyLength = 32;

/** SCRAM_SHA_256_DEFAULT_ITERATIONS of PostgreSQL, and the least RFC 7677 asks for. */
export const defaultIterations = 4096;

type Bytes = Uint8Array<ArrayBuffer>;

/** What a server keeps of a password: enough to check a proof and to prove itself, not enough to log in elsewhere. */
export interface ScramKeys {
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

const encoder = new TextEncoder();

async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

/** HMAC-SHA-256 of a message. */
export async function hmacSha256(key: Uint8Array, message: Bytes): Promise<Bytes> {
  const algorithm = { name: "HMAC", hash: "SHA-256" } as const;
  const imported = await crypto.subtle.importKey("raw", new Uint8Array(key), algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}

/** RFC 5802's Hi(), which is PBKDF2 with HMAC-SHA-256. */
async function saltedPassword(password: Bytes, salt: Uint8Array, iterations: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  const algorithm = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(salt), iterations } as const;
  try {
    return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, scramKeyLength * 8));
  } catch (cause) {
    // Cloudflare Workers refuse more than 100,000 iterations.
    throw new PgError(
      sqlstate.featureNotSupported,
      `this runtime cannot derive a SCRAM key with ${iterations} iterations`,
      { severity: "FATAL", hint: "Set the password again with a lower scram_iterations." },
      { cause },
    );
  }
}

/**
 * The keys of a password.
 *
 * @param password its prepared bytes, as preparePassword() gives them
 */
export async function scramKeys(
  password: Bytes,
  salt: Uint8Array,
  iterations: number,
): Promise<ScramKeys & { clientKey: Uint8Array }> {
  const salted = await saltedPassword(password, salt, iterations);
  const clientKey = await hmacSha256(salted, encoder.encode("Client Key"));
  const [storedKey, serverKey] = await Promise.all([
    sha256(clientKey),
    hmacSha256(salted, encoder.encode("Server Key")),
  ]);
  return { clientKey, storedKey, serverKey };
}

function xor(left: Uint8Array, right: Uint8Array): Bytes {
  return Uint8Array.from(left, (byte, index) => byte ^ (right[index] as number));
}

/** The proof that a client has the password, over the messages exchanged. */
export async function clientProof(
  keys: { clientKey: Uint8Array; storedKey: Uint8Array },
  authMessage: Bytes,
): Promise<Bytes> {
  return xor(keys.clientKey, await hmacSha256(keys.storedKey, authMessage));
}

/** Whether a proof was made with the password behind the stored key. */
export async function proofMatches(
  storedKey: Uint8Array,
  authMessage: Bytes,
  proof: Uint8Array,
): Promise<boolean> {
  const clientKey = xor(proof, await hmacSha256(storedKey, authMessage));
  return equalBytes(await sha256(clientKey), storedKey);
}

/** The proof that a server has the verifier, over the messages exchanged. */
export async function serverSignature(serverKey: Uint8Array, authMessage: Bytes): Promise<Bytes> {
  return await hmacSha256(serverKey, authMessage);
}

/** A nonce as PostgreSQL makes it: 18 random bytes (SCRAM_RAW_NONCE_LEN) as 24 base64 characters. */
export function randomNonce(): string {
  return encodeBase64(crypto.getRandomValues(new Uint8Array(18)));
}
