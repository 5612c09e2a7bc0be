/** kysely over pg: its schema builder, joins, a cursor, transactions, and what it reads of the catalog. */

import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import Cursor from "pg-cursor";
import { check, equal, failure, main, url } from "./harness.ts";

interface Database {
  ew_kysely_authors: { id: number; name: string; born: Date | null };
  ew_kysely_books: { id: number; title: string; author: number };
}

const pool = new pg.Pool({ connectionString: url, max: 3 });
const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool, cursor: Cursor }) });

async function create(): Promise<void> {
  await db.schema.dropTable("ew_kysely_books").ifExists().execute();
  await db.schema.dropTable("ew_kysely_authors").ifExists().execute();
  await db.schema
    .createTable("ew_kysely_authors")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("name", "varchar(40)", (column) => column.notNull().unique())
    .addColumn("born", "timestamptz")
    .execute();
  await db.schema
    .createTable("ew_kysely_books")
    .addColumn("id", "serial", (column) => column.primaryKey())
    .addColumn("title", "text", (column) => column.notNull())
    .addColumn("author", "integer", (column) =>
      column.notNull().references("ew_kysely_authors.id").onDelete("cascade"),
    )
    .execute();
  await db.schema
    .createIndex("ew_kysely_by_title")
    .on("ew_kysely_books")
    .columns(["title", "author"])
    .execute();
  await db
    .insertInto("ew_kysely_authors")
    .values([
      { id: 1, name: "Ada", born: new Date("1985-12-10T00:00:00Z") },
      { id: 2, name: "Blaise", born: null },
    ])
    .execute();
  await sql`insert into ew_kysely_books (title, author) values ('Notes', 1), ('Letters', 1), ('Thoughts', 2)`.execute(
    db,
  );
}

check("joins, subqueries, and a change of data with RETURNING", async () => {
  await create();
  const joined = await db
    .selectFrom("ew_kysely_authors as a")
    .leftJoin("ew_kysely_books as b", "b.author", "a.id")
    .select(({ fn }) => ["a.name", fn.count<string>("b.id").as("books")])
    .groupBy("a.name")
    .orderBy("a.name")
    .execute();
  equal(joined, [
    { name: "Ada", books: "2" },
    { name: "Blaise", books: "1" },
  ]);
  const updated = await db
    .updateTable("ew_kysely_books")
    .set(({ eb }) => ({ title: eb("title", "||", "!") }))
    .where("author", "in", (eb) =>
      eb.selectFrom("ew_kysely_authors").select("id").where("name", "=", "Blaise"),
    )
    .returning(["title"])
    .executeTakeFirstOrThrow();
  equal(updated, { title: "Thoughts!" });
  const born = await db.selectFrom("ew_kysely_authors").select("born").orderBy("id").execute();
  equal(born, [{ born: new Date("1985-12-10T00:00:00Z") }, { born: null }]);
});

check("rows are streamed by a cursor", async () => {
  await create();
  const titles: string[] = [];
  for await (const { title } of db.selectFrom("ew_kysely_books").select("title").orderBy("title").stream(2))
    titles.push(title);
  equal(titles, ["Letters", "Notes", "Thoughts"]);
});

check("transactions, by a function and step by step, with a savepoint", async () => {
  await create();
  const left = await failure(
    db.transaction().execute(async (inside) => {
      await inside.deleteFrom("ew_kysely_authors").execute();
      throw new Error("left");
    }),
  );
  equal(left.message, "left");
  const begun = await db.startTransaction().setIsolationLevel("serializable").execute();
  await begun.deleteFrom("ew_kysely_books").where("author", "=", 2).execute();
  const saved = await begun.savepoint("one").execute();
  const refused = await failure(
    saved.insertInto("ew_kysely_authors").values({ id: 1, name: "x", born: null }).execute(),
  );
  equal([refused.code, refused.constraint], ["23505", "ew_kysely_authors_pkey"], "error");
  await saved.rollbackToSavepoint("one").execute();
  await begun.commit().execute();
  const { n } = await db
    .selectFrom("ew_kysely_books")
    .select(({ fn }) => fn.countAll<string>().as("n"))
    .executeTakeFirstOrThrow();
  equal(n, "2");
});

check("introspection: schemas, tables and columns", async () => {
  await create();
  const schemas = await db.introspection.getSchemas();
  equal(
    schemas.some(({ name }) => name === "public"),
    true,
    "schema public",
  );
  const tables = (await db.introspection.getTables()).filter(({ name }) => name.startsWith("ew_kysely"));
  equal(
    tables.map(({ name, isView, columns }) => [
      name,
      isView,
      columns.map((column) => [column.name, column.dataType, column.isNullable, column.isAutoIncrementing]),
    ]),
    [
      [
        "ew_kysely_authors",
        false,
        [
          ["id", "int4", false, false],
          ["name", "varchar", false, false],
          ["born", "timestamptz", true, false],
        ],
      ],
      [
        "ew_kysely_books",
        false,
        [
          ["id", "int4", false, true],
          ["title", "text", false, false],
          ["author", "int4", false, false],
        ],
      ],
    ],
  );
  await db.schema.dropTable("ew_kysely_books").execute();
  await db.schema.dropTable("ew_kysely_authors").execute();
});

await main();
