/**
 * URLs of Supabase: `supabase://token@project-ref` is a project behind the Management API;
 * `supabase+http://host:port/path` and `supabase+https://` are a postgres-meta of one's own.
 */
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";

export interface ParsedSupabaseUrl {
  /** Where statements are posted: `https://api.supabase.com/v1/projects/{ref}/database/query`. */
  readonly endpoint: string;
  /** An access token of the Management API, or the key that stands before a postgres-meta. */
  readonly token: string | undefined;
  /** `?read_only=true`: by the Management API's own user that may only read. */
  readonly readOnly: boolean;
  /** `?max_request_mb=`: MiB that a request may have. Undefined: postgres-meta's 3. */
  readonly maxRequestBytes: number | undefined;
}

const management = "https://api.supabase.com";

/**
 * Parses `supabase://token@project-ref?endpoint=https://…&read_only=true` and `supabase+http://token@host:port/path`,
 * both with `max_request_mb=3`. The token may be missing, URL-encoded or not; `endpoint` is another address than Supabase's own.
 * @throws PgError 22023 that says what is wrong. No token is in it.
 */
export function parseSupabaseUrl(text: string): ParsedSupabaseUrl {
  const match = /^supabase(?:\+(https?))?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(
    text,
  );
  if (!match)
    throw invalid("a URL of Supabase is supabase://token@project-ref, or supabase+http://host:port");
  const [, scheme, user = "", host = "", path = "", query = ""] = match;
  // Some would write user:password, with the token as the password.
  const token = decoded(user.replace(/^[^:]*:/, "")) || undefined;
  const parameters = readParameters(query, scheme === undefined ? projectParameters : ownParameters);
  const megabytes = parameters.get("max_request_mb");
  if (megabytes !== undefined && !/^[1-9]\d{0,3}$/.test(megabytes)) {
    throw invalid(`max_request_mb is a whole number from 1, not "${megabytes}"`);
  }
  const maxRequestBytes = megabytes === undefined ? undefined : Number(megabytes) * 1024 * 1024;
  if (scheme !== undefined) {
    if (!isHost(host)) throw invalid(`the URL names no host such as 127.0.0.1:8080: "${host}"`);
    const folder = path.replace(/\/+$/, "");
    return {
      endpoint: `${scheme.toLowerCase()}://${host}${folder}/query`,
      token,
      readOnly: false,
      maxRequestBytes,
    };
  }
  if (!/^[a-z0-9-]+$/i.test(host) || (path !== "" && path !== "/")) {
    throw invalid(`the URL names no project: supabase://token@project-ref, not "${host}${path}"`);
  }
  const endpoint = parameters.get("endpoint") ?? management;
  if (!/^https?:\/\/[^/]/i.test(endpoint)) {
    throw invalid(`endpoint is a URL such as https://host, not "${endpoint}"`);
  }
  const readOnly = parameters.get("read_only") ?? "false";
  if (readOnly !== "true" && readOnly !== "false") {
    throw invalid(`read_only is "true" or "false", not "${readOnly}"`);
  }
  return {
    endpoint: `${endpoint.replace(/\/+$/, "")}/v1/projects/${host.toLowerCase()}/database/query`,
    token,
    readOnly: readOnly === "true",
    maxRequestBytes,
  };
}

const ownParameters: ReadonlySet<string> = new Set(["max_request_mb"]);
const projectParameters: ReadonlySet<string> = new Set(["endpoint", "read_only", ...ownParameters]);

function readParameters(query: string, known: ReadonlySet<string>): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split("&").filter((part) => part !== "")) {
    const [name = "", ...value] = part.split("=");
    if (!known.has(name)) {
      throw invalid(`unknown parameter "${name}": known here: ${[...known].join(", ")}`);
    }
    parameters.set(name, decoded(value.join("=")));
  }
  return parameters;
}

function isHost(host: string): boolean {
  return /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(:\d{1,5})?$/i.test(host);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("a part of the URL is not URL-encoded");
  }
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.invalidParameterValue, message);
}
