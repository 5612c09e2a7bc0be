// Stored passwords, as pg_authid.rolpassword and PgBouncer's userlist.txt hold them
// (https://www.postgresql.org/docs/current/catalog-pg-authid.html, https://www.pgbouncer.org/config.html#authentication-file-format).

import { decodeBase64, encodeBase64 } from "./base64.ts";
import { equalBytes } from "./constant-time.ts";
import { md5PasswordHash } from "./md5.ts";
import { preparePassword } from "./saslprep.ts";
import { defaultIterations, scramKeyLength, scramKeys, scramSha256 } from "./scram.ts";

export interface ScramVerifier {
  readonly type: "scram-sha-256";
  readonly iterations: number;
  readonly salt: Uint8Array;
  /** 32 bytes. */
  readonly storedKey: Uint8Array;
  /** 32 bytes. */
  readonly serverKey: Uint8Array;
}

/** A password as a server keeps it. */
export type Verifier =
  | ScramVerifier
  /** MD5 of the password and the user name: 32 lowercase hexadecimal digits. */
  | { readonly type: "md5"; readonly hash: string }
  | { readonly type: "plain"; readonly password: string };

const scramShape = /^SCRAM-SHA-256\$([1-9][0-9]{0,9}):([^$:]+)\$([^$:]+):([^$:]+)$/;

function parseScram(text: string): ScramVerifier | undefined {
  const [, iterations, ...parts] = scramShape.exec(text) ?? [];
  const [salt, storedKey, serverKey] = parts.map(decodeBase64);
  if (salt === undefined || storedKey?.length !== scramKeyLength || serverKey?.length !== scramKeyLength) {
    return undefined;
  }
  // PostgreSQL keeps the count in an int.
  if (Number(iterations) > 0x7fffffff) return undefined;
  return { type: "scram-sha-256", iterations: Number(iterations), salt, storedKey, serverKey };
}

/**
 * Reads a stored password: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (base64), `md5` and 32 lowercase
 * hexadecimal digits, or, when it is neither to the letter, a plain password, as PostgreSQL and PgBouncer decide it.
 */
export function parseVerifier(text: string): Verifier {
  if (/^md5[0-9a-f]{32}$/.test(text)) return { type: "md5", hash: text.slice(3) };
  return parseScram(text) ?? { type: "plain", password: text };
}

/** The stored form of a SCRAM verifier. */
export function formatScramVerifier(verifier: ScramVerifier): string {
  const { iterations, salt, storedKey, serverKey } = verifier;
  const keys = `${encodeBase64(storedKey)}:${encodeBase64(serverKey)}`;
  return `${scramSha256}$${iterations}:${encodeBase64(salt)}$${keys}`;
}

/** Derives a SCRAM verifier from a password. */
export async function deriveScram(
  password: string,
  salt: Uint8Array,
  iterations: number,
): Promise<ScramVerifier> {
  const { storedKey, serverKey } = await scramKeys(preparePassword(password), salt, iterations);
  return { type: "scram-sha-256", iterations, salt, storedKey, serverKey };
}

/**
 * The stored form of a password for SCRAM-SHA-256, fit for CREATE ROLE ... PASSWORD and for userlist.txt.
 *
 * @param options.salt random bytes; 16 by default, as in PostgreSQL
 * @param options.iterations 4096 by default. Cloudflare Workers can check passwords up to 100,000 only.
 */
export async function scramVerifier(
  password: string,
  options: { salt?: Uint8Array; iterations?: number } = {},
): Promise<string> {
  const salt = options.salt ?? crypto.getRandomValues(new Uint8Array(16));
  return formatScramVerifier(await deriveScram(password, salt, options.iterations ?? defaultIterations));
}

/** The stored form of a password for md5 authentication; it holds the user's name, so renaming the user breaks it. */
export function md5Verifier(user: string, password: string): string {
  return `md5${md5PasswordHash(user, password)}`;
}

const encoder = new TextEncoder();

/**
 * Whether a cleartext password is the one stored.
 *
 * @param password its bytes as the client sent them
 */
export async function passwordMatches(
  verifier: Verifier,
  user: string,
  password: Uint8Array,
): Promise<boolean> {
  switch (verifier.type) {
    case "scram-sha-256": {
      const keys = await scramKeys(preparePassword(password), verifier.salt, verifier.iterations);
      return equalBytes(keys.serverKey, verifier.serverKey);
    }
    case "md5":
      return equalBytes(encoder.encode(md5PasswordHash(user, password)), encoder.encode(verifier.hash));
    case "plain": {
      // Digests, so that the comparison does not tell the length either.
      const [left, right] = await Promise.all([
        crypto.subtle.digest("SHA-256", new Uint8Array(password)),
        crypto.subtle.digest("SHA-256", encoder.encode(verifier.password)),
      ]);
      return equalBytes(new Uint8Array(left), new Uint8Array(right));
    }
  }
}

const emptyScram = new WeakMap<ScramVerifier, Promise<boolean>>();

/**
 * Whether a verifier is one of the empty password, which never lets anybody in: PostgreSQL clears such passwords when
 * they are set; here the first login with one is the earliest chance.
 */
export function isEmptyPassword(verifier: Verifier, user: string): boolean | Promise<boolean> {
  if (verifier.type === "plain") return verifier.password === "";
  if (verifier.type === "md5") return verifier.hash === md5PasswordHash(user, "");
  // Costs as much as a login, so once for each verifier. A single zero byte stands for the empty key, which some
  // runtimes do not import: HMAC pads keys with zeros, so the two derive the same.
  let empty = emptyScram.get(verifier);
  if (empty === undefined) {
    empty = scramKeys(new Uint8Array(1), verifier.salt, verifier.iterations).then(
      (keys) => equalBytes(keys.serverKey, verifier.serverKey),
      // More iterations than the runtime derives; checking a proof needs none of them.
      () => false,
    );
    emptyScram.set(verifier, empty);
  }
  return empty;
}
