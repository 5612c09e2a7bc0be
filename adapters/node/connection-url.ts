// Connection URLs as an operator gives them: what they leave out comes from where psql takes it.
import { userInfo } from "node:os";
import {
  type ParsedUrl,
  type ParsedWebSocketUrl,
  parseUrl,
  parseWebSocketUrl,
  type UrlDefaults,
} from "../../src/client/mod.ts";
import { ConfigError } from "../../src/gateway/mod.ts";
import { PgError } from "../../src/wire/mod.ts";

/** Parses a URL of a command line or a configuration. @throws ConfigError that says what is wrong with it */
export function readUrl(url: string): ParsedUrl {
  return configured(() => parseUrl(url, urlDefaults()));
}

/** The same for the URL of a server behind a WebSocket. */
export function readWebSocketUrl(url: string): ParsedWebSocketUrl {
  return configured(() => parseWebSocketUrl(url, urlDefaults()));
}

function configured<Parsed>(parse: () => Parsed): Parsed {
  try {
    return parse();
  } catch (error) {
    throw error instanceof PgError ? new ConfigError(error.message) : error;
  }
}

/** PGUSER or the system's user, PGPASSWORD. */
export function urlDefaults(environment: NodeJS.ProcessEnv = process.env): UrlDefaults {
  return { user: environment.PGUSER || systemUser(), password: environment.PGPASSWORD };
}

function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    // A user id without a name, as in some containers.
    return undefined;
  }
}
