/**
 * What a gateway is told: databases by name, users with their verifiers. The same words in flags, environment
 * variables and the configuration file, and the same clear refusal of what makes no sense.
 */

import type { AuthMethod } from "../auth/mod.ts";

export interface GatewayConfig {
  /** Upstream URLs by the database name that clients connect to; `*` serves every other name. */
  readonly databases: ReadonlyMap<string, string>;
  /**
   * Verifiers (`SCRAM-SHA-256$…`, `md5…`) or passwords by user: nobody else gets in, whatever the method. Empty:
   * everyone is trusted, or with `cert` who has a certificate of that name.
   */
  readonly users: ReadonlyMap<string, string>;
  /** How users prove themselves; default: as their verifiers can, SCRAM first. */
  readonly auth?: AuthMethod | undefined;
}

/** Whether everyone gets in: no users are named, or nothing is asked of them. */
export function trusts({ users, auth }: Pick<GatewayConfig, "users" | "auth">): boolean {
  return auth === "trust" || (users.size === 0 && auth === undefined);
}

/** A mistake in the configuration; the message says what to write instead. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** `name=url`. */
export function parseDatabase(text: string): [name: string, url: string] {
  const equals = text.indexOf("=");
  if (equals < 1 || equals === text.length - 1) {
    throw new ConfigError(`a database is written name=url, not "${text}" (for example app=pglite:./data)`);
  }
  const url = text.slice(equals + 1);
  if (!/^[a-z][a-z0-9+.-]*:/i.test(url)) {
    throw new ConfigError(`the URL of database "${text.slice(0, equals)}" has no scheme: "${url}"`);
  }
  return [text.slice(0, equals), url];
}

/** `name:verifier`. */
export function parseUser(text: string): [name: string, verifier: string] {
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) {
    throw new ConfigError("a user is written name:verifier, with a SCRAM-SHA-256$… verifier or a password");
  }
  return [text.slice(0, colon), text.slice(colon + 1)];
}

/** Databases of the configuration; a name that is given twice is a mistake. */
export function collect(pairs: Iterable<readonly [string, string]>, what: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (map.has(name)) throw new ConfigError(`${what} "${name}" is configured twice`);
    map.set(name, value);
  }
  return map;
}
