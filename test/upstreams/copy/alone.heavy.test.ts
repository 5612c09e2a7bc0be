// COPY over a session that has queries and nothing else: no transactions, no savepoints, no descriptions.
import type { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loadParser } from "../../../adapters/node/parser.ts";
import type { Call, Result, Statement } from "../../../src/session/mod.ts";
import type { Parser } from "../../../src/sql/mod.ts";
import { type CopySession, runCopy } from "../../../src/upstreams/copy/mod.ts";
import { PgError } from "../../../src/wire/mod.ts";
import { CopyOracle, told } from "../../copy/oracle.ts";

const setup = "create table t (a int primary key, b varchar(3) not null default 'x', c int check (c > 0))";

let oracle: CopyOracle;
let parser: Parser;
let session: CopySession;
const asked: string[] = [];
beforeAll(async () => {
  oracle = await CopyOracle.start(setup);
  parser = await loadParser();
  session = { inTransaction: false, query: (statement) => query(oracle.db, statement), batchBytes: 10_000 };
});
afterAll(() => oracle?.close());
beforeEach(async () => {
  await oracle.db.exec("truncate t; insert into t values (7)");
  asked.length = 0;
});

async function query(db: PGlite, { sql, parameters }: Statement): Promise<Result> {
  asked.push(sql);
  try {
    const { rows, fields, affectedRows } = await db.query<(string | null)[]>(sql, [...parameters], {
      rowMode: "array",
      parsers: new Proxy({}, { get: () => (text: string) => text, has: () => true }),
    });
    return fields.length > 0
      ? { type: "rows", columns: fields.map(({ name, dataTypeID }) => ({ name, typeOid: dataTypeID })), rows }
      : { type: "command", tag: `INSERT 0 ${affectedRows}` };
  } catch (cause) {
    const { code, message, detail } = cause as { code: string; message: string; detail?: string };
    throw new PgError(code, message, detail === undefined ? {} : { detail });
  }
}

const call = (): Call =>
  ({
    signal: new AbortController().signal,
    client: { parameters: new Map(), notice() {} },
  }) as unknown as Call;

async function copy(text: string, data: string): Promise<unknown> {
  const [statement] = parser.parse(text);
  if (!statement) throw new Error(text);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(data);
  }
  try {
    const result = await runCopy(session, statement, call());
    if (result.type !== "copyIn") throw new Error("no COPY FROM");
    return await result.receive(chunks());
  } catch (error) {
    if (error instanceof PgError) return told(error.fields);
    throw error;
  }
}

describe("without transactions", () => {
  test("a COPY is one INSERT", async () => {
    expect(await copy("copy t (a, b) from stdin", "1\tx\n2\ty\n")).toBe("COPY 2");
    expect(asked).toHaveLength(2);
    const { rows } = await oracle.db.query("select a, b from t order by a", [], { rowMode: "array" });
    expect(rows).toEqual([
      [1, "x"],
      [2, "y"],
      [7, "x"],
    ]);
  });

  test.each([
    ["copy t (a, b) from stdin", "1\tx\n2\ty\n7\tz\n8\tz\n"],
    ["copy t (a, b) from stdin", "1\tx\n2\ty\n3\tlong\n"],
    ["copy t (a, b) from stdin", "1\tx\n2\t\\N\n3\tx\n"],
    ["copy t (b, c, a) from stdin", "x\t1\t1\nx\t0\t2\nx\t1\t3\n"],
    ["copy t (a) from stdin", "1\n2x\n3\n"],
    ["copy t (a, b) from stdin", "1\tx\n2\n"],
    ["copy t (a, b) from stdin", "1\tx\nx\n"],
  ])("and its errors name their lines: %s %j", async (text, data) => {
    expect(await copy(text, data)).toEqual(await oracle.read(text, new TextEncoder().encode(data), "t"));
    const { rows } = await oracle.db.query("select a from t", [], { rowMode: "array" });
    expect(rows).toEqual([[7]]);
  });

  test("what does not fit into one is refused, and nothing of it done", async () => {
    const data = Array.from({ length: 5_000 }, (_, at) => `${at + 10}\n`).join("");
    expect(await copy("copy t (a) from stdin", data)).toMatchObject({ code: "54000" });
    const defaults = await copy("copy t (a, b) from stdin (default 'D')", "1\tD\n2\tx\n");
    expect(defaults).toMatchObject({ code: "54000" });
    const { rows } = await oracle.db.query("select a from t", [], { rowMode: "array" });
    expect(rows).toEqual([[7]]);
  });
});
