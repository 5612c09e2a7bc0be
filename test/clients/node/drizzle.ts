/** drizzle-orm over pg and over postgres.js: tables with relations, joins, transactions one inside of another. */

import { asc, count, eq, relations, sql } from "drizzle-orm";
import { drizzle as overPg } from "drizzle-orm/node-postgres";
import { boolean, integer, jsonb, pgTable, serial, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { drizzle as overPostgres } from "drizzle-orm/postgres-js";
import pg from "pg";
import postgres from "postgres";
import { check, equal, failure, main, url } from "./harness.ts";

const authors = pgTable("ew_drizzle_authors", {
  id: serial().primaryKey(),
  name: text().notNull().unique(),
  born: timestamp({ withTimezone: true }),
  tags: text().array(),
  extra: jsonb(),
  key: uuid(),
});

const books = pgTable("ew_drizzle_books", {
  id: serial().primaryKey(),
  title: text().notNull(),
  lent: boolean().notNull().default(false),
  author: integer()
    .notNull()
    .references(() => authors.id),
});

const schema = {
  authors,
  books,
  authorsHave: relations(authors, ({ many }) => ({ books: many(books) })),
  booksHave: relations(books, ({ one }) => ({
    author: one(authors, { fields: [books.author], references: [authors.id] }),
  })),
};

const create = [
  sql`drop table if exists ew_drizzle_books, ew_drizzle_authors`,
  sql`create table ew_drizzle_authors (id serial primary key, name text not null unique, born timestamptz, tags text[],
    extra jsonb, key uuid)`,
  sql`create table ew_drizzle_books (id serial primary key, title text not null, lent bool not null default false,
    author int not null references ew_drizzle_authors)`,
];

function checks(driver: string, connect: () => { db: ReturnType<typeof open>; end(): Promise<void> }): void {
  let connected: ReturnType<typeof connect>;
  const started = async (): Promise<ReturnType<typeof open>> => {
    connected ??= connect();
    for (const statement of create) await connected.db.execute(statement);
    const [ada] = await connected.db.insert(authors).values({ name: "Ada" }).returning({ id: authors.id });
    await connected.db.insert(books).values([
      { title: "Notes", author: ada?.id ?? 0 },
      { title: "Letters", author: ada?.id ?? 0, lent: true },
    ]);
    return connected.db;
  };

  check(`${driver}: rows with their types, and conflicts`, async () => {
    const db = await started();
    const full = {
      id: 7,
      name: "Blaise",
      born: new Date("1983-06-19T00:00:00Z"),
      tags: ["a", 'b"c', "d,e"],
      extra: { k: [1, null], é: "ü" },
      key: "0190b6f2-7e1c-7c3c-8f3a-2f6f2a3b4c5d",
    };
    equal(await db.insert(authors).values(full).returning(), [full]);
    const again = await db
      .insert(authors)
      .values({ name: "Blaise" })
      .onConflictDoUpdate({ target: authors.name, set: { tags: [] } })
      .returning({ id: authors.id, tags: authors.tags });
    equal(again, [{ id: 7, tags: [] }]);
    const refused = await failure(db.insert(authors).values({ name: "Ada" }));
    const { code, constraint, constraint_name } = refused.cause as Record<string, unknown>;
    equal([code, constraint ?? constraint_name], ["23505", "ew_drizzle_authors_name_key"], "error");
  });

  check(`${driver}: joins, groups and relations`, async () => {
    const db = await started();
    const joined = await db
      .select({ name: authors.name, title: books.title })
      .from(books)
      .innerJoin(authors, eq(books.author, authors.id))
      .orderBy(asc(books.title));
    equal(joined, [
      { name: "Ada", title: "Letters" },
      { name: "Ada", title: "Notes" },
    ]);
    const counted = await db
      .select({ lent: books.lent, n: count() })
      .from(books)
      .groupBy(books.lent)
      .orderBy(books.lent);
    equal(counted, [
      { lent: false, n: 1 },
      { lent: true, n: 1 },
    ]);
    const found = await db.query.authors.findFirst({
      columns: { name: true },
      with: { books: { columns: { title: true }, orderBy: asc(books.title) } },
    });
    equal(found, { name: "Ada", books: [{ title: "Letters" }, { title: "Notes" }] });
    const owner = await db.query.books.findFirst({ where: eq(books.lent, true), with: { author: true } });
    equal(owner?.author.name, "Ada");
  });

  check(`${driver}: prepared queries`, async () => {
    const db = await started();
    const prepared = db
      .select({ title: books.title })
      .from(books)
      .where(eq(books.lent, sql.placeholder("lent")))
      .prepare("ew_drizzle_lent");
    for (const lent of [true, false, true]) {
      equal(await prepared.execute({ lent }), [{ title: lent ? "Letters" : "Notes" }]);
    }
  });

  check(`${driver}: transactions, rolled back as a whole and in part`, async () => {
    const db = await started();
    await failure(
      db.transaction(async (inside) => {
        await inside.delete(books);
        equal(await inside.$count(books), 0, "books inside");
        inside.rollback();
      }),
    );
    equal(await db.$count(books), 2, "books");
    await db.transaction(
      async (outer) => {
        await outer.update(books).set({ lent: true });
        await failure(
          outer.transaction(async (inner) => {
            await inner.delete(books);
            await inner.insert(books).values({ title: "Orphan", author: 999 });
          }),
        );
      },
      { isolationLevel: "repeatable read" },
    );
    equal(await db.$count(books, eq(books.lent, true)), 2, "lent books");
    await connected.end();
  });
}

function open(pool: pg.Pool) {
  return overPg(pool, { schema });
}

checks("node-postgres", () => {
  const pool = new pg.Pool({ connectionString: url, max: 3 });
  return { db: open(pool), end: () => pool.end() };
});
checks("postgres-js", () => {
  const client = postgres(url, { max: 3, onnotice: () => {} });
  // The two have the same methods, and types of their own for what execute() gives.
  return {
    db: overPostgres(client, { schema }) as unknown as ReturnType<typeof open>,
    end: () => client.end(),
  };
});

await main();
