/** typeorm over pg: its schema made from entities and compared with the catalog, relations, query builder, transactions. */

import "reflect-metadata";
import { DataSource, EntitySchema, In } from "typeorm";
import { check, equal, failure, main, url } from "./harness.ts";

interface Author {
  id: number;
  name: string;
  mood: "sad" | "happy";
  tags: string[] | null;
  extra: unknown;
  born: Date | null;
  books: Book[];
}

interface Book {
  id: string;
  title: string;
  pages: string;
  author: Author;
}

const authorEntity = new EntitySchema<Author>({
  name: "Author",
  tableName: "ew_typeorm_author",
  columns: {
    id: { type: "int", primary: true, generated: "increment" },
    name: { type: "varchar", length: 40, unique: true },
    mood: { type: "enum", enum: ["sad", "happy"], default: "happy" },
    tags: { type: "text", array: true, nullable: true },
    extra: { type: "jsonb", nullable: true },
    born: { type: "timestamptz", nullable: true },
  },
  relations: { books: { type: "one-to-many", target: "Book", inverseSide: "author", cascade: true } },
});

const bookEntity = new EntitySchema<Book>({
  name: "Book",
  tableName: "ew_typeorm_book",
  columns: {
    id: { type: "uuid", primary: true, generated: "uuid" },
    title: { type: "text" },
    pages: { type: "bigint", default: 1 },
  },
  indices: [{ columns: ["title"] }],
  checks: [{ name: "ew_typeorm_some", expression: "pages > 0" }],
  relations: {
    author: {
      type: "many-to-one",
      target: "Author",
      inverseSide: "books",
      onDelete: "CASCADE",
      nullable: false,
    },
  },
});

const source = new DataSource({
  type: "postgres",
  url,
  entities: [authorEntity, bookEntity],
  uuidExtension: "pgcrypto",
  // gen_random_uuid() is PostgreSQL's own.
  installExtensions: false,
  extra: { max: 3 },
});

async function create(): Promise<Author> {
  if (!source.isInitialized) await source.initialize();
  await source.synchronize(true);
  return await source.getRepository(authorEntity).save({
    name: "Ada",
    tags: ["a", 'b"c'],
    extra: { k: [1, null] },
    born: new Date("1985-12-10T00:00:00Z"),
    books: [{ title: "Notes" }, { title: "Letters" }] as Book[],
  });
}

check("a schema from entities, and rows with their types", async () => {
  const made = await create();
  const found = await source.getRepository(authorEntity).findOneByOrFail({ id: made.id });
  equal(
    { ...found },
    {
      id: 1,
      name: "Ada",
      mood: "happy",
      tags: ["a", 'b"c'],
      extra: { k: [1, null] },
      born: new Date("1985-12-10T00:00:00Z"),
    },
  );
  const refused = await failure(source.getRepository(authorEntity).insert({ name: "Ada" }));
  equal([refused.code, refused.table], ["23505", "ew_typeorm_author"], "error");
});

check("the catalog agrees with the entities: nothing is left to change", async () => {
  await create();
  const { upQueries } = await source.driver.createSchemaBuilder().log();
  equal(
    upQueries.map(({ query }) => query),
    [],
  );
  const runner = source.createQueryRunner();
  const table = await runner.getTable("ew_typeorm_book");
  equal(
    table?.columns.map(({ name, type, isNullable, isPrimary }) => [name, type, isNullable, isPrimary]).sort(),
    [
      ["authorId", "integer", false, false],
      ["id", "uuid", false, true],
      ["pages", "bigint", false, false],
      ["title", "text", false, false],
    ],
  );
  equal(
    table?.foreignKeys.map(({ columnNames, referencedTableName, onDelete }) => [
      columnNames,
      referencedTableName,
      onDelete,
    ]),
    [[["authorId"], "ew_typeorm_author", "CASCADE"]],
  );
  equal(
    table?.checks.map(({ name }) => name),
    ["ew_typeorm_some"],
  );
  equal(
    table?.indices.map(({ columnNames }) => columnNames),
    [["title"]],
  );
  await runner.release();
});

check("relations, and a query of joins", async () => {
  await create();
  const [ada] = await source
    .getRepository(authorEntity)
    .find({ where: { name: In(["Ada"]) }, relations: { books: true }, order: { books: { title: "ASC" } } });
  equal(
    ada?.books.map(({ title, pages }) => [title, pages]),
    [
      ["Letters", "1"],
      ["Notes", "1"],
    ],
  );
  const counted = await source
    .getRepository(bookEntity)
    .createQueryBuilder("book")
    .innerJoin("book.author", "author")
    .select("author.name", "name")
    .addSelect("count(*)", "books")
    .where("book.title ilike :title", { title: "%t%" })
    .groupBy("author.name")
    .getRawMany();
  equal(counted, [{ name: "Ada", books: "2" }]);
  const [books, total] = await source
    .getRepository(bookEntity)
    .findAndCount({ order: { title: "DESC" }, take: 1 });
  equal([books[0]?.title, total], ["Notes", 2]);
});

check("transactions, one inside of another, with a lock", async () => {
  const { id } = await create();
  const left = source.transaction(async (manager) => {
    await manager.delete(bookEntity, { title: "Notes" });
    throw new Error("left");
  });
  equal((await failure(left)).message, "left");
  await source.transaction("SERIALIZABLE", async (manager) => {
    const ada = await manager.findOneOrFail(authorEntity, {
      where: { id },
      lock: { mode: "pessimistic_write" },
    });
    await manager.update(authorEntity, { id: ada.id }, { mood: "sad" });
    const inner = manager.transaction(async (nested) => {
      await nested.update(bookEntity, { title: "Notes" }, { pages: "0" });
    });
    equal((await failure(inner)).constraint, "ew_typeorm_some", "constraint");
  });
  equal((await source.getRepository(authorEntity).findOneByOrFail({ id })).mood, "sad");
  equal(await source.getRepository(bookEntity).count(), 2, "books");
});

check("a stream of rows", async () => {
  await create();
  const titles: unknown[] = [];
  const stream = await source
    .getRepository(bookEntity)
    .createQueryBuilder("book")
    .orderBy("book.title")
    .stream();
  for await (const row of stream) titles.push((row as { book_title: string }).book_title);
  equal(titles, ["Letters", "Notes"]);
  await source.dropDatabase();
  await source.destroy();
});

await main();
