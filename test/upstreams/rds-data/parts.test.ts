// The parts of the upstream that need no database: its URL, parameters in texts, values and errors.
import { describe, expect, test } from "vitest";
import { loadParser } from "../../../adapters/node/parser.ts";
import { asSource } from "../../../src/upstreams/as-source.ts";
import { readError } from "../../../src/upstreams/rds-data/errors.ts";
import { parseRdsDataUrl } from "../../../src/upstreams/rds-data/mod.ts";
import { bindText, uncastParameters } from "../../../src/upstreams/rds-data/placeholders.ts";
import { planOf } from "../../../src/upstreams/rds-data/plan.ts";
import { cellReader, fieldOf, oidOfName } from "../../../src/upstreams/rds-data/values.ts";
import { namedParameters } from "./named-parameters.ts";

describe("the URL", () => {
  const cluster = "arn:aws:rds:eu-west-1:123456789012:cluster:books";
  const secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x";

  test("has ARNs, encoded or not", () => {
    const encoded = `rds-data://eu-west-1/${encodeURIComponent(cluster)}?secret=${encodeURIComponent(secret)}`;
    for (const url of [encoded, `rds-data://eu-west-1/${cluster}?secret=${secret}`]) {
      expect(parseRdsDataUrl(url)).toEqual({
        region: "eu-west-1",
        endpoint: "https://rds-data.eu-west-1.amazonaws.com",
        resourceArn: cluster,
        secretArn: secret,
        database: undefined,
      });
    }
    const more = parseRdsDataUrl(`${encoded}&database=a%20b&endpoint=http://127.0.0.1:80/`);
    expect([more.database, more.endpoint]).toEqual(["a b", "http://127.0.0.1:80"]);
  });

  test.each([
    ["rds-data:", /rds-data:\/\/region/],
    [`rds-data:///${cluster}?secret=x`, /region/],
    ["rds-data://eu-west-1/books?secret=x", /ARN/],
    [`rds-data://eu-west-1/${cluster}`, /secret/],
    [`rds-data://eu-west-1/${cluster}?secret=x&schema=y`, /unknown parameter/],
    [`rds-data://eu-west-1/${cluster}?secret=x&endpoint=y`, /endpoint/],
    ["rds-data://eu-west-1/%?secret=x", /URL-encoded/],
  ])("%s is refused", (url, message) => {
    expect(() => parseRdsDataUrl(url)).toThrow(message);
  });
});

describe("parameters in a text", () => {
  test("are named and cast; what only looks like one is not", () => {
    const text = `select $1, '$1 :a', "$1", $$ $1 $$, -- $1\n a[1:2], a[b:$2], x := $10, /* $3 */ y::int from t`;
    const { sql } = bindText(text, (number) => (number === 2 ? "int4" : undefined));
    expect(sql).toBe(
      `select :p1, '$1 :a', "$1", $$ $1 $$, -- $1\n a[1: 2], a[b: (:p2::int4)], x := :p10, /* $3 */ y::int from t`,
    );
    expect(namedParameters(sql).names).toEqual(["p1", "p2", "p10"]);
  });

  test("positions are those in the client's text", () => {
    const text = "select '😀', $1, a[b:c] + $2 from wrong";
    const bound = bindText(text, () => "pg_catalog.int8", { at: 0, before: "WITH q AS (", behind: ")" });
    const served = namedParameters(bound.sql).sql;
    for (const word of ["a[", "c]", "from", "wrong"]) {
      const characters = (of: string): number => [...of.slice(0, of.indexOf(word))].length + 1;
      expect([word, bound.position(characters(served))]).toEqual([word, characters(text)]);
    }
    expect(bound.position(3)).toBeUndefined();
  });

  test("a statement with a WITH of its own keeps it in front", () => {
    const wrap = (sql: string): string => bindText(sql, () => "int4", asSource(sql, "q AS", "TABLE q")).sql;
    expect(wrap("select $1")).toBe("WITH q AS (select (:p1::int4)\n) TABLE q");
    expect(wrap("with a (x) as (delete from t returning 1), b as (values ($1)) select $2 -- end")).toBe(
      "with a (x) as (delete from t returning 1), b as (values ((:p1::int4))) , q AS (select (:p2::int4) -- end\n) TABLE q",
    );
    expect(wrap("with recursive a as (select 1) (table a)")).toBe(
      "with recursive a as (select 1) , q AS ((table a)\n) TABLE q",
    );
  });

  test("those with a cast of the client's own need no other", () => {
    expect([...uncastParameters("select $1::int, $2, $1 :: text, $3::int + $3")]).toEqual([2, 3]);
  });
});

describe("plans", () => {
  test("tell what can be run twice", async () => {
    const parser = await loadParser();
    const repeatable = (sql: string): boolean => planOf(parser, sql).repeatable;
    expect(repeatable("select count(*), upper(a) from t where b in (select 1)")).toBe(true);
    expect(repeatable("values (1)")).toBe(true);
    expect(repeatable("select f(1)")).toBe(false);
    expect(repeatable("select own.upper('a')")).toBe(false);
    expect(repeatable("select nextval('s')")).toBe(false);
    expect(repeatable("select 1 from t for update")).toBe(false);
    expect(repeatable("with x as (delete from t returning 1) select * from x")).toBe(false);
    expect(repeatable("select 1 into t")).toBe(false);
    expect(repeatable("delete from t returning 1")).toBe(false);
    expect(planOf(parser, "select $1, a.*, b as $2").namedByCast).toEqual([]);
    expect(planOf(parser, "select $1, a.*, $2, $3 as x").namedByCast).toEqual([0, -2]);
  });
});

