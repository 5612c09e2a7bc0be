/** Prisma's client, as its command line generates it from schema.prisma, over its adapter for pg. */

import { PrismaPg } from "@prisma/adapter-pg";
import { check, equal, failure, main, url } from "../node/harness.ts";
import { Prisma, PrismaClient } from "./generated/client.ts";

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 3 }) });

/** What `prisma migrate` writes for the schema: its own engine, which would run it, is not to be had from npm. */
const migration = [
  `DROP TABLE IF EXISTS "ew_prisma_post", "ew_prisma_user"`,
  `DROP TYPE IF EXISTS "ew_prisma_role"`,
  `CREATE TYPE "ew_prisma_role" AS ENUM ('ADMIN', 'USER')`,
  `CREATE TABLE "ew_prisma_user" (
    "id" SERIAL NOT NULL, "email" TEXT NOT NULL, "name" TEXT, "role" "ew_prisma_role" NOT NULL DEFAULT 'USER',
    "tags" TEXT[], "meta" JSONB, "balance" DECIMAL(12,2) NOT NULL DEFAULT 0, "visits" BIGINT NOT NULL DEFAULT 0,
    "key" BYTEA, "born" TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01 00:00:00 +00:00',
    CONSTRAINT "ew_prisma_user_pkey" PRIMARY KEY ("id"))`,
  `CREATE TABLE "ew_prisma_post" (
    "id" SERIAL NOT NULL, "title" TEXT NOT NULL, "authorId" INTEGER,
    CONSTRAINT "ew_prisma_post_pkey" PRIMARY KEY ("id"))`,
  `CREATE UNIQUE INDEX "ew_prisma_user_email_key" ON "ew_prisma_user"("email")`,
  `ALTER TABLE "ew_prisma_post" ADD CONSTRAINT "ew_prisma_post_authorId_fkey" FOREIGN KEY ("authorId")
    REFERENCES "ew_prisma_user"("id") ON DELETE SET NULL ON UPDATE CASCADE`,
];

const ada = {
  email: "ada@example",
  role: "ADMIN",
  tags: ["a", "b,c", 'd"'],
  meta: { list: [1, null, "x"] },
  balance: "12.50",
  visits: 9007199254740993n,
  key: new Uint8Array([0, 255]),
  born: new Date("1815-12-10T12:00:00.123Z"),
} satisfies Prisma.UserCreateInput;

async function create(): Promise<void> {
  for (const statement of migration) await prisma.$executeRawUnsafe(statement);
  await prisma.user.create({ data: { ...ada, posts: { create: [{ title: "one" }, { title: "two" }] } } });
  await prisma.user.create({ data: { email: "ben@example", tags: [] } });
}

check("a migration, and a value of every type there and back", async () => {
  await create();
  const { id, balance, key, ...rest } = await prisma.user.findUniqueOrThrow({ where: { email: ada.email } });
  equal([id, balance.toFixed(2), [...(key ?? [])]], [1, "12.50", [0, 255]]);
  const { balance: _, key: __, ...plain } = ada;
  equal({ ...rest }, { ...plain, name: null });
  equal(
    await prisma.user.findUnique({ where: { id: 2 }, omit: { balance: true } }),
    {
      id: 2,
      email: "ben@example",
      name: null,
      role: "USER",
      tags: [],
      meta: null,
      visits: 0n,
      key: null,
      born: new Date("2000-01-01T00:00:00Z"),
    },
    "defaults",
  );
});

check("filters: lists, JSON, enums, LIKE, numbers, relations", async () => {
  await create();
  const found = async (where: Prisma.UserWhereInput): Promise<number[]> =>
    (await prisma.user.findMany({ where, select: { id: true }, orderBy: { id: "asc" } })).map(({ id }) => id);
  equal(await found({ tags: { hasEvery: ["a", 'd"'] } }), [1], "hasEvery");
  equal(await found({ tags: { isEmpty: true } }), [2], "isEmpty");
  equal(await found({ meta: { path: ["list", "2"], equals: "x" } }), [1], "JSON");
  equal(await found({ role: { in: ["USER"] } }), [2], "enum");
  equal(await found({ email: { contains: "ADA", mode: "insensitive" } }), [1], "ILIKE");
  equal(await found({ balance: { gt: 12.49 }, visits: { gte: 9007199254740993n } }), [1], "numbers");
  equal(await found({ born: { lt: new Date("1900-01-01") } }), [1], "dates");
  equal(await found({ posts: { none: { title: { startsWith: "t" } } } }), [2], "none");
  equal(await found({ OR: [{ name: null }, { id: { notIn: [1, 2] } }] }), [1, 2], "OR");
});

