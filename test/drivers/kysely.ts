/** Kysely: kysely-neon over HTTP, and its own PostgreSQL dialect with the Pool of Neon's driver. */
import { neon, Pool } from "@neondatabase/serverless";
import { Kysely, PostgresDialect, type PostgresPool, sql } from "kysely";
import { NeonDialect } from "kysely-neon";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectionString } from "./neon.ts";

interface Database {
  by_kysely: { id: number; name: string | null };
}

/** Call it inside of `describe`. */
export function kyselySuite(): void {
  describe("kysely-neon", () => {
    tests(new Kysely<Database>({ dialect: new NeonDialect({ neon: neon(connectionString) }) }));
  });

  describe("the PostgreSQL dialect with Neon's Pool", () => {
    const pool = new Pool({ connectionString, max: 2 });
    // Of pg's Pool it is another version, and enough of one.
    const db = new Kysely<Database>({
      dialect: new PostgresDialect({ pool: pool as unknown as PostgresPool }),
    });
    tests(db);

    test("transactions", async () => {
      await db.transaction().execute(async (inside) => {
        await inside.insertInto("by_kysely").values({ id: 10, name: "ten" }).execute();
      });
      const failed = db
        .transaction()
        .setIsolationLevel("serializable")
        .execute(async (inside) => {
          await inside.insertInto("by_kysely").values({ id: 11, name: "eleven" }).execute();
          throw new Error("no");
        });
      await expect(failed).rejects.toThrow("no");
      expect(await db.selectFrom("by_kysely").select("id").where("id", ">=", 10).execute()).toEqual([
        { id: 10 },
      ]);
    });
  });
}

/** What both can do. */
function tests(db: Kysely<Database>): void {
  beforeAll(async () => {
    await db.schema
      .createTable("by_kysely")
      .addColumn("id", "integer", (column) => column.primaryKey())
      .addColumn("name", "text")
      .execute();
  });
  afterAll(async () => {
    await db.schema.dropTable("by_kysely").execute();
    await db.destroy();
  });

  test("insert, select, update and delete", async () => {
    const values = [
      { id: 1, name: "one" },
      { id: 2, name: null },
    ];
    expect(await db.insertInto("by_kysely").values(values).returningAll().execute()).toEqual(values);
    const updated = await db
      .updateTable("by_kysely")
      .set({ name: "two" })
      .where("id", "=", 2)
      .executeTakeFirst();
    expect(updated.numUpdatedRows).toBe(1n);
    expect(await db.selectFrom("by_kysely").selectAll().orderBy("id").execute()).toEqual([
      { id: 1, name: "one" },
      { id: 2, name: "two" },
    ]);
    const deleted = await db.deleteFrom("by_kysely").where("id", "=", 2).executeTakeFirst();
    expect(deleted.numDeletedRows).toBe(1n);
  });

  test("raw SQL, errors, and the tables of the catalog", async () => {
    const { rows } = await sql<{ n: number }>`select ${1}::int + ${2}::int as n`.execute(db);
    expect(rows).toEqual([{ n: 3 }]);
    const failed = db.insertInto("by_kysely").values({ id: 1, name: "again" }).execute();
    await expect(failed).rejects.toMatchObject({ code: "23505" });
    const tables = await db.introspection.getTables();
    expect(tables.find(({ name }) => name === "by_kysely")?.columns.map(({ name }) => name)).toEqual([
      "id",
      "name",
    ]);
  });
}
