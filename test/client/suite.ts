/**
 * What the client half does with a PostgreSQL behind it, whichever way it is reached: over a session before PGlite, over
 * a socket to a real server, and through the wire upstream to either.
 */
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  type Connection,
  cancel,
  connect,
  copyIn,
  copyOut,
  type Events,
  execute,
  type OpenStream,
  openPortal,
  pipeline,
  prepare,
  query,
  rowCount,
  rows,
} from "../../src/client/mod.ts";
import type { ErrorFields } from "../../src/wire/mod.ts";
import { collect, errorOf, rejection } from "./outcome.ts";

export interface Target {
  readonly open: OpenStream;
  close(): Promise<void>;
}

const login = { user: "postgres", sslMode: "disable" } as const;

const int4 = 23;

export function clientSuite(start: () => Promise<Target>): void {
  let target: Target;
  let connection: Connection;

  async function another(events: Events = {}): Promise<Connection> {
    return connect(await target.open(), login, events);
  }

  /** The connection has come through: it is idle, and the next query is answered with its own answer. */
  async function works(): Promise<void> {
    const [result] = await query(connection, "SELECT 'still here'");
    expect(result?.rows).toEqual([["still here"]]);
    expect(connection).toMatchObject({ status: "I", idle: true, closed: false });
  }

  beforeAll(async () => {
    target = await start();
    connection = await another();
  });

  // One test's failure is not the next one's.
  afterEach(async () => {
    if (connection.closed || !connection.idle) {
      connection.destroy();
      connection = await another();
    } else if (connection.status !== "I") await query(connection, "ROLLBACK");
  });

  afterAll(async () => {
    connection?.close();
    await target?.close();
  });

  describe("simple query", () => {
    test("several statements in one text", async () => {
      const results = await query(
        connection,
        "CREATE TEMP TABLE s(a int); INSERT INTO s VALUES (1), (2); SELECT a, NULL AS n FROM s; DROP TABLE s",
      );
      expect(results.map(({ tag }) => tag)).toEqual(["CREATE TABLE", "INSERT 0 2", "SELECT 2", "DROP TABLE"]);
      expect(results[2]).toMatchObject({
        fields: [
          { name: "a", typeOid: int4, columnAttribute: 1, format: 0 },
          { name: "n", typeOid: 25, tableOid: 0 },
        ],
        rows: [
          ["1", null],
          ["2", null],
        ],
        suspended: false,
      });
      expect(results[1]).toMatchObject({ fields: [], rows: [] });
      expect(results.map(({ tag }) => rowCount(tag))).toEqual([undefined, 2, 2, undefined]);
    });

    test("empty texts", async () => {
      for (const sql of ["", ";;", "-- nothing", "/* nothing */"]) {
        expect(await query(connection, sql)).toEqual([{ fields: [], rows: [], tag: "", suspended: false }]);
      }
    });

    test("columns of one name, and with the names of Object's own properties", async () => {
      const [result] = await query(connection, 'SELECT 1 AS a, 2 AS a, 3 AS "__proto__", 4 AS "constructor"');
      expect(result?.fields.map(({ name }) => name)).toEqual(["a", "a", "__proto__", "constructor"]);
      expect(result?.rows).toEqual([["1", "2", "3", "4"]]);
    });

    test("an error, with all that PostgreSQL tells, after the results before it", async () => {
      const seen: string[] = [];
      const error = await rejection(
        query(connection, "SELECT 1; SELECT nosuch; SELECT 3", ({ tag }) => seen.push(tag)),
      );
      expect(error.fields).toMatchObject({
        severity: "ERROR",
        code: "42703",
        message: 'column "nosuch" does not exist',
        position: 18,
      });
      expect(seen).toEqual(["SELECT 1"]);
      await works();
    });

    test("text of every length, beyond ASCII too", async () => {
      const text = "päivää 日本語 😀 ".repeat(20_000);
      const [result] = await query(connection, `SELECT '${text}', length('${text}')`);
      expect(result?.rows[0]?.[0] === text).toBe(true);
      expect(result?.rows[0]?.[1]).toBe(String([...text].length));
    });

    test("100,000 rows", async () => {
      const [result] = await query(connection, "SELECT g FROM generate_series(1, 100000) g");
      expect(result?.rows.length).toBe(100_000);
      expect(result?.rows.at(-1)).toEqual(["100000"]);
    });

    test("the transaction's status", async () => {
      await query(connection, "BEGIN");
      expect(connection.status).toBe("T");
      expect(await errorOf(query(connection, "SELECT 1/0"))).toBe("ERROR 22012 division by zero");
      expect(connection.status).toBe("E");
      expect(await errorOf(query(connection, "SELECT 1"))).toMatch(/^ERROR 25P02 /);
      await query(connection, "ROLLBACK");
      await works();
    });
  });

  describe("extended query", () => {
    test("parameters as text, as bytes, and NULL", async () => {
      const result = await execute(connection, {
        sql: "SELECT $1::int + 1, $2::bytea, $3::text, $4::text",
        parameters: ["41", Uint8Array.of(0, 255, 1), null, "it's \\ $1"],
      });
      expect(result.rows).toEqual([["42", "\\x00ff01", null, "it's \\ $1"]]);
    });

    test("a type that the text does not tell", async () => {
      const { rows } = await execute(connection, {
        sql: "SELECT pg_typeof($1), pg_typeof($2::date), pg_typeof($3)",
        parameters: ["1", "2026-01-01", "x"],
        parameterTypes: [int4, 0, 1043],
      });
      expect(rows).toEqual([["integer", "date", "character varying"]]);
    });

    test("results in binary, all columns or one", async () => {
      const sql = "SELECT 258 AS a, 'x'::text AS b";
      const all = await execute(connection, { sql, resultFormats: [1] });
      expect(all.rows).toEqual([[Uint8Array.of(0, 0, 1, 2), Uint8Array.of(120)]]);
      expect(all.fields.map(({ format }) => format)).toEqual([1, 1]);
      const one = await execute(connection, { sql, resultFormats: [1, 0] });
      expect(one.rows).toEqual([[Uint8Array.of(0, 0, 1, 2), "x"]]);
    });

    test("a parameter of megabytes", async () => {
      const bytes = new Uint8Array(3_000_000).fill(7);
      const { rows } = await execute(connection, {
        sql: "SELECT length($1::bytea), md5($1)",
        parameters: [bytes],
      });
      expect(rows[0]?.[0]).toBe("3000000");
    });

    test.each([
      ["Parse", { sql: "SELEC" }, /^ERROR 42601 syntax error/],
      ["Bind", { sql: "SELECT $1::int", parameters: ["x"] }, /^ERROR 22P02 invalid input syntax/],
      ["Bind's count", { sql: "SELECT $1::int" }, /^ERROR 08P01 bind message supplies 0 parameters/],
      ["Execute", { sql: "SELECT 1/$1::int", parameters: ["0"] }, /^ERROR 22012 division by zero/],
    ])("an error in %s", async (_, statement, message) => {
      expect(await errorOf(execute(connection, statement))).toMatch(message);
      await works();
    });

    test("what cannot be written fails alone", async () => {
      const before = query(connection, "SELECT 'before'");
      const nul = execute(connection, { sql: "SELECT $1", parameters: ["x"], resultFormats: [] });
      const broken = execute(connection, { sql: "SELECT '\0'" });
      const after = query(connection, "SELECT 'after'");
      expect(await errorOf(broken)).toMatch(/^ERROR 22021 /);
      expect((await before)[0]?.rows).toEqual([["before"]]);
      expect((await nul).rows).toEqual([["x"]]);
      expect((await after)[0]?.rows).toEqual([["after"]]);
      await works();
    });

    test("an empty statement", async () => {
      expect(await execute(connection, { sql: "" })).toEqual({
        fields: [],
        rows: [],
        tag: "",
        suspended: false,
      });
    });
  });

  describe("pipelines", () => {
    test("calls made at once are answered in order", async () => {
      const results = await Promise.all(
        Array.from({ length: 200 }, (_, at) =>
          at % 2 === 0
            ? execute(connection, { sql: "SELECT $1::int", parameters: [String(at)] })
            : query(connection, `SELECT ${at}`).then(([first]) => first),
        ),
      );
      expect(results.map((result) => result?.rows[0]?.[0])).toEqual(
        Array.from({ length: 200 }, (_, at) => String(at)),
      );
    });

    test("one's error does not touch the others", async () => {
      const outcomes = await Promise.allSettled([
        execute(connection, { sql: "SELECT 1" }),
        execute(connection, { sql: "SELECT 1/0" }),
        query(connection, "nonsense"),
        execute(connection, { sql: "SELECT 4" }),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual([
        "fulfilled",
        "rejected",
        "rejected",
        "fulfilled",
      ]);
      await works();
    });

    test("statements of one pipeline: all or none", async () => {
      await query(connection, "CREATE TABLE p(a int primary key)");
      const insert = (a: number) => ({ sql: "INSERT INTO p VALUES ($1)", parameters: [String(a)] });
      const results = await pipeline(connection, [insert(1), insert(2), { sql: "SELECT count(*) FROM p" }]);
      expect(results.map(({ tag }) => tag)).toEqual(["INSERT 0 1", "INSERT 0 1", "SELECT 1"]);
      expect(await errorOf(pipeline(connection, [insert(3), insert(1), insert(4)]))).toMatch(/^ERROR 23505 /);
      const [count] = await query(connection, "SELECT count(*) FROM p; DROP TABLE p");
      expect(count?.rows).toEqual([["2"]]);
    });

    test("of no statement", async () => {
      expect(await pipeline(connection, [])).toEqual([]);
    });
  });

  describe("prepared statements", () => {
    test("described without being run, run many times, closed", async () => {
      const statement = await prepare(connection, "one", { sql: "SELECT $1::int * 2 AS double, $2::text" });
      expect(statement.parameterTypes).toEqual([int4, 25]);
      expect(statement.fields?.map(({ name, typeOid }) => [name, typeOid])).toEqual([
        ["double", int4],
        ["text", 25],
      ]);
      const runs = await Promise.all(["1", "2", "3"].map((a) => statement.execute([a, null])));
      expect(runs.map(({ rows }) => rows)).toEqual([[["2", null]], [["4", null]], [["6", null]]]);
      const binary = await statement.execute(["5", "x"], [1, 0]);
      expect(binary.rows).toEqual([[Uint8Array.of(0, 0, 0, 10), "x"]]);
      expect(await errorOf(statement.execute(["x", null]))).toMatch(/^ERROR 22P02 /);
      await statement.close();
      expect(await errorOf(statement.execute(["1", null]))).toBe(
        'ERROR 26000 prepared statement "one" does not exist',
      );
    });

    test("without columns, and with the name of another", async () => {
      const statement = await prepare(connection, "two", { sql: "SET application_name = 'x'" });
      expect(statement).toMatchObject({ fields: undefined, parameterTypes: [] });
      expect(await errorOf(prepare(connection, "two", { sql: "SELECT 1" }))).toBe(
        'ERROR 42P05 prepared statement "two" already exists',
      );
      await statement.close();
      await works();
    });
  });

  describe("portals", () => {
    const series = { sql: "SELECT g FROM generate_series(1, 7) g" };

    test("rows in batches", async () => {
      const batches = await collect(rows(connection, series, 3));
      expect(batches.map((batch) => batch.map(([g]) => g))).toEqual([
        ["1", "2", "3"],
        ["4", "5", "6"],
        ["7"],
      ]);
      expect(await collect(rows(connection, { sql: "SELECT 1 WHERE false" }))).toEqual([]);
      expect(await collect(rows(connection, { sql: "SET application_name = 'x'" }))).toEqual([]);
      await works();
    });

    test("left before the end", async () => {
      for await (const batch of rows(connection, { sql: "SELECT g FROM generate_series(1, 100000) g" }, 10)) {
        expect(batch.length).toBe(10);
        break;
      }
      await works();
    });

    test("other calls wait for it", async () => {
      const iteration = collect(rows(connection, series, 2));
      const behind = query(connection, "SELECT 'behind'");
      expect((await iteration).flat().length).toBe(7);
      expect((await behind)[0]?.rows).toEqual([["behind"]]);
    });

    test("an error at once, and one midway", async () => {
      expect(await errorOf(collect(rows(connection, { sql: "SELEC" })))).toMatch(/^ERROR 42601 /);
      const seen: unknown[] = [];
      const failing = async (): Promise<void> => {
        const sql = "SELECT 10 / (5 - g) FROM generate_series(1, 9) g";
        for await (const batch of rows(connection, { sql }, 2)) seen.push(batch);
      };
      expect(await errorOf(failing())).toBe("ERROR 22012 division by zero");
      expect(seen).toEqual([
        [["2"], ["3"]],
        [["5"], ["10"]],
      ]);
      await works();
    });

    test("an error that comes with Sync", async () => {
      await query(connection, "CREATE TABLE d(a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
      const inserting = { sql: "INSERT INTO d VALUES (1), (1) RETURNING a" };
      expect(await errorOf(collect(rows(connection, inserting)))).toMatch(/^ERROR 23505 /);
      await query(connection, "DROP TABLE d");
      await works();
    });

    test("a batch of no rows is none", async () => {
      for (const size of [0, -1, 1.5, 2 ** 31]) {
        expect(await errorOf(collect(rows(connection, series, size)))).toMatch(/^ERROR 22023 a batch has 1/);
      }
    });

    test("several, read by turns in a transaction", async () => {
      await query(connection, "BEGIN");
      const one = await openPortal(connection, "one", series);
      const two = await openPortal(connection, "two", { sql: "SELECT 'x' AS x", resultFormats: [1] });
      expect(two.fields.map(({ name, format }) => [name, format])).toEqual([["x", 1]]);
      expect(await one.fetch(2)).toMatchObject({ rows: [["1"], ["2"]], suspended: true, tag: "" });
      expect(await two.fetch(2)).toMatchObject({
        rows: [[Uint8Array.of(120)]],
        suspended: false,
        tag: "SELECT 1",
      });
      expect(await one.fetch(0)).toMatchObject({
        rows: [["3"], ["4"], ["5"], ["6"], ["7"]],
        suspended: false,
      });
      expect(await errorOf(openPortal(connection, "two", series))).toBe(
        'ERROR 42P03 cursor "two" already exists',
      );
      await query(connection, "ROLLBACK; BEGIN");
      const three = await openPortal(connection, "three", series);
      await three.close();
      expect(await errorOf(three.fetch(1))).toBe('ERROR 34000 portal "three" does not exist');
      await query(connection, "ROLLBACK");
      await works();
    });

    test("gone at once outside of a transaction", async () => {
      const portal = await openPortal(connection, "p", series);
      expect(await errorOf(portal.fetch(1))).toBe('ERROR 34000 portal "p" does not exist');
      await works();
    });
  });

  describe("COPY", () => {
    beforeAll(async () => {
      await query(connection, "CREATE TABLE c(a int, b text)");
    });

    afterAll(async () => {
      await query(connection, "DROP TABLE c");
    });

    async function contents(): Promise<unknown> {
      const [result] = await query(connection, "SELECT count(*), sum(a), min(b) FROM c; TRUNCATE c");
      return result?.rows[0];
    }

    test("in: text and bytes, cut anywhere", async () => {
      const tag = await copyIn(connection, "COPY c FROM STDIN", [
        "1\tx",
        "\n2",
        Buffer.from("\tpäivää\n"),
        "3\t",
      ]);
      expect(tag).toBe("COPY 3");
      expect(await contents()).toEqual(["3", "6", ""]);
    });

    test("in: from an asynchronous source, megabytes of it", async () => {
      async function* source() {
        for (let a = 1; a <= 100_000; a++) yield `${a}\tsome text to make it longer\n`;
      }
      expect(await copyIn(connection, "COPY c FROM STDIN", source())).toBe("COPY 100000");
      expect(await contents()).toEqual(["100000", "5000050000", "some text to make it longer"]);
    });

    test("in: nothing, and with other statements around it", async () => {
      expect(await copyIn(connection, "COPY c FROM STDIN", [])).toBe("COPY 0");
      expect(await copyIn(connection, "BEGIN; COPY c FROM STDIN; COMMIT", ["1\tx\n"])).toBe("COPY 1");
      expect(await contents()).toEqual(["1", "1", "x"]);
    });

    test("in: the server refuses it, or the data", async () => {
      expect(await errorOf(copyIn(connection, "COPY nosuch FROM STDIN", ["1\n"]))).toMatch(/^ERROR 42P01 /);
      expect(await errorOf(copyIn(connection, "COPY c FROM STDIN", ["1\tx\nx\ty\n"]))).toMatch(
        /^ERROR 22P02 /,
      );
      expect(await contents()).toEqual(["0", null, null]);
      await works();
    });

    test("in: an error does not wait for the source", async () => {
      let returned = false;
      const stuck: AsyncIterable<string> = {
        [Symbol.asyncIterator]: () => {
          let first = true;
          return {
            async next() {
              // More than is collected for one write, so that the server sees it.
              if (first) {
                first = false;
                return { done: false, value: "nonsense\n".repeat(10_000) };
              }
              return new Promise(() => {});
            },
            async return() {
              returned = true;
              return { done: true, value: undefined };
            },
          };
        },
      };
      expect(await errorOf(copyIn(connection, "COPY c FROM STDIN", stuck))).toMatch(/^ERROR 22P0[24] /);
      expect(returned).toBe(true);
      await works();
    });

    test("in: the source throws", async () => {
      function* source() {
        yield "1\tx\n";
        throw new Error("no more\0");
      }
      await expect(copyIn(connection, "COPY c FROM STDIN", source())).rejects.toThrow("no more\0");
      expect(await contents()).toEqual(["0", null, null]);
      await works();
    });

    test("in: not a COPY FROM STDIN, or two of them", async () => {
      for (const sql of ["SELECT 1", "SET application_name = 'x'", "COPY c TO STDOUT", ""]) {
        expect(await errorOf(copyIn(connection, sql, ["1\tx\n"]))).toMatch(/^ERROR 42809 not a COPY/);
      }
      const twice = "COPY c FROM STDIN; COPY c FROM STDIN";
      expect(await errorOf(copyIn(connection, twice, ["1\tx\n"]))).toMatch(/^ERROR 42809 not a COPY/);
      expect(await contents()).toEqual(["0", null, null]);
      await works();
    });

    test("in: through query() and execute(), which have no data", async () => {
      expect(await errorOf(query(connection, "COPY c FROM STDIN"))).toBe(
        "ERROR 0A000 COPY FROM STDIN needs copyIn()",
      );
      await works();
      expect(await errorOf(execute(connection, { sql: "COPY c FROM STDIN" }))).toBe(
        "ERROR 0A000 COPY FROM STDIN needs copyIn()",
      );
      await works();
      expect(await errorOf(collect(rows(connection, { sql: "COPY c FROM STDIN" })))).toBe(
        "ERROR 0A000 COPY FROM STDIN needs copyIn()",
      );
      await works();
    });

    test("out: a row for each chunk, and the tag", async () => {
      const copy = copyOut(connection, "COPY (SELECT g, NULL FROM generate_series(1, 3) g) TO STDOUT");
      const chunks: string[] = [];
      let next = await copy.next();
      for (; !next.done; next = await copy.next()) chunks.push(Buffer.from(next.value).toString());
      expect(chunks).toEqual(["1\t\\N\n", "2\t\\N\n", "3\t\\N\n"]);
      expect(next.value).toBe("COPY 3");
      await works();
    });

    test("out: in binary, with a slow reader", async () => {
      const copy = "COPY (SELECT g FROM generate_series(1, 50000) g) TO STDOUT (FORMAT binary)";
      let bytes = 0;
      let count = 0;
      for await (const chunk of copyOut(connection, copy)) {
        bytes += chunk.length;
        if (count++ % 10_000 === 0) await setTimeout(1);
      }
      // 19 bytes of header, 10 for each row, 2 of trailer.
      expect(bytes).toBe(19 + 50_000 * 10 + 2);
    });

    test("out: left before the end, an error midway, not a COPY", async () => {
      for await (const _ of copyOut(connection, "COPY (SELECT generate_series(1, 100000)) TO STDOUT")) break;
      await works();
      const failing = "COPY (SELECT 1 / (3 - g) FROM generate_series(1, 5) g) TO STDOUT";
      expect(await errorOf(collect(copyOut(connection, failing)))).toBe("ERROR 22012 division by zero");
      for (const sql of ["SELECT 1", "COPY c FROM STDIN"]) {
        expect(await errorOf(collect(copyOut(connection, sql)))).toMatch(/^ERROR (42809|0A000) /);
        await works();
      }
      expect(await errorOf(query(connection, "COPY (SELECT 1) TO STDOUT"))).toBe(
        "ERROR 0A000 COPY TO STDOUT needs copyOut()",
      );
      await works();
    });

    test("calls behind a COPY wait for it", async () => {
      const copy = copyIn(connection, "COPY c FROM STDIN", ["1\tx\n"]);
      const behind = query(connection, "SELECT count(*) FROM c");
      expect(await copy).toBe("COPY 1");
      expect((await behind)[0]?.rows).toEqual([["1"]]);
      await contents();
    });
  });

  describe("what comes unasked", () => {
    test("notices", async () => {
      const notices: ErrorFields[] = [];
      const other = await another({ onNotice: (fields) => notices.push(fields) });
      await query(other, "DO $$ BEGIN RAISE WARNING 'w' USING DETAIL = 'd', HINT = 'h'; END $$");
      other.close();
      expect(notices).toMatchObject([
        { severity: "WARNING", code: "01000", message: "w", detail: "d", hint: "h" },
      ]);
    });

    test("settings that change", async () => {
      const changes: string[] = [];
      const other = await another({ onParameter: (name, value) => changes.push(`${name}=${value}`) });
      expect(other.parameters.get("server_encoding")).toBe("UTF8");
      await query(other, "SET TimeZone = 'Asia/Tokyo'; SET application_name = 'me'");
      expect(changes).toEqual(expect.arrayContaining(["TimeZone=Asia/Tokyo", "application_name=me"]));
      expect(other.parameters.get("TimeZone")).toBe("Asia/Tokyo");
      other.close();
    });

    test("a client_encoding that is not ours", async () => {
      const other = await another();
      expect(await errorOf(query(other, "SET client_encoding = 'LATIN1'; SELECT 'x'"))).toMatch(
        /^FATAL 0A000 client_encoding/,
      );
    });

    test("settings of the start", async () => {
      const other = await connect(await target.open(), {
        ...login,
        parameters: {
          application_name: "named",
          options: "-c statement_timeout=7s",
          TimeZone: "Europe/Paris",
        },
      });
      const shown = await pipeline(other, [
        { sql: "SHOW application_name" },
        { sql: "SHOW statement_timeout" },
        { sql: "SHOW TimeZone" },
      ]);
      expect(shown.map(({ rows }) => rows[0]?.[0])).toEqual(["named", "7s", "Europe/Paris"]);
      other.close();
    });

    test("notifications, while idle and behind a statement", async () => {
      const heard: string[] = [];
      const arrived = Promise.withResolvers<void>();
      const listener = await another({
        onNotification: (channel, payload, processId) => {
          heard.push(`${channel} ${payload} ${processId > 0}`);
          if (heard.length === 3) arrived.resolve();
        },
      });
      await query(listener, 'LISTEN "a channel"');
      await query(connection, `NOTIFY "a channel", 'one'; SELECT pg_notify('a channel', 'two')`);
      await query(connection, "NOTIFY other");
      await query(listener, `NOTIFY "a channel", 'three'`);
      await arrived.promise;
      expect(heard).toEqual(["a channel one true", "a channel two true", "a channel three true"]);
      expect(listener.idle).toBe(true);
      listener.close();
    });
  });

  describe("cancel", () => {
    test("stops the running statement, and it alone", async () => {
      const running = query(connection, "SELECT pg_sleep(60)");
      running.catch(() => {});
      await setTimeout(200);
      await cancel(await target.open(), connection, { sslMode: "disable" });
      expect(await errorOf(running)).toBe("ERROR 57014 canceling statement due to user request");
      await works();
    });

    test("stops a COPY that streams", async () => {
      const copy = copyOut(connection, "COPY (SELECT generate_series(1, 100000000)) TO STDOUT");
      await copy.next();
      await cancel(await target.open(), connection, { sslMode: "disable" });
      expect(await errorOf(collect(copy))).toBe("ERROR 57014 canceling statement due to user request");
      await works();
    });

    test("with a wrong key is ignored", async () => {
      const { processId } = connection;
      const secretKey = new Uint8Array(connection.secretKey.length).fill(1);
      const running = query(connection, "SELECT pg_sleep(0.3)");
      await cancel(await target.open(), { processId, secretKey }, { sslMode: "disable" });
      await running;
      await works();
    });

    test("while idle changes nothing", async () => {
      await cancel(await target.open(), connection, { sslMode: "disable" });
      await setTimeout(20);
      await works();
    });
  });

  describe("the end", () => {
    test("closing fails what is under way, and what comes later", async () => {
      const closed: unknown[] = [];
      const other = await another({ onClose: (error) => closed.push(error) });
      const running = query(other, "SELECT pg_sleep(0.1)");
      const waiting = query(other, "SELECT 1");
      other.close();
      for (const call of [running, waiting, query(other, "SELECT 1")]) {
        expect(await errorOf(call)).toBe("ERROR 08003 the connection was closed");
      }
      expect(closed).toEqual([undefined]);
      expect(other.closed).toBe(true);
    });

    test("cutting it off leaves nothing behind", async () => {
      const other = await another();
      await query(other, "CREATE TABLE IF NOT EXISTS rolled_back(a int); TRUNCATE rolled_back");
      await query(other, "BEGIN; INSERT INTO rolled_back VALUES (1)");
      other.destroy();
      // TRUNCATE waits for whoever still has the table.
      await query(
        connection,
        "SET lock_timeout = '10s'; BEGIN; TRUNCATE rolled_back; ROLLBACK; RESET lock_timeout",
      );
      const [count] = await query(connection, "SELECT count(*) FROM rolled_back; DROP TABLE rolled_back");
      expect(count?.rows).toEqual([["0"]]);
    });
  });
}
