/**
 * Values of settings as PostgreSQL keeps and shows them, for the settings where a client can see the difference, and the
 * refusal of those that would have no effect (PostgreSQL documentation, 19.1.1 Parameter Names and Values).
 */
import { isName } from "../sql/names.ts";
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** @throws PgError 22023 for a value that PostgreSQL refuses, 0A000 for one that would have no effect here */
export function normalize(key: string, value: string): string {
  switch (key) {
    case "application_name":
      return cleanAscii(value);
    case "client_encoding":
      return clientEncoding(value);
    case "DateStyle":
      return dateStyle(value);
    case "IntervalStyle":
      return oneOf(key, value, intervalStyles);
    case "TimeZone":
      return timeZone(value);
    case "default_transaction_isolation":
      return oneOf(key, value, isolationLevels);
    case "idle_in_transaction_session_timeout":
    case "idle_session_timeout":
    case "lock_timeout":
    case "statement_timeout":
      return duration(key, value);
    case "check_function_bodies":
    case "default_transaction_deferrable":
    case "default_transaction_read_only":
    case "row_security":
      return boolean(key, value);
    case "standard_conforming_strings":
      if (boolean(key, value) === "on") return "on";
      throw unsupported("standard_conforming_strings cannot be turned off");
    case "transaction_deferrable":
    case "transaction_isolation":
    case "transaction_read_only":
      throw unsupported(`parameter "${key}" cannot be set in this database`, "Name the modes in BEGIN.");
    case "role":
      if (value === "none") return value;
      throw unsupported("roles are not supported by this database");
    default:
      return value;
  }
}

/** The list of a SET as one value: the names of a path are quoted where SQL would have them so. */
export function listValue(key: string, list: readonly string[]): string {
  return (key === "search_path" ? list.map(quotedName) : list).join(", ");
}

function quotedName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && isName(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function clientEncoding(value: string): string {
  // pgjdbc sends UTF8, asyncpg 'utf-8' with the quotes, libpq may send unicode.
  const encoding = value
    .replaceAll("'", "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "");
  if (encoding === "utf8" || encoding === "unicode") return "UTF8";
  throw unsupported(`conversion between ${value} and UTF8 is not supported`, "Use client_encoding UTF8.");
}

function dateStyle(value: string): string {
  let style = "ISO";
  let order = "MDY";
  for (const word of value.split(",").map((part) => part.trim().toLowerCase())) {
    if (word === "iso") style = "ISO";
    else if (word === "mdy" || word === "us" || word.startsWith("noneuro")) order = "MDY";
    else if (word === "dmy" || word.startsWith("euro")) order = "DMY";
    else if (word === "ymd") order = "YMD";
    else if (word === "sql" || word === "postgres" || word === "german") {
      // Cells come from the upstream in ISO form; pretending another style would be a wrong answer.
      throw unsupported(`DateStyle "${value}" is not supported`, "Use an ISO DateStyle.");
    } else throw invalid("DateStyle", value, { detail: `Unrecognized key word: "${word}".` });
  }
  return `${style}, ${order}`;
}

/** The server's pg_clean_ascii: what is not printable ASCII is spelled out byte by byte. */
function cleanAscii(value: string): string {
  if (/^[ -~]*$/.test(value)) return value;
  const spelled = (byte: number): string =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  return Array.from(new TextEncoder().encode(value), spelled).join("");
}

const intervalStyles = ["postgres", "postgres_verbose", "sql_standard", "iso_8601"];
const isolationLevels = ["serializable", "repeatable read", "read committed", "read uncommitted"];

function oneOf(key: string, value: string, values: readonly string[]): string {
  const word = value.toLowerCase();
  if (values.includes(word)) return word;
  throw invalid(key, value, { hint: `Available values: ${values.join(", ")}.` });
}

/** Names of the time zone database, as the runtime knows them, and offsets, whose rules PostgreSQL has of its own. */
function timeZone(value: string): string {
  if (/^[A-Za-z]/.test(value) && value.includes("/")) {
    try {
      return new Intl.DateTimeFormat("en", { timeZone: value }).resolvedOptions().timeZone && value;
    } catch {
      throw invalid("TimeZone", value);
    }
  }
  return value;
}

/** PostgreSQL takes any beginning of these words that is one word's only. */
const booleans = { true: "on", yes: "on", on: "on", 1: "on", false: "off", no: "off", off: "off", 0: "off" };

function boolean(key: string, value: string): string {
  const word = value.trim().toLowerCase();
  const found = Object.entries(booleans).filter(([name]) => word !== "" && name.startsWith(word));
  const [first] = found;
  if (first && (found.length === 1 || first[0] === word)) return first[1];
  throw new PgError(sqlstate.invalidParameterValue, `parameter "${key}" requires a Boolean value`);
}

/** Units of time, in milliseconds, the longest first. */
const units = { d: 86_400_000, h: 3_600_000, min: 60_000, s: 1_000, ms: 1, us: 0.001 } as const;

/** What PostgreSQL keeps times in: signed 32-bit milliseconds. */
const maxDuration = 0x7fffffff;

/** Milliseconds of a time setting (`5s`, `1 min`, `250`), or undefined where it is none. */
export function milliseconds(value: string): number | undefined {
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*$/.exec(value);
  if (!match) return undefined;
  return Math.round(Number(match[1]) * units[(match[2] ?? "ms") as keyof typeof units]);
}

/** Shown in the longest unit that it is a whole number of, as `1min` for 60000. */
function duration(key: string, value: string): string {
  const time = milliseconds(value);
  if (time === undefined) {
    const hint = 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".';
    throw invalid(key, value, /^\s*-?\d/.test(value) ? { hint } : {});
  }
  if (time < 0 || time > maxDuration) {
    throw new PgError(
      sqlstate.invalidParameterValue,
      `${time} ms is outside the valid range for parameter "${key}" (0 ms .. ${maxDuration} ms)`,
    );
  }
  if (time === 0) return "0";
  const [unit, length] = Object.entries(units).find(([, length]) => time % length === 0) ?? ["ms", 1];
  return `${time / length}${unit}`;
}

function invalid(key: string, value: string, fields: { detail?: string; hint?: string } = {}): PgError {
  return new PgError(
    sqlstate.invalidParameterValue,
    `invalid value for parameter "${key}": "${value}"`,
    fields,
  );
}

function unsupported(message: string, hint?: string): PgError {
  return new PgError(sqlstate.featureNotSupported, message, hint === undefined ? {} : { hint });
}
