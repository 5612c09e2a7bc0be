// Where a server's knowledge of users comes from: the interface, and sources over a table of stored passwords, over a
// function, and over nothing (trust). The methods are those of pg_hba.conf
// (https://www.postgresql.org/docs/current/auth-methods.html).

import { fatal } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { type MockAuthentication, mockIterations, mockSalt } from "./mock.ts";
import { deriveScram, parseVerifier, type Verifier } from "./verifier.ts";

/**
 * How a client proves itself:
 * - `trust`: not at all;
 * - `password`: it sends the password, readable by whoever sees the connection;
 * - `md5`: by the stored password, MD5 when that is an md5 hash, else SCRAM-SHA-256;
 * - `scram-sha-256`: by SCRAM-SHA-256, with channel binding when TLS allows it;
 * - `cert`: by a TLS client certificate whose common name is the user.
 */
export type AuthMethod = "trust" | "password" | "md5" | "scram-sha-256" | "cert";

/** What a transport knows of its TLS. */
export interface TlsInfo {
  /** For example "TLSv1.3". */
  readonly protocol?: string;
  /** The name the client asked for (SNI). */
  readonly serverName?: string;
  readonly alpn?: string;
  /** The server's certificate in DER, for channel binding. Without it SCRAM-SHA-256-PLUS is not offered. */
  readonly serverCertificate?: Uint8Array;
  /** The client's certificate: present only when the transport verified it against its authorities. */
  readonly clientCertificate?: { readonly commonName: string; readonly der?: Uint8Array };
}

/** Who wants in, as the startup packet and the transport tell. */
export interface Login {
  readonly user: string;
  readonly database: string;
  /** Every parameter of the startup packet. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly tls: TlsInfo | undefined;
  /** The peer's address. */
  readonly address?: string;
}

/** How one login is to be checked. */
export interface AuthRule {
  readonly method: AuthMethod;
  /**
   * The stored password. Undefined: the user does not exist or has none; the exchange then fails as one with a wrong
   * password does. Give the same object each time: what is worked out from it is kept with it.
   */
  readonly verifier?: Verifier;
  /** For `password`, in the place of a verifier: decides itself. */
  readonly check?: (password: string) => boolean | Promise<boolean>;
}

export interface AuthSource {
  /**
   * The rule for a login; undefined for a user that does not exist, who gets mock SCRAM-SHA-256. A PgError that it throws
   * is sent to the client, FATAL; of anything else thrown the client sees no text.
   */
  find(login: Login): AuthRule | undefined | Promise<AuthRule | undefined>;
  /** What unknown users are shown. */
  readonly mock?: MockAuthentication;
}

/** Lets everybody in. */
export function trustAuthSource(): AuthSource {
  return { find: () => ({ method: "trust" }) };
}

/**
 * Asks for the password and hands it to a function: for passwords that something else checks. Use it under TLS; the
 * password crosses the connection as it is.
 *
 * @param check never called with an empty password
 */
export function callbackAuthSource(
  check: (login: Login, password: string) => boolean | Promise<boolean>,
): AuthSource {
  return { find: (login) => ({ method: "password", check: (password) => check(login, password) }) };
}

/** The count that most verifiers have, so that unknown users look like most. */
function usualIterations(verifiers: Iterable<Verifier>): number {
  const counts = new Map<number, number>();
  for (const verifier of verifiers) {
    if (verifier.type !== "scram-sha-256") continue;
    counts.set(verifier.iterations, (counts.get(verifier.iterations) ?? 0) + 1);
  }
  const [most] = [...counts].sort((left, right) => right[1] - left[1]);
  return most?.[0] ?? mockIterations(undefined);
}

function randomMd5(): Verifier {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return { type: "md5", hash: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") };
}

/**
 * A fixed table of users.
 *
 * @param users stored passwords by user: `SCRAM-SHA-256$...`, `md5...` or plain text, see parseVerifier()
 * @param options.method default: md5 for users with an md5 hash, else scram-sha-256. With `trust` and `cert` the table
 *   says who exists, and its passwords are not used.
 * @param options.secret see MockAuthentication
 */
export function staticAuthSource(
  users: Readonly<Record<string, string>> | ReadonlyMap<string, string>,
  options: { method?: AuthMethod; secret?: Uint8Array } = {},
): AuthSource {
  const entries = users instanceof Map ? users : new Map(Object.entries(users));
  const verifiers = new Map<string, Verifier>();
  for (const [user, text] of entries) verifiers.set(user, parseVerifier(text));
  const all = [...verifiers.values()];
  const mock: MockAuthentication = {
    iterations: usualIterations(all),
    ...(options.secret !== undefined && { secret: options.secret }),
  };
  const onlyMd5 = all.length > 0 && all.every((verifier) => verifier.type === "md5");
  const derived = new Map<string, Promise<Verifier>>();

  /** Plain passwords become SCRAM verifiers at their first use, with the salt an unknown user of that name would get. */
  function verifierFor(user: string, verifier: Verifier): Verifier | Promise<Verifier> {
    if (verifier.type !== "plain" || verifier.password === "" || options.method === "password")
      return verifier;
    let promise = derived.get(user);
    if (promise === undefined) {
      promise = mockSalt(user, mock).then((salt) =>
        deriveScram(verifier.password, salt, mockIterations(mock)),
      );
      derived.set(user, promise);
    }
    return promise;
  }

  async function find({ user }: Login): Promise<AuthRule> {
    const verifier = verifiers.get(user);
    const method = options.method;
    if (method === "trust" || method === "cert") {
      if (verifier !== undefined) return { method };
      throw fatal(sqlstate.invalidAuthorizationSpecification, `role "${user}" does not exist`);
    }
    if (verifier !== undefined) {
      const asked = method ?? (verifier.type === "md5" ? "md5" : "scram-sha-256");
      return { method: asked, verifier: await verifierFor(user, verifier) };
    }
    // Where everybody is asked for MD5, so is an unknown user, to be held against a hash that nothing has.
    if (onlyMd5 && (method === undefined || method === "md5"))
      return { method: "md5", verifier: randomMd5() };
    return { method: method ?? "scram-sha-256" };
  }

  return { find, mock };
}
