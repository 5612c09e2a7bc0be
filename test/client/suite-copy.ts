/** The suite's part on COPY. */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyIn, copyOut, execute, query, rows } from "../../src/client/mod.ts";
import type { Fixture } from "./fixture.ts";
import { collect, errorOf } from "./outcome.ts";

export function copySuite(fixture: Fixture): void {
  describe("COPY", () => {
    beforeAll(async () => {
      await query(fixture.connection, "CREATE TABLE c(a int, b text)");
    });

    afterAll(async () => {
      await query(fixture.connection, "DROP TABLE c");
    });

    async function contents(): Promise<unknown> {
      const [result] = await query(fixture.connection, "SELECT count(*), sum(a), min(b) FROM c; TRUNCATE c");
      return result?.rows[0];
    }

    test("in: text and bytes, cut anywhere", async () => {
      const tag = await copyIn(fixture.connection, "COPY c FROM STDIN", [
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
      expect(await copyIn(fixture.connection, "COPY c FROM STDIN", source())).toBe("COPY 100000");
      expect(await contents()).toEqual(["100000", "5000050000", "some text to make it longer"]);
    });

    test("in: nothing, and with other statements around it", async () => {
      expect(await copyIn(fixture.connection, "COPY c FROM STDIN", [])).toBe("COPY 0");
      expect(await copyIn(fixture.connection, "BEGIN; COPY c FROM STDIN; COMMIT", ["1\tx\n"])).toBe("COPY 1");
      expect(await contents()).toEqual(["1", "1", "x"]);
    });

    test("in: the server refuses it, or the data", async () => {
      expect(await errorOf(copyIn(fixture.connection, "COPY nosuch FROM STDIN", ["1\n"]))).toMatch(
        /^ERROR 42P01 /,
      );
      expect(await errorOf(copyIn(fixture.connection, "COPY c FROM STDIN", ["1\tx\nx\ty\n"]))).toMatch(
        /^ERROR 22P02 /,
      );
      expect(await contents()).toEqual(["0", null, null]);
      await fixture.works();
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
      expect(await errorOf(copyIn(fixture.connection, "COPY c FROM STDIN", stuck))).toMatch(
        /^ERROR 22P0[24] /,
      );
      expect(returned).toBe(true);
      await fixture.works();
    });

    test("in: the source throws", async () => {
      function* source() {
        yield "1\tx\n";
        throw new Error("no more\0");
      }
      await expect(copyIn(fixture.connection, "COPY c FROM STDIN", source())).rejects.toThrow("no more\0");
      expect(await contents()).toEqual(["0", null, null]);
      await fixture.works();
    });

    test("in: not a COPY FROM STDIN, or two of them", async () => {
      for (const sql of ["SELECT 1", "SET application_name = 'x'", "COPY c TO STDOUT", ""]) {
        expect(await errorOf(copyIn(fixture.connection, sql, ["1\tx\n"]))).toMatch(/^ERROR 42809 not a COPY/);
      }
      const twice = "COPY c FROM STDIN; COPY c FROM STDIN";
      expect(await errorOf(copyIn(fixture.connection, twice, ["1\tx\n"]))).toMatch(/^ERROR 42809 not a COPY/);
      expect(await contents()).toEqual(["0", null, null]);
      await fixture.works();
    });

    test("in: through query() and execute(), which have no data", async () => {
      expect(await errorOf(query(fixture.connection, "COPY c FROM STDIN"))).toBe(
        "ERROR 0A000 COPY FROM STDIN needs copyIn()",
      );
      await fixture.works();
      expect(await errorOf(execute(fixture.connection, { sql: "COPY c FROM STDIN" }))).toBe(
        "ERROR 0A000 COPY FROM STDIN needs copyIn()",
      );
      await fixture.works();
      expect(await errorOf(collect(rows(fixture.connection, { sql: "COPY c FROM STDIN" })))).toBe(
        "ERROR 0A000 COPY FROM STDIN needs copyIn()",
      );
      await fixture.works();
    });

    test("out: a row for each chunk, and the tag", async () => {
      const copy = copyOut(
        fixture.connection,
        "COPY (SELECT g, NULL FROM generate_series(1, 3) g) TO STDOUT",
      );
      const chunks: string[] = [];
      let next = await copy.next();
      for (; !next.done; next = await copy.next()) chunks.push(Buffer.from(next.value).toString());
      expect(chunks).toEqual(["1\t\\N\n", "2\t\\N\n", "3\t\\N\n"]);
      expect(next.value).toBe("COPY 3");
      await fixture.works();
    });

    test("out: in binary, with a slow reader", async () => {
      const copy = "COPY (SELECT g FROM generate_series(1, 50000) g) TO STDOUT (FORMAT binary)";
      let bytes = 0;
      let count = 0;
      for await (const chunk of copyOut(fixture.connection, copy)) {
        bytes += chunk.length;
        if (count++ % 10_000 === 0) await setTimeout(1);
      }
      // 19 bytes of header, 10 for each row, 2 of trailer.
      expect(bytes).toBe(19 + 50_000 * 10 + 2);
    });

    test("out: left before the end, an error midway, not a COPY", async () => {
      for await (const _ of copyOut(fixture.connection, "COPY (SELECT generate_series(1, 100000)) TO STDOUT"))
        break;
      await fixture.works();
      const failing = "COPY (SELECT 1 / (3 - g) FROM generate_series(1, 5) g) TO STDOUT";
      expect(await errorOf(collect(copyOut(fixture.connection, failing)))).toBe(
        "ERROR 22012 division by zero",
      );
      for (const sql of ["SELECT 1", "COPY c FROM STDIN"]) {
        expect(await errorOf(collect(copyOut(fixture.connection, sql)))).toMatch(/^ERROR (42809|0A000) /);
        await fixture.works();
      }
      expect(await errorOf(query(fixture.connection, "COPY (SELECT 1) TO STDOUT"))).toBe(
        "ERROR 0A000 COPY TO STDOUT needs copyOut()",
      );
      await fixture.works();
    });

    test("calls behind a COPY wait for it", async () => {
      const copy = copyIn(fixture.connection, "COPY c FROM STDIN", ["1\tx\n"]);
      const behind = query(fixture.connection, "SELECT count(*) FROM c");
      expect(await copy).toBe("COPY 1");
      expect((await behind)[0]?.rows).toEqual([["1"]]);
      await contents();
    });
  });
}
