/**
 * `edgewire query` prints what psql prints. The expected texts are psql's own (`psql -X -c`), of version 15, but for the
 * width of format characters, which is that of 16 and later.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { queryCommand } from "../../../adapters/node/cli-query.ts";
import { type Listener, listen } from "../../../adapters/node/listen.ts";
import { openPglite } from "../../../adapters/node/pglite.ts";
import { staticAuthSource, trustAuthSource } from "../../../src/auth/mod.ts";
import { sharedUpstream } from "../../../src/upstreams/mod.ts";

let listener: Listener;
let close: () => Promise<void>;

beforeAll(async () => {
  const upstream = sharedUpstream(await openPglite(undefined));
  listener = await listen({ auth: trustAuthSource(), upstream: () => upstream });
  close = async () => {
    await listener.close(1_000);
    await upstream.close?.();
  };
});

afterAll(() => close());

interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(...args: string[]): Promise<Printed> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await queryCommand(args, { log: (text) => out.push(text), error: (text) => err.push(text) });
  return { code, out: out.map((text) => `${text}\n`).join(""), err: err.map((text) => `${text}\n`).join("") };
}

const ask = (sql: string): Promise<Printed> =>
  run(`postgres://postgres@127.0.0.1:${listener.port}/postgres`, sql);

/** Standard output of a query that succeeds. */
async function table(sql: string): Promise<string[]> {
  const { code, out, err } = await ask(sql);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out.split("\n");
}

describe("tables", () => {
  test("headers in the middle, numbers to the right, NULL empty", async () => {
    expect(await table("SELECT null AS n, 1.5::numeric, true, 'a'::\"char\", 12::oid")).toEqual([
      " n | numeric | ?column? | char | oid ",
      "---+---------+----------+------+-----",
      "   |     1.5 | t        | a    |  12",
      "(1 row)",
      "",
      "",
    ]);
    expect(await table("VALUES (1,'a'),(22,'bb'),(333,null)")).toEqual([
      " column1 | column2 ",
      "---------+---------",
      "       1 | a",
      "      22 | bb",
      "     333 | ",
      "(3 rows)",
      "",
      "",
    ]);
  });

  test("cells and headers of several lines", async () => {
    expect(await table("SELECT 'a\nb' AS x, 2 AS y, 'p\nq\nr' AS z")).toEqual([
      " x | y | z ",
      "---+---+---",
      " a+| 2 | p+",
      " b |   | q+",
      "   |   | r",
      "(1 row)",
      "",
      "",
    ]);
    expect(await table('SELECT 1 AS "multi\nline", 2 AS b')).toEqual([
      " multi+| b ",
      " line  |   ",
      "-------+---",
      "     1 | 2",
      "(1 row)",
      "",
      "",
    ]);
    expect(await table("SELECT 1 AS a, 'line1\nl2' AS b UNION ALL SELECT 22222, 'x'")).toEqual([
      "   a   |   b   ",
      "-------+-------",
      "     1 | line1+",
      "       | l2",
      " 22222 | x",
      "(2 rows)",
      "",
      "",
    ]);
  });

  test("wide characters, combining ones, tabs and control characters", async () => {
    expect(await table(`SELECT '日本語' AS "表", 'ab' AS c UNION ALL SELECT 'é', 'longer text'`)).toEqual([
      "   表   |      c      ",
      "--------+-------------",
      " 日本語 | ab",
      " é      | longer text",
      "(2 rows)",
      "",
      "",
    ]);
    expect(await table(String.raw`SELECT E'tab\there' AS t, E'cr\rx' AS u, E'bell\x07' v`)).toEqual([
      "      t       |   u   |    v     ",
      "--------------+-------+----------",
      " tab     here | cr\\rx | bell\\x07",
      "(1 row)",
      "",
      "",
    ]);
    expect(
      await table("SELECT U&'\\0085' AS c1, 'a' || chr(769) AS c, chr(128512) AS emoji, 1 AS n"),
    ).toEqual([
      "   c1   | c | emoji | n ",
      "--------+---+-------+---",
      " \\u0085 | a\u0301 | 😀    | 1",
      "(1 row)",
      "",
      "",
    ]);
  });

  test("no rows, and no columns", async () => {
    expect(await table("SELECT 1 WHERE false")).toEqual([" ?column? ", "----------", "(0 rows)", "", ""]);
    expect(await table("SELECT FROM generate_series(1, 2)")).toEqual(["--", "(2 rows)", "", ""]);
  });

  test("several results, tags, RETURNING, and nothing", async () => {
    expect(
      await table(
        "SELECT 1; CREATE TEMP TABLE t(a int); INSERT INTO t VALUES (1) RETURNING a; INSERT INTO t VALUES (2); DROP TABLE t",
      ),
    ).toEqual([
      " ?column? ",
      "----------",
      "        1",
      "(1 row)",
      "",
      "CREATE TABLE",
      " a ",
      "---",
      " 1",
      "(1 row)",
      "",
      "INSERT 0 1",
      "INSERT 0 1",
      "DROP TABLE",
      "",
    ]);
    expect(await table("-- only a comment")).toEqual([""]);
  });
});

