/**
 * URLs of Neon and its kin: `neon://user:password@host/database`, or `neon+http://…` for an endpoint without TLS. All is
 * as in `postgres://`, and parameters that are none of libpq's, nor of those below, are settings of the session.
 */
import { type ClientOptions, parseUrl, type UrlDefaults } from "../../client/mod.ts";
import { splitUrl } from "../../client/url-parts.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";

export interface ParsedNeonUrl {
  /** SQL over HTTP: `https://api.region.aws.neon.tech/sql`. `?endpoint=` gives another one. */
  readonly endpoint: string;
  /** The tunnel: `wss://host/v2`. `?ws_path=` gives another path. */
  readonly tunnel: string;
  /** For the header Neon-Connection-String. */
  readonly connectionString: string;
  /** For the tunnel, with the settings in the URL. */
  readonly client: ClientOptions;
  /** `?fetch=tunnel`: nothing goes by HTTP. Default `http`: what needs no session does. */
  readonly fetch: "http" | "tunnel";
  /** `?pool_size=`: connections through the tunnel at a time. Default 20. */
  readonly poolSize: number;
}

/**
 * Parses `neon://user:password@host/database?fetch=tunnel&pool_size=20&endpoint=…&ws_path=/v2&key=value…`.
 * @throws PgError 22023 that says what is wrong, 0A000 for what there is no way to have. No password is in it.
 */
export function parseNeonUrl(text: string, defaults: UrlDefaults = {}): ParsedNeonUrl {
  const scheme = /^neon(\+http)?:\/\//i.exec(text);
  if (!scheme) throw invalid("not a URL of Neon: it begins with neon:// or neon+http://");
  const secure = scheme[1] === undefined;
  const plain = `postgres://${text.slice(scheme[0].length)}`;
  const { host, port, rootCertificate, certificate, options } = parseUrl(plain, defaults);
  if (splitUrl(plain).host === "" && !splitUrl(plain).parameters.has("host")) {
    throw invalid("the URL names no host: neon://user:password@host/database");
  }
  if (host.startsWith("/")) throw notSupported("a Unix socket");
  if (rootCertificate !== undefined || certificate !== undefined) {
    throw notSupported("a certificate of one's own (sslrootcert, sslcert)");
  }
  const {
    endpoint,
    ws_path: path = "/v2",
    fetch = "http",
    pool_size: poolSize = "20",
    ...parameters
  } = options.parameters ?? {};
  if (!path.startsWith("/")) throw invalid(`ws_path begins with "/": "${path}"`);
  if (fetch !== "http" && fetch !== "tunnel") throw invalid(`fetch is "http" or "tunnel", not "${fetch}"`);
  if (!/^\d{1,6}$/.test(poolSize) || Number(poolSize) < 1) {
    throw invalid(`pool_size is a whole number from 1, not "${poolSize}"`);
  }
  const name = host.includes(":") ? `[${host}]` : host;
  const authority = `${name}${namesPort(plain) ? `:${port}` : ""}`;
  const [http, ws] = secure ? ["https", "wss"] : ["http", "ws"];
  if (!secure && options.sslMode !== "disable" && options.sslMode !== "prefer") {
    throw invalid(`sslmode "${options.sslMode}" needs neon://`);
  }
  // There is no TLS inside of the WebSocket to bind to, though Neon's console writes channel_binding=require.
  const client: ClientOptions = { ...options, channelBinding: "disable", parameters };
  return {
    endpoint: endpoint === undefined ? `${http}://${apiHost(authority)}/sql` : checked(endpoint),
    tunnel: `${ws}://${authority}${path}`,
    connectionString: connectionString(client, name),
    client,
    fetch,
    poolSize: Number(poolSize),
  };
}

/** As Neon's driver does it: the region's own name in the place of the endpoint's. Other hosts answer for themselves. */
function apiHost(authority: string): string {
  return /^[^.]+\..+\.neon\.tech(:|$)/i.test(authority) ? authority.replace(/^[^.]+\./, "api.") : authority;
}

/** The endpoint runs statements with the settings of the user and the database: all that it is told is who asks. */
function connectionString({ user, password, database, parameters }: ClientOptions, host: string): string {
  const login = [user, ...(typeof password === "string" ? [password] : [])].map(encodeURIComponent).join(":");
  // Which endpoint or branch is meant, where the host's name does not tell it.
  const options =
    parameters?.options === undefined ? "" : `?options=${encodeURIComponent(parameters.options)}`;
  return `postgres://${login}@${host}/${encodeURIComponent(database ?? user)}${options}`;
}

function checked(endpoint: string): string {
  let protocol: string | undefined;
  try {
    protocol = new URL(endpoint).protocol;
  } catch {}
  if (protocol === "https:" || protocol === "http:") return endpoint;
  throw invalid(`endpoint is a URL such as https://host/sql, not "${endpoint}"`);
}

/** Whether a URL names a port. */
function namesPort(url: string): boolean {
  const { port, parameters } = splitUrl(url);
  return port !== "" || (parameters.get("port") ?? "") !== "";
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.invalidParameterValue, message);
}

function notSupported(what: string): PgError {
  return new PgError(sqlstate.featureNotSupported, `${what} is not supported through Neon's proxy`);
}
