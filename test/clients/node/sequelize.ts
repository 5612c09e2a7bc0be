/** sequelize over pg: sync, associations, managed transactions, and what its query interface reads of the catalog. */

import { DataTypes, type Model, type ModelStatic, Op, Sequelize, Transaction } from "sequelize";
import { check, equal, failure, main, url } from "./harness.ts";

const sequelize = new Sequelize(url, { dialect: "postgres", logging: false, pool: { max: 3 } });

const Author: ModelStatic<Model> = sequelize.define("ew_sequelize_author", {
  name: { type: DataTypes.STRING(40), allowNull: false, unique: true },
  mood: { type: DataTypes.ENUM("sad", "happy"), defaultValue: "happy" },
  tags: DataTypes.ARRAY(DataTypes.TEXT),
  extra: DataTypes.JSONB,
  amount: DataTypes.DECIMAL(10, 2),
});
const Book: ModelStatic<Model> = sequelize.define(
  "ew_sequelize_book",
  { title: DataTypes.TEXT },
  { timestamps: false, indexes: [{ fields: ["title"] }] },
);
const toAuthor = Book.belongsTo(Author, { as: "author", foreignKey: { name: "authorId", allowNull: false } });
const books = Author.hasMany(Book, { as: "books", foreignKey: "authorId" });

async function create(): Promise<Model> {
  await sequelize.sync({ force: true });
  const values = {
    name: "Ada",
    tags: ["a", 'b"c'],
    extra: { k: [1, null] },
    amount: "12.50",
    books: [{ title: "Notes" }, { title: "Letters" }],
  };
  return await Author.create(values, { include: [books] });
}

check("sync, and rows with their types", async () => {
  await sequelize.authenticate();
  const ada = await create();
  await ada.reload();
  const { id, name, mood, tags, extra, amount } = ada.get({ plain: true });
  equal([id, name, mood, tags, extra, amount], [1, "Ada", "happy", ["a", 'b"c'], { k: [1, null] }, "12.50"]);
  equal(ada.get("createdAt") instanceof Date, true, "a date");
  const [same, made] = await Author.findOrCreate({ where: { name: "Ada" }, defaults: { mood: "sad" } });
  equal([same.get("id"), made], [1, false]);
  const [updated] = await Author.upsert({ id: 1, name: "Ada", mood: "sad" });
  equal(updated.get("mood"), "sad");
  const refused = await failure(Author.create({ name: "Ada" }));
  equal(refused.name, "SequelizeUniqueConstraintError", "error");
  equal((refused.parent as Record<string, unknown>).code, "23505", "code");
});

check("associations: includes, and conditions on them", async () => {
  await create();
  const found = await Author.findAll({
    where: { tags: { [Op.contains]: ["a"] }, "extra.k": { [Op.ne]: null } },
    include: { association: books, where: { title: { [Op.iLike]: "n%" } } },
  });
  equal(
    found.map((each) => (each.get("books") as Model[]).map((book) => book.get("title"))),
    [["Notes"]],
  );
  const book = await Book.findOne({ where: { title: "Letters" }, include: toAuthor });
  equal((book?.get("author") as Model | undefined)?.get("name"), "Ada");
  const counted = await Book.count({ group: ["authorId"] });
  equal(counted, [{ authorId: 1, count: 2 }]);
});

check("transactions, managed, and with a savepoint", async () => {
  await create();
  const left = sequelize.transaction(async (transaction) => {
    await Book.destroy({ where: {}, transaction });
    equal(await Book.count({ transaction }), 0, "books inside");
    throw new Error("left");
  });
  equal((await failure(left)).message, "left");
  equal(await Book.count(), 2, "books");
  await sequelize.transaction(
    { isolationLevel: Transaction.ISOLATION_LEVELS.SERIALIZABLE },
    async (transaction) => {
      const ada = await Author.findByPk(1, { lock: transaction.LOCK.UPDATE, transaction });
      await ada?.update({ mood: "sad" }, { transaction });
      const inner = sequelize.transaction({ transaction }, async (nested) => {
        await Book.create({ title: "Orphan", authorId: 999 }, { transaction: nested });
      });
      equal((await failure(inner)).name, "SequelizeForeignKeyConstraintError", "error");
    },
  );
  equal((await Author.findByPk(1))?.get("mood"), "sad");
});

check("what it reads of the catalog: tables, columns, indexes and foreign keys", async () => {
  await create();
  const catalog = sequelize.getQueryInterface();
  const tables = (await catalog.showAllTables()) as unknown as (string | { tableName: string })[];
  const names = tables.map((table) => (typeof table === "string" ? table : table.tableName));
  equal(names.filter((name) => name.startsWith("ew_sequelize")).sort(), [
    "ew_sequelize_authors",
    "ew_sequelize_books",
  ]);
  const columns = await catalog.describeTable("ew_sequelize_authors");
  equal(
    Object.entries(columns).map(([name, { type, allowNull, primaryKey }]) => [
      name,
      type,
      allowNull,
      primaryKey,
    ]),
    [
      ["id", "INTEGER", false, true],
      ["name", "CHARACTER VARYING(40)", false, false],
      ["mood", "USER-DEFINED", true, false],
      ["tags", "ARRAY", true, false],
      ["extra", "JSONB", true, false],
      ["amount", "NUMERIC", true, false],
      ["createdAt", "TIMESTAMP WITH TIME ZONE", false, false],
      ["updatedAt", "TIMESTAMP WITH TIME ZONE", false, false],
    ],
  );
  equal((columns.mood as unknown as { special: string[] }).special, ["sad", "happy"], "values of the enum");
  const indexes = (await catalog.showIndex("ew_sequelize_books")) as { name: string; primary: boolean }[];
  equal(indexes.map(({ name, primary }) => [name, primary]).sort(), [
    ["ew_sequelize_books_pkey", true],
    ["ew_sequelize_books_title", false],
  ]);
  const keys = (await catalog.getForeignKeyReferencesForTable("ew_sequelize_books")) as {
    columnName: string;
    referencedTableName: string;
  }[];
  equal(
    keys.map(({ columnName, referencedTableName }) => [columnName, referencedTableName]),
    [["authorId", "ew_sequelize_authors"]],
  );
});

check("a migration: columns and constraints come and go", async () => {
  await create();
  const catalog = sequelize.getQueryInterface();
  await catalog.addColumn("ew_sequelize_books", "pages", { type: DataTypes.INTEGER, defaultValue: 1 });
  await catalog.addConstraint("ew_sequelize_books", {
    type: "check",
    fields: ["pages"],
    name: "ew_sequelize_some",
    where: { pages: { [Op.gt]: 0 } },
  });
  await catalog.renameColumn("ew_sequelize_books", "pages", "leaves", {});
  const refused = await failure(sequelize.query("update ew_sequelize_books set leaves = 0"));
  equal((refused.parent as Record<string, unknown>).constraint, "ew_sequelize_some", "constraint");
  await catalog.removeConstraint("ew_sequelize_books", "ew_sequelize_some");
  const [rows] = await sequelize.query(
    'update ew_sequelize_books set leaves = :n where "authorId" = 1 returning leaves',
    {
      replacements: { n: 0 },
    },
  );
  equal(rows, [{ leaves: 0 }, { leaves: 0 }]);
  await sequelize.drop({});
  await sequelize.close();
});

await main();
