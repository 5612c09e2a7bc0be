/**
 * Connection URLs (PostgreSQL documentation, 34.1.1.2 Connection URIs and 34.1.2 Parameter Key Words), read as libpq
 * reads them, not as a browser does: `postgresql://%2Ftmp/db`, `postgresql:///db?host=/tmp`, a `+` that is a plus.
 */
import type { AuthMethod } from "../auth/mod.ts";
import { PgError } from "../wire/error.ts";
import { protocol30, protocol32 } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { ChannelBinding, ClientOptions, SslMode, SslNegotiation } from "./options.ts";
import { type Parameters, splitUrl } from "./url-parts.ts";

/** Where the server is, and the files that TLS to it needs. */
export interface ServerAddress {
  /** A host name or address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** `sslrootcert`: file of the authorities that sign the server's certificate; default: those of the runtime. */
  readonly rootCertificate: string | undefined;
  /** `sslcert` and `sslkey`: files of the client's own certificate. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

export interface ParsedUrl extends ServerAddress {
  readonly options: ClientOptions;
}

/** What stands in for what a URL leaves out: libpq takes these from PGUSER, PGPASSWORD and the system's user. */
export interface UrlDefaults {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

const sslModes: readonly SslMode[] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
const sslNegotiations: readonly SslNegotiation[] = ["postgres", "direct"];
const channelBindings: readonly ChannelBinding[] = ["disable", "prefer", "require"];
const protocols: ReadonlyMap<string, number> = new Map([
  ["3.0", protocol30],
  ["3.2", protocol32],
  ["latest", protocol32],
]);

/** libpq's key words that mean something this client cannot do. As settings the server would not know them either. */
const unsupported: ReadonlySet<string> = new Set(
  (
    "hostaddr passfile requirepeer sslcompression sslpassword sslcertmode sslcrl sslcrldir sslkeylogfile " +
    "ssl_min_protocol_version ssl_max_protocol_version krbsrvname gsslib gssdelegation service servicefile " +
    "keepalives_idle keepalives_interval keepalives_count tcp_user_timeout scram_client_key scram_server_key " +
    "oauth_issuer oauth_client_id oauth_client_secret oauth_scope"
  ).split(" "),
);

/**
 * Parses `postgres://user:password@host:port/database?key=value&…`. Keys that are none of libpq's are settings of the
 * session, as in a StartupMessage.
 * @throws PgError 22023 that says what is wrong, 0A000 for what libpq can and this client cannot. No password is in it.
 */
export function parseUrl(text: string, defaults: UrlDefaults = {}): ParsedUrl {
  const parts = splitUrl(text);
  const keys = new Keys(parts.parameters);
  const host = keys.take("host") || parts.host || "127.0.0.1";
  if (host.includes(",")) throw notSupported("several hosts in one URL");
  const port = parsePort(keys.take("port") || parts.port || "5432");
  const user = keys.take("user") || parts.user || defaults.user;
  if (!user) throw invalid("the connection URL names no user: postgres://user@host/database");
  const database = keys.take("dbname") || parts.database || user;
  const password = keys.take("password") || parts.password || defaults.password;
  const rootCertificate = keys.take("sslrootcert");
  const tls = tlsOptions(keys, host, rootCertificate);
  const requireAuth = parseMethods(keys.take("require_auth"));
  const channelBinding = keys.oneOf("channel_binding", channelBindings) ?? "prefer";
  const connectTimeout = parseTimeout(keys.take("connect_timeout"));
  const protocol = parseProtocol("max_protocol_version", keys.take("max_protocol_version"));
  const minProtocol = parseProtocol("min_protocol_version", keys.take("min_protocol_version"));
  const certificate = keys.take("sslcert");
  const key = keys.take("sslkey");
  if ((certificate === undefined) !== (key === undefined)) {
    throw invalid("sslcert and sslkey are given together");
  }
  return {
    host,
    port,
    rootCertificate: rootCertificate === "system" ? undefined : rootCertificate,
    certificate,
    key,
    options: {
      user,
      database,
      channelBinding,
      ...tls,
      ...(password && { password }),
      ...(requireAuth && { requireAuth }),
      ...(connectTimeout !== undefined && { connectTimeout }),
      ...(protocol !== undefined && { protocol }),
      ...(minProtocol !== undefined && { minProtocol }),
      parameters: keys.settings(),
    },
  };
}

function tlsOptions(
  keys: Keys,
  host: string,
  rootCertificate: string | undefined,
): Pick<ClientOptions, "sslMode" | "sslNegotiation"> {
  // What the Java driver calls sslmode=require, and libpq understands.
  if (keys.take("ssl") === "true") keys.default("sslmode", "require");
  if (rootCertificate === "system") keys.default("sslmode", "verify-full");
  let sslMode = keys.oneOf("sslmode", sslModes) ?? "prefer";
  const sslNegotiation = keys.oneOf("sslnegotiation", sslNegotiations) ?? "postgres";
  if (rootCertificate === "system" && sslMode !== "verify-full") {
    throw invalid(`weak sslmode "${sslMode}" may not be used with sslrootcert=system (use "verify-full")`);
  }
  if (sslNegotiation === "direct" && (sslMode === "disable" || sslMode === "prefer")) {
    throw invalid(
      `weak sslmode "${sslMode}" may not be used with sslnegotiation=direct (use "require", "verify-ca", or "verify-full")`,
    );
  }
  // libpq: who names an authority wants it asked.
  if (rootCertificate !== undefined && sslMode === "require") sslMode = "verify-ca";
  // There is no TLS over a Unix socket, and libpq does not look at sslmode there.
  if (host.startsWith("/")) return { sslMode: "disable" };
  return { sslMode, ...(sslNegotiation === "direct" && { sslNegotiation }) };
}

/** The parameters of a URL, taken one by one; those that stay are settings. */
class Keys {
  readonly #values: Parameters;

