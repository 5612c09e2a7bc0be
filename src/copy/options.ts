// The options of COPY and what PostgreSQL says where they make no sense, in the order in which it looks at them.

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { encodingKind } from "./encodings.ts";
import {
  booleanValue,
  columnsValue,
  headerValue,
  invalid,
  limitValue,
  stringValue,
  syntax,
  wordValue,
} from "./option-values.ts";
import type { CopyOption } from "./statement.ts";

export type CopyFormatName = "text" | "csv" | "binary";

export interface CopyOptions {
  readonly format: CopyFormatName;
  /** One ASCII character. */
  readonly delimiter: string;
  /** What stands for NULL. */
  readonly null: string;
  /** What stands for the column's default, FROM only. */
  readonly default?: string | undefined;
  readonly header: boolean | "match";
  /** One ASCII character each; CSV only. */
  readonly quote: string;
  readonly escape: string;
  /** TO only. */
  readonly forceQuote: readonly string[] | "*";
  /** FROM only. */
  readonly forceNotNull: readonly string[] | "*";
  readonly forceNull: readonly string[] | "*";
  readonly freeze: boolean;
  /** Rows with values that are none of their types are passed over. */
  readonly onError: "stop" | "ignore";
  /** So many of them at the most. */
  readonly rejectLimit?: number | undefined;
  readonly logVerbosity: "silent" | "default" | "verbose";
}

type Given = { -readonly [Name in keyof CopyOptions]?: CopyOptions[Name] | undefined };

/**
 * @throws PgError as PostgreSQL 18 would: 42601, 22023, 0A000; also 0A000 for another encoding than UTF8
 */
export function readOptions(options: readonly CopyOption[], direction: "from" | "to"): CopyOptions {
  const given: Given = {};
  const seen = new Set<string>();
  for (const option of options) {
    const read = readers[option.name];
    if (!read) throw syntax(`option "${option.name}" not recognized`, option.position);
    if (seen.has(option.name)) throw syntax("conflicting or redundant options", option.position);
    seen.add(option.name);
    read(given, option, direction === "from");
  }
  const format = given.format ?? "text";
  if (format === "binary") refuseInBinary(given);
  const quote = given.quote ?? '"';
  const complete: CopyOptions = {
    format,
    delimiter: given.delimiter ?? (format === "csv" ? "," : "\t"),
    null: given.null ?? (format === "csv" ? "" : "\\N"),
    default: given.default,
    header: given.header ?? false,
    quote,
    escape: given.escape ?? quote,
    forceQuote: given.forceQuote ?? [],
    forceNotNull: given.forceNotNull ?? [],
    forceNull: given.forceNull ?? [],
    freeze: given.freeze ?? false,
    onError: given.onError ?? "stop",
    rejectLimit: given.rejectLimit,
    logVerbosity: given.logVerbosity ?? "default",
  };
  check(complete, given, direction === "from");
  return complete;
}

type Reader = (given: Given, option: CopyOption, from: boolean) => void;

const readers: Readonly<Record<string, Reader>> = {
  format(given, option) {
    const text = stringValue(option);
    if (text !== "text" && text !== "csv" && text !== "binary") {
      throw invalid(`COPY format "${text}" not recognized`, option.position);
    }
    given.format = text;
  },
  freeze(given, option) {
    given.freeze = booleanValue(option);
  },
  delimiter(given, option) {
    given.delimiter = stringValue(option);
  },
  null(given, option) {
    given.null = stringValue(option);
  },
  default(given, option) {
    given.default = stringValue(option);
  },
  header(given, option, from) {
    given.header = headerValue(option, from);
  },
  quote(given, option) {
    given.quote = stringValue(option);
  },
  escape(given, option) {
    given.escape = stringValue(option);
  },
  force_quote(given, option) {
    given.forceQuote = columnsValue(option);
  },
  force_not_null(given, option) {
    given.forceNotNull = columnsValue(option);
  },
  force_null(given, option) {
    given.forceNull = columnsValue(option);
  },
  encoding(_given, option) {
    const name = stringValue(option);
    const kind = encodingKind(name);
    if (kind === "utf8") return;
    if (kind === "unknown") {
      throw invalid('argument to option "encoding" must be a valid encoding name', option.position);
    }
    throw new PgError(sqlstate.featureNotSupported, `conversion between ${name} and UTF8 is not supported`, {
      hint: "Use ENCODING 'UTF8'.",
      position: option.position,
    });
  },
  on_error(given, option, from) {
    stringValue(option);
    if (!from) throw invalid("COPY ON_ERROR cannot be used with COPY TO", option.position);
    given.onError = wordValue(option, ["stop", "ignore"] as const);
  },
  log_verbosity(given, option) {
    given.logVerbosity = wordValue(option, ["silent", "default", "verbose"] as const);
  },
  reject_limit(given, option) {
    given.rejectLimit = limitValue(option);
  },
};

