/**
 * Checks that the embedded PGlite cannot pass, and why: such a failure is reported as skipped, by name and with the
 * reason. One that passes counts as passed.
 */

const pglite: readonly string[] = ["embedded", "tls"];

const noConversions = "PGlite has no conversions between encodings; edgewire refuses client_encoding LATIN1";

const differences: readonly { readonly check: string; readonly because: string }[] = [
  {
    check: "psql: options from the environment: PGOPTIONS, PGAPPNAME, PGTZ, PGCLIENTENCODING",
    because: noConversions,
  },
  { check: "psql: text converted for a LATIN1 client", because: noConversions },
  { check: "psycopg3: text converted for a LATIN1 client", because: noConversions },
];

/** Why a check may fail on a target; undefined: it may not. */
export function whyDifferent(client: string, check: string, target: string): string | undefined {
  if (!pglite.includes(target)) return undefined;
  return differences.find((difference) => difference.check === `${client}: ${check}`)?.because;
}
