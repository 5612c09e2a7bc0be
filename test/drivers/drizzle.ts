/** drizzle-orm over both ways of Neon's driver. */
import { Pool } from "@neondatabase/serverless";
import { asc, eq, sql } from "drizzle-orm";
import { drizzle as overHttp } from "drizzle-orm/neon-http";
import { drizzle as overWebSocket } from "drizzle-orm/neon-serverless";
import { boolean, integer, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectionString } from "./neon.ts";

const people = pgTable("by_drizzle", {
  id: integer().primaryKey(),
  name: text().notNull(),
  member: boolean().notNull().default(false),
  tags: text().array(),
  extra: jsonb(),
  born: timestamp({ withTimezone: true }),
});

const create = sql`create table by_drizzle (id int primary key, name text not null, member bool not null default false,
  tags text[], extra jsonb, born timestamptz)`;

type Database = ReturnType<typeof overHttp> | ReturnType<typeof overWebSocket>;

/** Call it inside of `describe`. */
export function drizzleSuite(): void {
  describe("neon-http", () => {
    const db = overHttp(connectionString);
    tests(db);

    test("a batch is a transaction", async () => {
      const [inserted, selected] = await db.batch([
        db.insert(people).values({ id: 10, name: "ten" }).returning(),
        db.select({ id: people.id }).from(people).where(eq(people.id, 10)),
      ]);
      expect([inserted.length, selected]).toEqual([1, [{ id: 10 }]]);
      const failing = db.batch([
        db.insert(people).values({ id: 11, name: "eleven" }),
        db.insert(people).values({ id: 10, name: "again" }),
      ]);
      await expect(failing).rejects.toThrow();
      expect(await db.select().from(people).where(eq(people.id, 11))).toEqual([]);
    });
  });

  describe("neon-serverless", () => {
    const pool = new Pool({ connectionString, max: 2 });
    const db = overWebSocket({ client: pool });
    afterAll(() => pool.end());
    tests(db);

    test("transactions, one inside of another", async () => {
      await db.transaction(
        async (outer) => {
          await outer.insert(people).values({ id: 20, name: "twenty" });
          const nested = outer.transaction(async (inner) => {
            await inner.insert(people).values({ id: 21, name: "twenty-one" });
            inner.rollback();
          });
          await expect(nested).rejects.toThrow("Rollback");
        },
        { isolationLevel: "serializable" },
      );
      const failed = db.transaction(async (outer) => {
        await outer.insert(people).values({ id: 22, name: "twenty-two" });
        throw new Error("no");
      });
      await expect(failed).rejects.toThrow("no");
      expect(await db.select({ id: people.id }).from(people).where(sql`id >= 20`)).toEqual([{ id: 20 }]);
    });
  });
}

/** What both can do. */
function tests(db: Database): void {
  beforeAll(async () => {
    await db.execute(create);
  });
  afterAll(async () => {
    await db.execute(sql`drop table by_drizzle`);
  });

  test("insert, select, update and delete, with types", async () => {
    const ada = {
      id: 1,
      name: "Ada",
      member: true,
      tags: ["a", 'b"c'],
      extra: { k: [1] },
      born: new Date("1815-12-10"),
    };
    expect(await db.insert(people).values(ada).returning()).toEqual([ada]);
    await db.insert(people).values([
      { id: 2, name: "Blaise" },
      { id: 3, name: "Charles" },
    ]);
    expect(await db.select({ name: people.name }).from(people).orderBy(asc(people.id)).limit(2)).toEqual([
      { name: "Ada" },
      { name: "Blaise" },
    ]);
    await db.update(people).set({ member: true }).where(eq(people.id, 2));
    expect(await db.select().from(people).where(eq(people.id, 2))).toEqual([
      { id: 2, name: "Blaise", member: true, tags: null, extra: null, born: null },
    ]);
    expect(await db.delete(people).where(eq(people.id, 3)).returning()).toMatchObject([{ id: 3 }]);
    expect(await db.$count(people)).toBe(2);
  });

  test("raw SQL, and an error that has PostgreSQL's as its cause", async () => {
    const { rows } = await db.execute(sql`select ${1}::int + ${2}::int as n`);
    expect(rows).toEqual([{ n: 3 }]);
    const failed = db.insert(people).values({ id: 1, name: "again" });
    await expect(failed).rejects.toMatchObject({ cause: { code: "23505", constraint: "by_drizzle_pkey" } });
  });
}
