/** Settings that are written as text, with the same names in flags, the configuration file and variables. */
import type { AuthMethod } from "../auth/mod.ts";
import type { SessionLimits } from "../session/mod.ts";
import { ConfigError } from "./config.ts";

export const settingNames = [
  "auth",
  "statement-timeout",
  "idle-timeout",
  "idle-in-transaction-timeout",
  "origins",
  "max-request-bytes",
  "max-response-bytes",
] as const;
export type SettingName = (typeof settingNames)[number];

/** What every runtime can be told; what its sockets need is the adapter's. */
export interface Settings {
  readonly auth: AuthMethod | undefined;
  readonly limits: Partial<SessionLimits>;
  readonly http: HttpSettings;
}

export interface HttpSettings {
  /** See AppOptions. */
  readonly origins?: readonly string[] | undefined;
  readonly maxRequestBytes?: number | undefined;
  readonly maxResponseBytes?: number | undefined;
}

const methods: readonly string[] = ["trust", "password", "md5", "scram-sha-256", "cert"];

/** @param value the text of a setting, if it was given. @throws ConfigError */
export function parseSettings(value: (name: SettingName) => string | undefined): Settings {
  const auth = value("auth");
  if (auth !== undefined && !methods.includes(auth)) {
    throw new ConfigError(`auth is one of ${methods.join(", ")}, not "${auth}"`);
  }
  const number = (name: SettingName): number | undefined => parseNumber(name, value(name));
  const origins = value("origins");
  return {
    auth: auth as AuthMethod | undefined,
    limits: given({
      statementTimeout: number("statement-timeout"),
      idleTimeout: number("idle-timeout"),
      idleInTransactionTimeout: number("idle-in-transaction-timeout"),
    }),
    http: given({
      origins: origins === undefined ? undefined : parseOrigins(origins),
      maxRequestBytes: number("max-request-bytes"),
      maxResponseBytes: number("max-response-bytes"),
    }),
  };
}

/** A whole number, or undefined if there is none. @throws ConfigError */
export function parseNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new ConfigError(`${name} is a whole number, not "${text}"`);
  return Number(text);
}

function parseOrigins(text: string): string[] {
  const origins = text.split(/[\s,]+/).filter(Boolean);
  for (const origin of origins) {
    if (origin !== "*" && origin !== "loopback" && !/^[a-z][a-z0-9+.-]*:\/\/[^/]+\/?$/i.test(origin)) {
      throw new ConfigError(`an origin is written like https://app.example.com, not "${origin}"`);
    }
  }
  return origins;
}

/** Without what is undefined. */
function given<Value extends object>(
  values: Value,
): { [Key in keyof Value]?: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Value]?: Exclude<Value[Key], undefined>;
  };
}