  constructor(values: Parameters) {
    this.#values = values;
    for (const name of values.keys()) {
      if (unsupported.has(name)) throw notSupported(`"${name}" in a connection URL`);
    }
    // The values that ask for what is done anyway.
    this.#refuseUnless("keepalives", ["1"]);
    this.#refuseUnless("sslsni", ["1"]);
    this.#refuseUnless("load_balance_hosts", ["disable"]);
    this.#refuseUnless("gssencmode", ["disable", "prefer"]);
    this.#refuseUnless("target_session_attrs", ["any"]);
    this.#refuseUnless("replication", ["false", "off", "no", "0"]);
    this.#refuseUnless("client_encoding", ["utf8", "utf-8", "unicode", "auto"]);
    const fallback = this.take("fallback_application_name");
    if (fallback !== undefined) this.default("application_name", fallback);
  }

  take(name: string): string | undefined {
    const value = this.#values.get(name);
    this.#values.delete(name);
    return value;
  }

  default(name: string, value: string): void {
    if (!this.#values.has(name)) this.#values.set(name, value);
  }

  oneOf<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const value = this.take(name);
    if (value === undefined || (values as readonly string[]).includes(value))
      return value as Value | undefined;
    throw invalid(`invalid ${name} value: "${value}" (one of ${values.join(", ")})`);
  }

  /** What is left. */
  settings(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }

  #refuseUnless(name: string, harmless: readonly string[]): void {
    const value = this.take(name);
    if (value !== undefined && !harmless.includes(value.toLowerCase()))
      throw notSupported(`${name}=${value}`);
  }
}

function parsePort(text: string): number {
  if (!/^\d+$/.test(text)) throw invalid(`invalid integer value "${text}" for connection option "port"`);
  const port = Number(text);
  if (port < 1 || port > 65_535) throw invalid(`invalid port number: "${text}"`);
  return port;
}

/** Seconds; libpq takes 0 and negative numbers for no limit. */
function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\s*-?\d{1,9}\s*$/.test(text)) {
    throw invalid(`invalid integer value "${text}" for connection option "connect_timeout"`);
  }
  return Math.max(0, Number(text)) * 1_000;
}

function parseProtocol(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const version = protocols.get(text);
  if (version === undefined) throw invalid(`invalid ${name} value: "${text}"`);
  return version;
}

/** require_auth: names to allow, or, each with a `!`, to forbid. `none` is a server that asks for nothing. */
function parseMethods(text: string | undefined): AuthMethod[] | undefined {
  if (text === undefined || text === "") return undefined;
  const names = text.split(",").map((name) => name.trim());
  const forbidden = names.filter((name) => name.startsWith("!"));
  if (forbidden.length > 0 && forbidden.length < names.length) {
    throw invalid(`negative and positive require_auth methods cannot be mixed: "${text}"`);
  }
  const listed = names.flatMap((name) => {
    const methods = authMethods.get(name.replace(/^!/, ""));
    if (methods === undefined) throw invalid(`invalid require_auth value: "${name}"`);
    return methods;
  });
  if (forbidden.length === 0) return listed;
  return [...authMethods.values()].flat().filter((method) => !listed.includes(method));
}

const authMethods: ReadonlyMap<string, readonly AuthMethod[]> = new Map([
  ["password", ["password"]],
  ["md5", ["md5"]],
  ["scram-sha-256", ["scram-sha-256"]],
  // The client is not told whether its certificate was looked at.
  ["none", ["trust", "cert"]],
  ["gss", []],
  ["sspi", []],
  ["oauth", []],
] satisfies [string, AuthMethod[]][]);

function invalid(message: string): PgError {
  return new PgError(sqlstate.invalidParameterValue, message);
}

function notSupported(what: string): PgError {
  return new PgError(sqlstate.featureNotSupported, `${what} is not supported`);
}
