/**
 * The configuration as variables: `EDGEWIRE_DATABASES` (`name=url …`), `EDGEWIRE_USERS` (`name:verifier …`), and a name
 * like `EDGEWIRE_STATEMENT_TIMEOUT` for each setting. The environment on Node and Deno, variables and secrets on Workers.
 */
import { ConfigError, collect, type GatewayConfig, parseDatabase, parseUser } from "./config.ts";
import { parseSettings, type Settings } from "./settings.ts";

/** Variables by name, among others that mean nothing here. */
export type Variables = Readonly<Record<string, unknown>>;

export type GatewayVariables = GatewayConfig & Settings;

/** The configuration that the variables hold; without `EDGEWIRE_DATABASES` it has no database. @throws ConfigError */
export function readVariables(variables: Variables): GatewayVariables {
  return {
    databases: collect(databaseVariable(variables), "database"),
    users: collect(userVariable(variables), "user"),
    ...parseSettings((name) => readVariable(variables, name)),
  };
}

/** The pairs of `EDGEWIRE_DATABASES`. */
export function databaseVariable(variables: Variables): [name: string, url: string][] {
  return words(readVariable(variables, "databases")).map(parseDatabase);
}

/** The pairs of `EDGEWIRE_USERS`. */
export function userVariable(variables: Variables): [name: string, verifier: string][] {
  return words(readVariable(variables, "users")).map(parseUser);
}

/** The variable of a setting: `statement-timeout` is `EDGEWIRE_STATEMENT_TIMEOUT`. An empty one is none. */
export function readVariable(variables: Variables, setting: string): string | undefined {
  const name = `EDGEWIRE_${setting.toUpperCase().replaceAll("-", "_")}`;
  const value = variables[name];
  if (value === undefined || value === "") return undefined;
  if (typeof value === "string") return value;
  // wrangler.toml may hold numbers, and objects, which are bindings of the same name.
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new ConfigError(`${name} must be a text`);
}

function words(text: string | undefined): string[] {
  return text?.split(/\s+/).filter(Boolean) ?? [];
}
