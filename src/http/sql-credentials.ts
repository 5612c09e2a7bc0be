/** Who sends a request to /sql, and to which database: a connection string in a header, or HTTP's own Basic credentials. */
import type { ClientOptions } from "../client/mod.ts";
import { splitUrl } from "../client/url-parts.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText } from "../wire/utf8.ts";

export type Credentials = Pick<ClientOptions, "user" | "database" | "parameters"> & {
  readonly password: string | undefined;
};

/**
 * What a client's connection string says of its connection, which is none here: the host and what belongs to it, and
 * what drivers and Prisma keep for themselves. All others are startup parameters, as over the wire.
 */
const notForSessions: ReadonlySet<string> = new Set(
  (
    "host hostaddr port user password dbname passfile connect_timeout client_encoding " +
    "sslmode ssl sslnegotiation sslcert sslkey sslpassword sslrootcert sslcrl sslcrldir sslsni sslcompression " +
    "sslcertmode sslaccept sslidentity sslkeylogfile ssl_min_protocol_version ssl_max_protocol_version " +
    "channel_binding require_auth requirepeer gssencmode krbsrvname gsslib gssdelegation " +
    "min_protocol_version max_protocol_version target_session_attrs load_balance_hosts service servicefile " +
    "keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout " +
    "fallback_application_name pgbouncer connection_limit pool_timeout socket_timeout statement_cache_size schema"
  ).split(" "),
);

/** @throws PgError 08P01, 22023 */
export function readCredentials(header: (name: string) => string | null): Credentials {
  const text = header("neon-connection-string");
  const basic = readBasic(header("authorization"));
  if (text === null && !basic) {
    throw new PgError(
      sqlstate.protocolViolation,
      "the request says neither user nor database: send Neon-Connection-String: postgres://user:password@host/database",
    );
  }
  const parts = text === null ? undefined : splitUrl(text);
  const keys = parts?.parameters;
  const named = keys?.get("user") || parts?.user;
  const user = named || basic?.user;
  if (!user) {
    throw new PgError(
      sqlstate.invalidParameterValue,
      "the connection string names no user, nor does Authorization",
    );
  }
  const password =
    keys?.get("password") ||
    parts?.password ||
    (named && named !== basic?.user ? undefined : basic?.password);
  return {
    user,
    password: password || undefined,
    database: keys?.get("dbname") || parts?.database || user,
    parameters: Object.fromEntries([...(keys ?? [])].filter(([name]) => !notForSessions.has(name))),
  };
}

/** `Authorization: Basic` (RFC 7617), in UTF-8; undefined where there is none. */
function readBasic(text: string | null): { user: string; password: string } | undefined {
  const encoded = /^basic\s+(\S+)\s*$/i.exec(text ?? "")?.[1];
  if (encoded === undefined) return undefined;
  let pair: string;
  try {
    pair = decodeText(Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0)));
  } catch {
    throw new PgError(sqlstate.protocolViolation, "the Basic credentials are not base64 of UTF-8 text");
  }
  const colon = pair.indexOf(":");
  if (colon < 0) throw new PgError(sqlstate.protocolViolation, "the Basic credentials have no colon");
  return { user: pair.slice(0, colon), password: pair.slice(colon + 1) };
}