describe("values", () => {
  const read = (type: string, field: object): unknown => cellReader(oidOfName(type))(field);

  test.each([
    ["bool", { booleanValue: true }, "t"],
    ["bool", { isNull: true }, null],
    ["int8", { longValue: "9223372036854775807" }, "9223372036854775807"],
    ["serial", { longValue: 1 }, "1"],
    ["float4", { doubleValue: Math.fround(0.1) }, "0.1"],
    ["float8", { doubleValue: 1e21 }, "1e+21"],
    ["float8", { doubleValue: -0 }, "-0"],
    ["float8", { stringValue: "NaN" }, "NaN"],
    ["numeric", { stringValue: "1E-7" }, "0.0000001"],
    ["numeric", { stringValue: "-1.50E+3" }, "-1500"],
    ["bytea", { blobValue: "AAH/" }, "\\x0001ff"],
    ["timestamp", { stringValue: "2024-01-02 03:04:05.0" }, "2024-01-02 03:04:05"],
    ["timestamptz", { stringValue: "2024-01-02 03:04:05.500" }, "2024-01-02 03:04:05.5+00"],
    ["timestamptz", { stringValue: "odd" }, "odd+00"],
    ["mood", { stringValue: "sad" }, "sad"],
    ["_int4", { arrayValue: { longValues: [1, null, 3] } }, "{1,NULL,3}"],
    ["_bool", { arrayValue: { booleanValues: [true, false] } }, "{t,f}"],
    [
      "_text",
      { arrayValue: { stringValues: ["a b", "", "null", 'q"\\', "{"] } },
      '{"a b","","null","q\\"\\\\","{"}',
    ],
    [
      "_float8",
      { arrayValue: { arrayValues: [{ doubleValues: [1] }, { doubleValues: [2.5] }] } },
      "{{1},{2.5}}",
    ],
  ])("%s", (type, field, text) => {
    expect(read(type, field)).toBe(text);
  });

  test("of parameters", () => {
    expect(fieldOf("\\x0001ff", 17, 0)).toEqual({ blobValue: "AAH/" });
    expect(fieldOf("{1,2}", 1007, 0)).toEqual({ stringValue: "{1,2}" });
    expect(fieldOf(null, 23, 0)).toEqual({ isNull: true });
    expect(() => fieldOf(new Uint8Array(1), 99999, 1)).toThrow("$2");
  });
});

describe("errors", () => {
  const error = (name: string, message: string, status = 400): Record<string, unknown> => {
    const { refusal, error } = readError(status, `${name}:http://x`, JSON.stringify({ message }));
    const { code, message: text, detail, hint, position } = error.fields;
    return { refusal, code, message: text, detail, hint, position };
  };

  test("of the database", () => {
    expect(
      error(
        "DatabaseErrorException",
        'ERROR: column "a" does not exist\n  Hint: Try "b".\n  Position: 8; SQLState: 42703',
      ),
    ).toMatchObject({ code: "42703", message: 'column "a" does not exist', hint: 'Try "b".', position: 8 });
    expect(error("BadRequestException", 'ERROR: relation "x" does not exist\n  Position: 15')).toMatchObject({
      code: "42P01",
      position: 15,
    });
    expect(
      error(
        "DatabaseErrorException",
        "ERROR: duplicate key value; Detail: Key (a)=(; b) already exists.; SQLState: 23505",
      ),
    ).toMatchObject({ code: "23505", detail: "Key (a)=(; b) already exists." });
  });

  test("of the API", () => {
    expect(error("StatementTimeoutException", "x")).toMatchObject({ code: "57014", refusal: "other" });
    expect(error("DatabaseResumingException", "x")).toMatchObject({ code: "57P03", refusal: "resuming" });
    expect(error("TransactionNotFoundException", "Transaction x is not found", 404)).toMatchObject({
      code: "25P03",
      refusal: "transaction",
    });
    expect(
      error(
        "BadRequestException",
        "Transaction x is not found: Transaction has been aborted due to an error from a previous call",
      ),
    ).toMatchObject({ code: "25P02", refusal: "transaction" });
    expect(
      error("UnsupportedResultException", "The result contains the unsupported data type regtype."),
    ).toMatchObject({
      code: "0A000",
      refusal: "type",
    });
    expect(
      error("BadRequestException", "Database returned more than the allowed response size limit"),
    ).toMatchObject({
      code: "54000",
      refusal: "size",
    });
    expect(error("ForbiddenException", "no", 403)).toMatchObject({ code: "08001" });
    expect(error("HttpEndpointNotEnabledException", "no")).toMatchObject({ code: "08001" });
    expect(error("SomethingNew", "no", 500)).toMatchObject({ code: "58000", detail: "SomethingNew: no" });
  });
});
