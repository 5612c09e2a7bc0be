/** Cuts a connection URL into its parts, as libpq's conninfo_uri_parse does (PostgreSQL documentation, 34.1.1.2). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText } from "../wire/utf8.ts";

export type Parameters = Map<string, string>;

/** All parts decoded; an absent one is empty. */
export interface UrlParts {
  readonly user: string;
  readonly password: string;
  readonly host: string;
  readonly port: string;
  readonly database: string;
  /** The last of each name. */
  readonly parameters: Parameters;
}

/** @throws PgError 22023. Nothing of the URL's text before the host is in it, which may be a password. */
export function splitUrl(text: string): UrlParts {
  const scheme = /^postgres(?:ql)?:\/\//i.exec(text)?.[0];
  if (scheme === undefined)
    throw invalid("not a connection URL: it begins with postgres:// or postgresql://");
  const [beforeQuery, query] = cut(text.slice(scheme.length), "?");
  // As in libpq, user and password end at the first @: one that is part of them is written %40.
  const slash = beforeQuery.indexOf("/");
  const authority = slash < 0 ? beforeQuery : beforeQuery.slice(0, slash);
  const at = authority.indexOf("@");
  const [user, password = ""] = cut(at < 0 ? "" : authority.slice(0, at), ":");
  const { host, port } = splitHost(authority.slice(at + 1));
  // Not shown: what looks like a host or a port is then the rest of a password.
  if (host.includes("@") || !/^\d*$/.test(decode(port, "the port"))) {
    throw invalid(
      'the connection URL has no valid port: write "/", "@", ":" and "?" in a password as %2F, %40, %3A and %3F',
    );
  }
  return {
    user: decode(user),
    password: decode(password, "the password"),
    host: decode(host),
    port: decode(port),
    database: slash < 0 ? "" : decode(beforeQuery.slice(slash + 1)),
    parameters: splitQuery(query ?? ""),
  };
}

function splitHost(text: string): { host: string; port: string } {
  if (!text.startsWith("[")) {
    const [host, port = ""] = cut(text, ":");
    return { host, port };
  }
  const close = text.indexOf("]");
  if (close < 0) throw invalid(`no matching "]" after an IPv6 address in the connection URL: "${text}"`);
  if (close === 1) throw invalid("the IPv6 address in the connection URL is empty");
  const rest = text.slice(close + 1);
  if (rest !== "" && !rest.startsWith(":")) {
    throw invalid(`unexpected "${rest}" after the IPv6 address in the connection URL`);
  }
  return { host: text.slice(1, close), port: rest.slice(1) };
}

function splitQuery(query: string): Parameters {
  const parameters: Parameters = new Map();
  if (query === "") return parameters;
  for (const pair of query.split("&")) {
    const [name, value] = cut(pair, "=");
    if (value === undefined) {
      const shown = pair.includes("@") ? "a parameter" : `the parameter "${pair}"`;
      throw invalid(`missing key/value separator "=" in ${shown} of the connection URL`);
    }
    if (value.includes("=")) {
      throw invalid(`extra key/value separator "=" in the parameter "${name}" of the connection URL`);
    }
    if (name === "") throw invalid("a parameter of the connection URL has no name");
    parameters.set(decode(name), decode(value, name === "password" ? "the password" : undefined));
  }
  return parameters;
}

/** The text before and behind the first separator; undefined behind it if there is none. */
function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

const encoder = new TextEncoder();

/** Only %xx: a `+` is itself. `secret` names a text that is not to be shown. */
function decode(text: string, secret?: string): string {
  if (!text.includes("%")) return text;
  const shown = secret ?? `"${text}"`;
  const bytes: number[] = [];
  for (const part of text.split(/(%.{0,2})/su)) {
    if (!part.startsWith("%")) bytes.push(...encoder.encode(part));
    else if (/^%[0-9a-f]{2}$/i.test(part)) bytes.push(Number.parseInt(part.slice(1), 16));
    else throw invalid(`invalid percent-encoded token in ${shown}`);
  }
  if (bytes.includes(0)) throw invalid(`forbidden value %00 in ${shown}`);
  try {
    return decodeText(Uint8Array.from(bytes));
  } catch {
    throw invalid(`${shown} in the connection URL is not UTF-8`);
  }
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.invalidParameterValue, message);
}
