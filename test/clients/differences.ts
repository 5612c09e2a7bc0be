/**
 * Checks that a database cannot pass, and why: such a failure is reported as skipped, by name and with the reason, if it is
 * the one that is told here. A check that passes counts as passed. docs/upstreams.md tells the same of each data API.
 */

interface Difference {
  readonly targets: readonly string[];
  readonly because: string;
  /** `client: check`, and what is in the failure's detail. */
  readonly seen: Readonly<Record<string, string | RegExp>>;
}

const latin1 = {
  "psql: the encoding from the environment: PGCLIENTENCODING": /LATIN1 (is|and UTF8 is) not supported/,
  "psql: text converted for a LATIN1 client": "the bytes of UTF-8, read as LATIN1",
  "psycopg3: text converted for a LATIN1 client": /LATIN1 (is|and UTF8 is) not supported/,
};

const rdsData = ["rds-data"];
const dataApis = ["neon", ...rdsData];

const differences: readonly Difference[] = [
  {
    targets: ["embedded", "tls"],
    because: "PGlite has no conversions between encodings; edgewire refuses client_encoding LATIN1",
    seen: latin1,
  },
  {
    targets: dataApis,
    because: "data APIs speak UTF-8; edgewire refuses client_encoding LATIN1",
    seen: latin1,
  },
  {
    targets: dataApis,
    because: "statements of Parse are the gateway's: neither EXECUTE nor pg_prepared_statements knows them",
    seen: {
      "psycopg3: pg_prepared_statements lists what the client has prepared": "prepared statements is []",
      "pgjdbc: pg_prepared_statements lists a server-side statement": "value is 0, expected 1",
      "libpq: EXECUTE of SQL runs a statement of the protocol":
        /prepared statement "same" does not exist|PREPARE and EXECUTE cannot be had/,
    },
  },
  {
    targets: dataApis,
    because: "the function call protocol, by which libpq reaches large objects, is a server's own",
    seen: {
      "psql: large objects: \\lo_import, \\lo_export, \\lo_list, \\lo_unlink":
        "the function call protocol is not supported by this database",
    },
  },
  {
    targets: dataApis,
    because: "rows of FETCH come as text, also those of a binary cursor",
    seen: { "libpq: a binary SQL cursor": "value is 0, expected 1" },
  },
  {
    targets: dataApis,
    because: "HTTP has no notices: those of a statement by itself are not heard",
    seen: { "psycopg3: the notice of a statement by itself": "value is []" },
  },
  {
    targets: rdsData,
    because: "the RDS Data API tells no notices",
    seen: {
      "psql: notices and warnings": "no NOTICE:  hello",
      "psycopg2: notices and warnings": "value is []",
      "psycopg3: notices and warnings": "value is []",
      "asyncpg: notices and warnings": "value is []",
      "pgjdbc: notices become warnings": "SQLWarning",
      "pgx: notices": "value is []",
      "lib/pq: notices": "value is []",
      "tokio-postgres: notices": "value is []",
      "libpq: notices and warnings": 'value is "WARNING 25P01',
    },
  },
  {
    targets: rdsData,
    because: "errors of the RDS Data API have no schema, table, column, constraint or place in the source",
    seen: {
      "psql: VERBOSITY verbose and \\errverbose show every field": "no ERROR:  22012: division by zero",
      "psycopg2: SQLSTATEs with their fields, and work after them": "fields is (None, None)",
      "psycopg3: SQLSTATEs with their fields, and work after them": "value is (None, None, None)",
      "asyncpg: SQLSTATEs with their fields, and work after them": "value is (None, None, 'Key",
      "pgjdbc: SQLSTATEs with their fields, and work after them": "NullPointerException",
      "pgx: SQLSTATEs with their fields, and work after them": 'value is []string{"", "", "", "Key',
      "lib/pq: SQLSTATEs with their fields, and work after them": 'value is []string{"", "", "Key',
      "tokio-postgres: SQLSTATEs with their fields, and work after them": "value is (None, None)",
      "libpq: every error field, and the caret of its position": "no source file",
    },
  },
  {
    targets: rdsData,
    because: "the RDS Data API tells neither the modifiers of types nor the tables of columns",
    seen: {
      "psql: \\gdesc of types with modifiers": 'output is "a|character varying\\nb|numeric\\n"',
      "psycopg2: simple queries, names, types and command tags": "type modifier is (65535, 65535)",
      "psycopg3: simple queries, names, types and command tags": "type modifier is (None, None)",
      "pgjdbc: queries, names, types and counts": "type modifier is [0, 0]",
      "pgjdbc: a result tells the table of its columns": "value is , expected ew_pgjdbc",
      "pgjdbc: scrollable and updatable result sets": "zero-length delimited identifier",
      "pgx: queries, names, types and command tags": "value is -1, expected 524294",
      "lib/pq: queries, names, types and counts": "value is []int64{65535",
      "tokio-postgres: describes a statement before it runs": "value is (None, None)",
      "libpq: simple queries, names, types and command tags": "value is -1, expected 524294",
    },
  },
  {
    targets: rdsData,
    because: "a row has 64 KB at the most in the RDS Data API",
    seen: {
      "psql: 100,000 rows and a value of 8 MB": "a row is too large for the RDS Data API",
      ...Object.fromEntries(
        ["psycopg2", "psycopg3", "asyncpg", "pgjdbc", "pgx", "lib/pq", "tokio-postgres", "libpq"].map(
          (client) => [
            `${client}: values of 1 MB and 8 MB`,
            /(row|statement) is too large for the RDS Data API/,
          ],
        ),
      ),
    },
  },
  {
    targets: rdsData,
    because:
      "the RDS Data API has no session: no temporary tables, PREPARE, WITH HOLD, roles, advisory locks, other DateStyles",
    seen: {
      ...Object.fromEntries(
        ["psycopg2", "psycopg3", "asyncpg", "pgjdbc", "pgx", "lib/pq", "tokio-postgres", "libpq"].map(
          (client) => [
            `${client}: a temporary table is gone with its connection`,
            "temporary objects cannot be had through the RDS Data API",
          ],
        ),
      ),
      "psycopg3: empty queries, and several statements with several results":
        "temporary objects cannot be had through the RDS Data API",
      "psql: a prepared statement of SQL, and \\bind where psql has it":
        "PREPARE and EXECUTE cannot be had through the RDS Data API",
      "psycopg2: two connections do not share settings or statements":
        "PREPARE and EXECUTE cannot be had through the RDS Data API",
      "libpq: two connections do not share settings or statements": 'value is "0A000", expected "26000"',
      "psycopg2: named cursors, forwards, scrolling and WITH HOLD": "cursors WITH HOLD cannot be had",
      "psycopg3: server-side cursors, forwards, scrolling, binary and WITH HOLD":
        "cursors WITH HOLD cannot be had",
      "psql: settings of one psql are not seen by another": "roles are not supported by this database",
      "psycopg2: ParameterStatus follows SET, RESET and ROLLBACK": 'DateStyle "German" is not supported',
    },
  },
  {
    targets: rdsData,
    because: "the RDS Data API tells of MOVE no count",
    seen: {
      "psql: SQL cursors: DECLARE, FETCH, MOVE, WITH HOLD, CLOSE": "MOVE 0",
      "libpq: an SQL cursor, described as a portal": 'value is "MOVE 0"',
    },
  },
  {
    targets: rdsData,
    because:
      "NOTIFY goes from client to client of the gateway; pg_notify() is the cluster's, whose listeners alone hear it",
    seen: {
      "psql: LISTEN and NOTIFY between two psqls": 'no with payload "again"',
      "psycopg2: LISTEN and NOTIFY": "expected [('ew_psycopg2_channel', 'first'), ",
      "psycopg3: LISTEN and NOTIFY": "expected [('ew_psycopg3_channel', 'first'), ",
      "asyncpg: LISTEN and NOTIFY": "expected ('ew_asyncpg_channel', 'first')",
      "pgjdbc: LISTEN and NOTIFY": "value is [first], expected [first, second]",
      "pgx: LISTEN and NOTIFY": "context deadline exceeded",
      "lib/pq: LISTEN and NOTIFY": "no notification",
      "tokio-postgres: LISTEN and NOTIFY": "deadline has elapsed",
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
