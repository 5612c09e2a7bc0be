/**
 * client_encoding on a shared PGlite: it has no conversions, and ends when it is asked for one, with everybody's data in
 * it. So the SQL that would ask for one is replaced by SQL that raises the error which the client is to see.
 */
import { fatal, type PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";

const setsEncoding =
  /\bset\s+(?:session\s+|local\s+)?(?:client_encoding\s*(?:=|\bto\b)|names\b)\s*['"]?([\w-]+)|set_config\s*\(\s*'client_encoding'\s*,\s*'([^']*)'/gi;

/** Names of encodings that PostgreSQL converts; it refuses all others itself. */
const converted =
  /^(latin\d+|iso.?8859.*|win.*|koi8.*|alt|euc.*|shift.?jis.*|sjis|mskanji|big5|gbk|gb18030|uhc|johab|mule.?internal|tcvn.*|abc|vscii)$/i;

/** The encoding that a text asks for, if it is one that there is no conversion for. */
export function askedEncoding(text: string): string | undefined {
  if (!/client_encoding|\bnames\b/i.test(text)) return undefined;
  for (const [, set, config] of text.matchAll(setsEncoding)) {
    const encoding = set ?? config ?? "";
    if (converted.test(encoding)) return encoding;
  }
  return undefined;
}

const message = (encoding: string): string => `conversion between ${encoding} and UTF8 is not supported`;
const hint = "Use client_encoding UTF8.";

/** SQL that fails as the text itself should. */
export function refusingText(encoding: string): string {
  const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  return `DO $edgewire$ BEGIN RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = ${literal(message(encoding))}, HINT = ${literal(hint)}; END $edgewire$`;
}

/** The same for a startup packet; undefined: there is nothing to refuse. */
export function refusedEncoding(encoding: string): PgError | undefined {
  if (!converted.test(encoding.replaceAll("'", ""))) return undefined;
  return fatal(sqlstate.featureNotSupported, message(encoding), { hint });
}
