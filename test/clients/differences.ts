/**
 * Checks that a database cannot pass, and why: such a failure is reported as skipped, by name and with the reason, if it is
 * the one that is told here. A check that passes counts as passed. docs/upstreams.md tells the same of each upstream.
 */

interface Difference {
  readonly targets: readonly string[];
  readonly because: string;
  /** `client: check`, and what is in the failure's detail. */
  readonly seen: Readonly<Record<string, string | RegExp>>;
}

const differences: readonly Difference[] = [
  {
    targets: ["embedded", "tls"],
    because: "PGlite has no conversions between encodings; edgewire refuses client_encoding LATIN1",
    seen: {
      "psql: the encoding from the environment: PGCLIENTENCODING": "",
      "psql: text converted for a LATIN1 client": "",
      "psycopg3: text converted for a LATIN1 client": "",
    },
  },
];

/** Why a check may fail so on a target; undefined: it may not. */
export function whyDifferent(
  client: string,
  check: string,
  target: string,
  detail: string,
): string | undefined {
  return differences.find(({ targets, seen }) => {
    if (!targets.includes(target)) return false;
    const expected = seen[`${client}: ${check}`];
    if (expected === undefined) return false;
    return typeof expected === "string" ? detail.includes(expected) : expected.test(detail);
  })?.because;
}
