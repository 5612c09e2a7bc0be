/** The suite's part on portals. */
import { describe, expect, test } from "vitest";
import { openPortal, query, rows } from "../../src/client/mod.ts";
import type { Fixture } from "./fixture.ts";
import { collect, errorOf } from "./outcome.ts";

export function portalSuite(fixture: Fixture): void {
  describe("portals", () => {
    const series = { sql: "SELECT g FROM generate_series(1, 7) g" };

    test("rows in batches", async () => {
      const batches = await collect(rows(fixture.connection, series, 3));
      expect(batches.map((batch) => batch.map(([g]) => g))).toEqual([
        ["1", "2", "3"],
        ["4", "5", "6"],
        ["7"],
      ]);
      expect(await collect(rows(fixture.connection, { sql: "SELECT 1 WHERE false" }))).toEqual([]);
      expect(await collect(rows(fixture.connection, { sql: "SET application_name = 'x'" }))).toEqual([]);
      await fixture.works();
    });

    test("left before the end", async () => {
      for await (const batch of rows(
        fixture.connection,
        { sql: "SELECT g FROM generate_series(1, 100000) g" },
        10,
      )) {
        expect(batch.length).toBe(10);
        break;
      }
      await fixture.works();
    });

    test("other calls wait for it", async () => {
      const iteration = collect(rows(fixture.connection, series, 2));
      const behind = query(fixture.connection, "SELECT 'behind'");
      expect((await iteration).flat().length).toBe(7);
      expect((await behind)[0]?.rows).toEqual([["behind"]]);
    });

    test("an error at once, and one midway", async () => {
      expect(await errorOf(collect(rows(fixture.connection, { sql: "SELEC" })))).toMatch(/^ERROR 42601 /);
      const seen: unknown[] = [];
      const failing = async (): Promise<void> => {
        const sql = "SELECT 10 / (5 - g) FROM generate_series(1, 9) g";
        for await (const batch of rows(fixture.connection, { sql }, 2)) seen.push(batch);
      };
      expect(await errorOf(failing())).toBe("ERROR 22012 division by zero");
      expect(seen).toEqual([
        [["2"], ["3"]],
        [["5"], ["10"]],
      ]);
      await fixture.works();
    });

    test("an error that comes with Sync", async () => {
      await query(fixture.connection, "CREATE TABLE d(a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
      const inserting = { sql: "INSERT INTO d VALUES (1), (1) RETURNING a" };
      expect(await errorOf(collect(rows(fixture.connection, inserting)))).toMatch(/^ERROR 23505 /);
      await query(fixture.connection, "DROP TABLE d");
      await fixture.works();
    });

    test("a batch of no rows is none", async () => {
      for (const size of [0, -1, 1.5, 2 ** 31]) {
        expect(await errorOf(collect(rows(fixture.connection, series, size)))).toMatch(
          /^ERROR 22023 a batch has 1/,
        );
      }
    });

    test("several, read by turns in a transaction", async () => {
      await query(fixture.connection, "BEGIN");
      const one = await openPortal(fixture.connection, "one", series);
      const two = await openPortal(fixture.connection, "two", { sql: "SELECT 'x' AS x", resultFormats: [1] });
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
      expect(await errorOf(openPortal(fixture.connection, "two", series))).toBe(
        'ERROR 42P03 cursor "two" already exists',
      );
      await query(fixture.connection, "ROLLBACK; BEGIN");
      const three = await openPortal(fixture.connection, "three", series);
      await three.close();
      expect(await errorOf(three.fetch(1))).toBe('ERROR 34000 portal "three" does not exist');
      await query(fixture.connection, "ROLLBACK");
      await fixture.works();
    });

    test("gone at once outside of a transaction", async () => {
      const portal = await openPortal(fixture.connection, "p", series);
      expect(await errorOf(portal.fetch(1))).toBe('ERROR 34000 portal "p" does not exist');
      await fixture.works();
    });
  });
}
