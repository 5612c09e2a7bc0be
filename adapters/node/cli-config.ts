// The configuration of `edgewire serve`: flags, then the file, then environment variables, with the same names.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { AuthMethod } from "../../src/auth/mod.ts";
import {
  ConfigError,
  collect,
  databaseVariable,
  type HttpSettings,
  parseDatabase,
  parseNumber,
  parseSettings,
  parseUser,
  readVariable,
  type SettingName,
  settingNames,
  trusts,
  userVariable,
  type Variables,
} from "../../src/gateway/mod.ts";
import type { SessionLimits } from "../../src/session/mod.ts";
import { defaultPort, parseAddress, parseListen, type TcpAddress, type UnixAddress } from "./cli-address.ts";

export interface ServeConfig {
  readonly listen: TcpAddress | UnixAddress;
  /** Where to serve HTTP; undefined: nowhere. One that nobody asked for may be missing. */
  readonly http: (TcpAddress & { readonly asked: boolean }) | undefined;
  readonly httpSettings: HttpSettings;
  readonly databases: ReadonlyMap<string, string>;
  readonly users: ReadonlyMap<string, string>;
  readonly auth: AuthMethod | undefined;
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string | undefined } | undefined;
  readonly maxConnections: number | undefined;
  readonly limits: Partial<SessionLimits>;
  readonly trace: boolean;
}

const defaultHttp = { host: "127.0.0.1", port: 8080 };

/** Settings of those who have sockets, beside those of every gateway. */
const own = ["listen", "http", "tls-cert", "tls-key", "tls-ca", "max-connections"] as const;
const single = [...own, ...settingNames] as const;
type Single = (typeof own)[number] | SettingName;

/** What one source says: the flags, the file, or the environment. */
interface Source {
  readonly values: Partial<Record<Single, string>>;
  readonly databases: readonly (readonly [string, string])[];
  readonly users: readonly (readonly [string, string])[];
  readonly trace: boolean | undefined;
}

/** @throws ConfigError, or the parser's own error for an unknown flag. */
export function readConfig(args: readonly string[], environment: Variables): ServeConfig {
  const { source: flags, file } = readFlags(args);
  const path = file ?? readVariable(environment, "config");
  const sources = [flags, ...(path === undefined ? [] : [readFile(path)]), readEnvironment(environment)];
  const value = (name: Single): string | undefined =>
    sources.find((source) => source.values[name] !== undefined)?.values[name];
  const databases = sources.find((source) => source.databases.length > 0)?.databases;
  const users = sources.find((source) => source.users.length > 0)?.users ?? [];
  const { auth, limits, http: httpSettings } = parseSettings(value);
  if (auth !== undefined && auth !== "trust" && auth !== "cert" && users.length === 0) {
    throw new ConfigError(`auth ${auth} needs users: give at least one --user name:verifier`);
  }
  const tls = tlsFiles(value("tls-cert"), value("tls-key"), value("tls-ca"));
  if (auth === "cert" && tls?.ca === undefined) {
    throw new ConfigError(
      "auth cert needs the authorities that sign client certificates: give --tls-ca file",
    );
  }
  const listen = parseListen(value("listen") ?? `127.0.0.1:${defaultPort}`);
  // A socket that lets in its own user alone is no reason to let everybody in by a port beside it.
  const guarded = "path" in listen && trusts({ users: new Map(users), auth });
  return {
    listen,
    http: parseHttp(value("http") ?? (guarded ? off : undefined)),
    httpSettings,
    databases: collect(databases ?? [["postgres", "pglite:"]], "database"),
    users: collect(users, "user"),
    auth,
    tls,
    maxConnections: parseNumber("max-connections", value("max-connections")),
    limits,
    trace: sources.find((source) => source.trace !== undefined)?.trace ?? false,
  };
}

function readFlags(args: readonly string[]): { source: Source; file: string | undefined } {
  const { database = [], user = [], trace, config, "no-http": noHttp, ...rest } = parseFlags(args);
  if (noHttp && rest.http !== undefined) throw new ConfigError("give --http or --no-http, not both");
  return {
    source: {
      values: { ...rest, ...(noHttp && { http: off }) },
      databases: database.map(parseDatabase),
      users: user.map(parseUser),
      trace,
    },
    file: config,
  };
}

type Flags = Partial<Record<Single | "config", string>> & {
  database?: string[];
  user?: string[];
  trace?: boolean;
  "no-http"?: boolean;
};

function parseFlags(args: readonly string[]): Flags {
  const string = { type: "string" } as const;
  const options = {
    ...(Object.fromEntries(single.map((name) => [name, string])) as Record<Single, typeof string>),
    database: { type: "string", multiple: true },
    user: { type: "string", multiple: true },
    trace: { type: "boolean" },
    "no-http": { type: "boolean" },
    config: string,
  } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    // The first sentence says what is wrong; the others speak of conventions that edgewire has no use for.
    const [what = ""] = (error as Error).message.split(/\. |\n/);
    throw new ConfigError(`${what.replace(/\.$/, "")}; see edgewire serve --help`);
  }
}

function readEnvironment(environment: Variables): Source {
  const values: Partial<Record<Single, string>> = {};
  for (const name of single) {
    const value = readVariable(environment, name);
    if (value !== undefined) values[name] = value;
  }
  return {
    values,
    databases: databaseVariable(environment),
    users: userVariable(environment),
    trace: undefined,
  };
}

function readFile(path: string): Source {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ConfigError(`the configuration ${path} cannot be read: ${(error as Error).message}`);
  }
  const config = record(content, path);
  const values: Partial<Record<Single, string>> = {};
  for (const [name, value] of Object.entries(config)) {
    if (name === "databases" || name === "users" || name === "trace") continue;
    if (!(single as readonly string[]).includes(name))
      throw new ConfigError(`${path}: unknown setting "${name}"`);
    if (typeof value !== "string" && typeof value !== "number" && !(name === "http" && value === false)) {
      throw new ConfigError(`${path}: "${name}" must be a string or a number`);
    }
    values[name as Single] = String(value);
  }
  const { trace } = config;
  if (trace !== undefined && typeof trace !== "boolean")
    throw new ConfigError(`${path}: "trace" must be true or false`);
  return {
    values,
    databases: strings(config.databases, `${path}: "databases"`).map(([n, url]) =>
      parseDatabase(`${n}=${url}`),
    ),
    users: strings(config.users, `${path}: "users"`),
    trace,
  };
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new ConfigError(`${what} must be a JSON object`);
}

function strings(value: unknown, what: string): [string, string][] {
  if (value === undefined) return [];
  return Object.entries(record(value, what)).map(([name, text]) => {
    if (typeof text !== "string") throw new ConfigError(`${what}: "${name}" must be a string`);
    return [name, text];
  });
}

/** The word for no HTTP, in the file and in EDGEWIRE_HTTP. */
const off = "off";

function parseHttp(text: string | undefined): ServeConfig["http"] {
  if (text === undefined) return { ...defaultHttp, asked: false };
  if (text === off || text === "false") return undefined;
  const address = parseAddress(text);
  if (address) return { ...address, asked: true };
  throw new ConfigError(`http is host:port, a port, or ${off}, not "${text}"`);
}

function tlsFiles(cert?: string, key?: string, ca?: string): ServeConfig["tls"] {
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new ConfigError(
      "TLS needs both a certificate and its key: give --tls-cert file and --tls-key file",
    );
  }
  return { cert, key, ca };
}