check("relations: what refers to a row, counted and in order, and pages of it", async () => {
  await create();
  const user = await prisma.user.findUniqueOrThrow({
    where: { id: 1 },
    select: {
      email: true,
      posts: { orderBy: { id: "desc" }, take: 1, select: { title: true } },
      _count: { select: { posts: true } },
    },
  });
  equal(user, { email: "ada@example", posts: [{ title: "two" }], _count: { posts: 2 } });
  await prisma.post.createMany({ data: Array.from({ length: 300 }, (_, n) => ({ title: `n${n}` })) });
  const page = await prisma.post.findMany({ cursor: { id: 100 }, skip: 1, take: 3, orderBy: { id: "asc" } });
  equal(
    page.map(({ id }) => id),
    [101, 102, 103],
    "page",
  );
  const posts = await prisma.post.findMany({ where: { id: { in: page.map(({ id }) => id) } } });
  equal(posts.length, 3, "IN");
  await prisma.user.delete({ where: { id: 1 } });
  equal(await prisma.post.count({ where: { authorId: null } }), 302, "ON DELETE SET NULL");
});

check("writes: upsert, increments, many at once with what they return", async () => {
  await create();
  const { name, balance } = await prisma.user.upsert({
    where: { email: ada.email },
    create: ada,
    update: { name: "Ada", balance: { increment: "0.10" }, tags: { push: "e" } },
  });
  equal([name, balance.toString()], ["Ada", "12.6"], "update");
  const cleo = { email: "cleo@example" };
  equal((await prisma.user.upsert({ where: cleo, create: cleo, update: {} })).id > 2, true, "create");
  const made = await prisma.user.createManyAndReturn({
    data: [cleo, { email: "dee@example" }],
    skipDuplicates: true,
    select: { email: true },
  });
  equal(made, [{ email: "dee@example" }], "returned");
  equal(
    await prisma.user.updateMany({ where: { name: null }, data: { name: "?" } }),
    { count: 3 },
    "updated",
  );
  equal(await prisma.user.deleteMany({ where: { name: "?" } }), { count: 3 }, "deleted");
});

check("aggregates and groups", async () => {
  await create();
  const { _sum, _max, _avg } = await prisma.user.aggregate({
    _sum: { balance: true },
    _max: { visits: true },
    _avg: { id: true },
  });
  equal([_sum.balance?.toFixed(2), _max.visits, _avg.id], ["12.50", 9007199254740993n, 1.5]);
  const groups = await prisma.post.groupBy({
    by: ["authorId"],
    _count: true,
    having: { id: { _count: { gt: 1 } } },
  });
  equal(groups, [{ authorId: 1, _count: 2 }]);
});

check("raw queries, with parameters of every kind", async () => {
  const at = new Date("2024-02-29T12:34:56.789Z");
  const [row] = await prisma.$queryRaw<Record<string, unknown>[]>`
    SELECT ${1}::int AS n, ${"x"} || 'y' AS text, ${at}::timestamptz AS at, ${[1, 2]}::int[] AS list,
      ${{ k: 1 }}::jsonb AS json, ${null}::int AS nothing, ${Prisma.sql`1 + 1`} AS two`;
  equal({ ...row }, { n: 1, text: "xy", at, list: [1, 2], json: { k: 1 }, nothing: null, two: 2 });
});

check("transactions: several statements, a function, isolation, and what is rolled back", async () => {
  await create();
  equal(await prisma.$transaction([prisma.post.count(), prisma.user.count()]), [2, 2], "several");
  const isolation = await prisma.$transaction(
    async (transaction) => {
      await transaction.post.create({ data: { title: "three" } });
      return await transaction.$queryRaw<unknown[]>`SHOW transaction_isolation`;
    },
    { isolationLevel: "Serializable" },
  );
  equal(isolation, [{ transaction_isolation: "serializable" }], "isolation");
  const refused = prisma.$transaction(async (transaction) => {
    await transaction.post.deleteMany();
    await transaction.user.create({ data: { email: ada.email } });
  });
  equal((await failure(refused)).code, "P2002", "code");
  equal(await prisma.post.count(), 3, "rolled back");
  const together = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      prisma.$transaction(async (transaction) => {
        await transaction.user.update({ where: { id: 2 }, data: { visits: { increment: 1 } } });
        return (await transaction.post.create({ data: { title: `t${n}`, authorId: 2 } })).authorId;
      }),
    ),
  );
  equal(together, Array(12).fill(2), "at once");
  equal((await prisma.user.findUniqueOrThrow({ where: { id: 2 } })).visits, 12n, "sum");
});

check("errors are told by Prisma's codes, with what is concerned", async () => {
  await create();
  const code = async (promise: PromiseLike<unknown>): Promise<unknown> => (await failure(promise)).code;
  equal(
    [
      await code(prisma.user.create({ data: { email: ada.email } })),
      await code(prisma.post.create({ data: { title: "x", authorId: 99 } })),
      await code(prisma.user.update({ where: { id: 99 }, data: { name: "x" } })),
      await code(prisma.user.findUniqueOrThrow({ where: { id: 99 } })),
      await code(prisma.$queryRaw`SELECT nosuch`),
    ],
    ["P2002", "P2003", "P2025", "P2025", "P2010"],
  );
  await prisma.$executeRawUnsafe(`DROP TABLE "ew_prisma_post"`);
  equal(await code(prisma.post.count()), "P2021", "no table");
  await prisma.$executeRawUnsafe(`DROP TABLE "ew_prisma_user"`);
  await prisma.$executeRawUnsafe(`DROP TYPE "ew_prisma_role"`);
  await prisma.$disconnect();
});

await main();