function refuseInBinary(given: Given): void {
  const named: readonly (readonly [string | undefined, string])[] = [
    [given.delimiter, "DELIMITER"],
    [given.null, "NULL"],
    [given.default, "DEFAULT"],
  ];
  for (const [value, name] of named) {
    if (value !== undefined) throw syntax(`cannot specify ${name} in BINARY mode`);
  }
}

/** Letters and digits have, or may have one day, a meaning behind a backslash. */
const unsafeDelimiters = "\\.abcdefghijklmnopqrstuvwxyz0123456789";

function check(options: CopyOptions, given: Given, from: boolean): void {
  const { delimiter, quote, header } = options;
  const csv = options.format === "csv";
  if (!isOneByte(delimiter)) throw unsupported("COPY delimiter must be a single one-byte character");
  if (breaksLine(delimiter)) throw invalid("COPY delimiter cannot be newline or carriage return");
  if (breaksLine(options.null)) {
    throw invalid("COPY null representation cannot use newline or carriage return");
  }
  if (options.default !== undefined && breaksLine(options.default)) {
    throw invalid("COPY default representation cannot use newline or carriage return");
  }
  if (!csv && unsafeDelimiters.includes(delimiter)) throw invalid(`COPY delimiter cannot be "${delimiter}"`);
  if (options.format === "binary" && header !== false) {
    throw unsupported("cannot specify HEADER in BINARY mode");
  }
  if (!csv && given.quote !== undefined) throw unsupported("COPY QUOTE requires CSV mode");
  if (csv && !isOneByte(quote)) throw unsupported("COPY quote must be a single one-byte character");
  if (csv && delimiter === quote) throw invalid("COPY delimiter and quote must be different");
  if (!csv && given.escape !== undefined) throw unsupported("COPY ESCAPE requires CSV mode");
  if (csv && !isOneByte(options.escape)) throw unsupported("COPY escape must be a single one-byte character");
  checkColumns("FORCE_QUOTE", given.forceQuote, csv, !from, "COPY FROM");
  checkColumns("FORCE_NOT_NULL", given.forceNotNull, csv, from, "COPY TO");
  checkColumns("FORCE_NULL", given.forceNull, csv, from, "COPY TO");
  checkMarker("NULL", options.null, options, csv);
  if (options.freeze && !from) throw invalid("COPY FREEZE cannot be used with COPY TO");
  checkDefault(options, csv, from);
  if (options.format === "binary" && options.onError === "ignore") {
    throw syntax("only ON_ERROR STOP is allowed in BINARY mode");
  }
  if (options.rejectLimit !== undefined && options.onError !== "ignore") {
    throw invalid("COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE");
  }
}

function checkColumns(
  name: string,
  columns: readonly string[] | "*" | undefined,
  csv: boolean,
  allowed: boolean,
  where: string,
): void {
  if (columns === undefined) return;
  if (!csv) throw unsupported(`COPY ${name} requires CSV mode`);
  if (allowed) return;
  const message = `COPY ${name} cannot be used with ${where}`;
  throw name === "FORCE_QUOTE" ? unsupported(message) : invalid(message);
}

function checkMarker(name: string, marker: string, { delimiter, quote }: CopyOptions, csv: boolean): void {
  const refuse = name === "DEFAULT" ? unsupported : invalid;
  if (marker.includes(delimiter)) {
    throw refuse(`COPY delimiter character must not appear in the ${name} specification`);
  }
  if (csv && marker.includes(quote)) {
    throw refuse(`CSV quote character must not appear in the ${name} specification`);
  }
}

function checkDefault(options: CopyOptions, csv: boolean, from: boolean): void {
  if (options.default === undefined) return;
  if (!from) throw unsupported("COPY DEFAULT cannot be used with COPY TO");
  checkMarker("DEFAULT", options.default, options, csv);
  if (options.default === options.null) {
    throw unsupported("NULL specification and DEFAULT specification cannot be the same");
  }
}

function isOneByte(text: string): boolean {
  return text.length === 1 && text.charCodeAt(0) < 0x80;
}

function breaksLine(text: string): boolean {
  return /[\r\n]/.test(text);
}

function unsupported(message: string): PgError {
  return new PgError(sqlstate.featureNotSupported, message);
}
