/** What a client tells of itself and asks of the server, and how it is written in a URL (libpq's, 34.1.1.2). */
import type { AuthMethod } from "../auth/mod.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** libpq's sslmode, less `allow`. `verify-ca` and `verify-full` are for the stream's opener to check. */
export type SslMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

export type ChannelBinding = "disable" | "prefer" | "require";

export interface ClientOptions {
  readonly user: string;
  readonly password?: string | (() => string | Promise<string>) | undefined;
  /** Default: the user's name. */
  readonly database?: string | undefined;
  /** Further startup parameters: application_name, options, settings. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  /** Default `prefer`. */
  readonly sslMode?: SslMode | undefined;
  readonly channelBinding?: ChannelBinding | undefined;
  /** Authentication methods that are acceptable (libpq's require_auth); default: all. */
  readonly requireAuth?: readonly AuthMethod[] | undefined;
  /** Protocol version to ask for; default 3.2, and the server may answer with 3.0. */
  readonly protocol?: number | undefined;
  /** Milliseconds until the connection must be ready; default 10,000. */
  readonly connectTimeout?: number | undefined;
}

/** Where the server is. */
export interface ServerAddress {
  /** A host name or address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte (`sslnegotiation=direct`), as PostgreSQL 17 and later take it. */
  readonly directTls: boolean;
  /** File of the authorities that sign the server's certificate (`sslrootcert`). */
  readonly rootCertificate: string | undefined;
}

export interface ParsedUrl extends ServerAddress {
  readonly options: ClientOptions;
}

const sslModes: readonly string[] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

/** Parses `postgres://user:password@host:port/database?sslmode=…`. @throws PgError 22023 that says what is wrong */
export function parseUrl(text: string): ParsedUrl {
  let url: URL;
  try {
    url = new URL(text.replace(/^postgres(ql)?:/i, "postgres:"));
  } catch {
    throw invalid(`not a connection URL: "${text.replace(/:[^:@/]*@/, ":…@")}"`);
  }
  if (url.protocol !== "postgres:") throw invalid(`not a postgres:// URL: "${url.protocol}"`);
  const search = new Map(url.searchParams);
  const take = (name: string): string | undefined => {
    const value = search.get(name);
    search.delete(name);
    return value;
  };
  const user = decode(url.username) || take("user");
  if (!user) throw invalid("the connection URL names no user: postgres://user@host/database");
  const sslMode = take("sslmode") ?? "prefer";
  if (!sslModes.includes(sslMode)) throw invalid(`invalid sslmode value: "${sslMode}"`);
  const negotiation = take("sslnegotiation") ?? "postgres";
  const channelBinding = take("channel_binding") ?? "prefer";
  if (!["disable", "prefer", "require"].includes(channelBinding)) {
    throw invalid(`invalid channel_binding value: "${channelBinding}"`);
  }
  const password = decode(url.password) || take("password");
  const timeout = take("connect_timeout");
  return {
    host: take("host") ?? (decode(url.hostname).replaceAll(/[[\]]/g, "") || "127.0.0.1"),
    port: Number(take("port") ?? (url.port || "5432")),
    directTls: negotiation === "direct",
    rootCertificate: take("sslrootcert"),
    options: {
      user,
      database: decode(url.pathname.slice(1)) || take("dbname") || user,
      sslMode: sslMode as SslMode,
      channelBinding: channelBinding as ChannelBinding,
      ...(password && { password }),
      ...(timeout !== undefined && { connectTimeout: Number(timeout) * 1_000 }),
      // What is left are settings, application_name and options among them.
      parameters: Object.fromEntries(search),
    },
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`invalid percent-encoded token: "${text}"`);
  }
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.invalidParameterValue, message);
}