describe("errors", () => {
  test("after the results before them", async () => {
    expect(await ask("SELECT 1; SELECT 1/0; SELECT 2")).toEqual({
      code: 1,
      out: " ?column? \n----------\n        1\n(1 row)\n\n",
      err: "ERROR:  division by zero\n",
    });
  });

  test("with the line and a caret", async () => {
    expect((await ask("SELECT 1,\n  2,\n  bad")).err).toBe(
      'ERROR:  column "bad" does not exist\nLINE 3:   bad\n          ^\n',
    );
    expect((await ask("SELECT '日本', bad")).err).toBe(
      "ERROR:  column \"bad\" does not exist\nLINE 1: SELECT '日本', bad\n                       ^\n",
    );
  });

  test("in a long line, which is cut", async () => {
    const long = `SELECT repeat('x', 30), no_such_column, repeat('y', 40) FROM pg_class WHERE relname = 'something quite long here'`;
    expect((await ask(long)).err).toBe(
      'ERROR:  column "no_such_column" does not exist\n' +
        "LINE 1: SELECT repeat('x', 30), no_such_column, repeat('y', 40) FROM...\n" +
        "                                ^\n",
    );
    const later = `SELECT '${"x".repeat(50)}', '${"y".repeat(50)}', no_such_column, '${"z".repeat(50)}'`;
    expect((await ask(later)).err).toBe(
      'ERROR:  column "no_such_column" does not exist\n' +
        "LINE 1: ...yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy', no_such_co...\n" +
        "                                                             ^\n",
    );
  });

  test("with detail, hint, inner query and context", async () => {
    expect((await ask("DO $$ BEGIN RAISE 'oops' USING DETAIL = 'd', HINT = 'h'; END $$")).err).toBe(
      "ERROR:  oops\nDETAIL:  d\nHINT:  h\nCONTEXT:  PL/pgSQL function inline_code_block line 1 at RAISE\n",
    );
    expect((await ask("DO $$ BEGIN EXECUTE 'SELECT bogus FROM x'; END $$")).err).toBe(
      'ERROR:  relation "x" does not exist\n' +
        "LINE 1: SELECT bogus FROM x\n" +
        "                          ^\n" +
        "QUERY:  SELECT bogus FROM x\n" +
        "CONTEXT:  PL/pgSQL function inline_code_block line 1 at EXECUTE\n",
    );
  });

  test("notices", async () => {
    expect(await ask("DO $$ BEGIN RAISE NOTICE 'hello' USING DETAIL = 'd', HINT = 'h'; END $$")).toEqual({
      code: 0,
      out: "DO\n",
      err: "NOTICE:  hello\nDETAIL:  d\nHINT:  h\n",
    });
  });

  test("COPY has a word of its own", async () => {
    expect((await ask("COPY (SELECT 1) TO STDOUT")).err).toBe("ERROR:  COPY TO STDOUT needs copyOut()\n");
  });
});

describe("connecting", () => {
  test("fails", async () => {
    const { code, err } = await run("postgres://u@127.0.0.1:1/d", "SELECT 1");
    expect(code).toBe(1);
    expect(err).toMatch(/^FATAL: {2}connection to server at 127\.0\.0\.1:1 failed: .*ECONNREFUSED/);
  });

  test("with the password of PGPASSWORD", async () => {
    const upstream = { connect: () => ({ query: () => ({ type: "command", tag: "HELLO" }) as const }) };
    const secured = await listen({ auth: staticAuthSource({ u: "secret" }), upstream: () => upstream });
    const url = `postgres://u@127.0.0.1:${secured.port}/d`;
    const { PGPASSWORD } = process.env;
    try {
      delete process.env.PGPASSWORD;
      expect(await run(url, "x")).toEqual({ code: 1, out: "", err: "FATAL:  no password supplied\n" });
      process.env.PGPASSWORD = "secret";
      expect(await run(url, "x")).toEqual({ code: 0, out: "HELLO\n", err: "" });
    } finally {
      if (PGPASSWORD === undefined) delete process.env.PGPASSWORD;
      else process.env.PGPASSWORD = PGPASSWORD;
      await secured.close(100);
    }
  });

  test("arguments that are too few, too many, or no URL", async () => {
    await expect(run("postgres://u@h")).rejects.toThrow("usage: edgewire query <url>");
    await expect(run("postgres://u@h", "a", "b")).rejects.toThrow("usage: edgewire query <url>");
    await expect(run("nonsense", "a")).rejects.toThrow("not a connection URL");
  });
});
