/** postgres.js: everything prepared and described, pipelined over a pool, cursors, COPY, LISTEN. */

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import postgres from "postgres";
import { check, equal, failure, main, url } from "./harness.ts";

const sql = postgres(url, { max: 3, onnotice: () => {} });

async function makeTable(): Promise<void> {
  await sql`drop table if exists ew_postgres`;
  await sql`create table ew_postgres (id int primary key, name text, tags text[], extra jsonb)`;
}

check("rows and parameters with their types", async () => {
  const values = {
    n: 42,
    name: "grün",
    at: new Date(0),
    list: [1, 2],
    bytes: Buffer.from([0, 255]),
    extra: { k: [1, null] },
  };
  const [row] =
    await sql`select ${values.n}::int as n, ${values.name}::text as name, ${values.at}::timestamptz as at,
    ${values.list}::int[] as list, ${values.bytes}::bytea as bytes, ${sql.json(values.extra)}::jsonb as extra,
    1.50::numeric as amount, 9007199254740993::int8 as big`;
  equal({ ...row }, { ...values, amount: "1.50", big: "9007199254740993" });
});

check("inserts of many rows, and fragments", async () => {
  await makeTable();
  const rows = Array.from({ length: 100 }, (_, id) => ({ id, name: `row ${id}`, tags: ["a", 'b"c'] }));
  const made = await sql`insert into ew_postgres ${sql(rows)} returning id`;
  equal(made.length, 100, "rows");
  const order = sql`order by id desc`;
  const found = await sql`select id, tags from ew_postgres where id in ${sql([1, 2, 3])} ${order} limit 2`;
  equal(
    [...found],
    [
      { id: 3, tags: ["a", 'b"c'] },
      { id: 2, tags: ["a", 'b"c'] },
    ],
  );
  const updated = await sql`update ew_postgres set ${sql({ name: "new" }, "name")} where id < 10`;
  equal(updated.count, 10, "count");
  equal((await failure(sql`insert into ew_postgres (id) values (1)`)).code, "23505", "error");
});

check("transactions, savepoints, and simple queries", async () => {
  await makeTable();
  await failure(
    sql.begin(async (inside) => {
      await inside`insert into ew_postgres (id) values (1)`;
      throw new Error("left");
    }),
  );
  await sql.begin("isolation level serializable", async (inside) => {
    await inside`insert into ew_postgres (id) values (2)`;
    await failure(inside.savepoint((nested) => nested`insert into ew_postgres (id) values (2)`));
    const [first, second] = await Promise.all([inside`select 1 as n`, inside`select 2 as n`]);
    equal([first?.[0]?.n, second?.[0]?.n], [1, 2], "pipelined");
  });
  equal([...(await sql`select id from ew_postgres`)], [{ id: 2 }]);
  const results = await sql`select 1 as a; select 2 as b`.simple();
  equal(
    (results as unknown as object[][]).map((rows) => [...rows]),
    [[{ a: 1 }], [{ b: 2 }]],
  );
});

check("a pipeline of a hundred queries", async () => {
  const results = await Promise.all(Array.from({ length: 100 }, (_, n) => sql`select ${n}::int as n`));
  equal(
    results.map(([row]) => row?.n),
    Array.from({ length: 100 }, (_, n) => n),
  );
});

check("a cursor, rows one by one, and a description", async () => {
  const counts: number[] = [];
  for await (const rows of sql`select n from generate_series(1, 250) n`.cursor(100)) counts.push(rows.length);
  equal(counts, [100, 100, 50]);
  const { types, columns } = await sql`select ${1}::int8 as a, 'x'::text as b`.describe();
  equal(
    [types, columns.map(({ name, type }) => [name, type])],
    [
      [20],
      [
        ["a", 20],
        ["b", 25],
      ],
    ],
    "description",
  );
});

check("COPY in and out", async () => {
  await makeTable();
  const lines = Array.from({ length: 5_000 }, (_, n) => `${n}\trow ${n}\n`);
  await pipeline(Readable.from(lines), await sql`copy ew_postgres (id, name) from stdin`.writable());
  const read: Buffer[] = [];
  const reading = await sql`copy (select id, name from ew_postgres order by id) to stdout`.readable();
  for await (const chunk of reading) read.push(chunk);
  equal(Buffer.concat(read).toString() === lines.join(""), true, "the same text");
});

check("LISTEN and NOTIFY", async () => {
  const heard = Promise.withResolvers<string>();
  const { unlisten } = await sql.listen("ew_postgres", heard.resolve);
  await sql`notify ew_postgres, 'grün'`;
  equal(await heard.promise, "grün");
  await unlisten();
});

check("a statement that is prepared, after DDL", async () => {
  await makeTable();
  const read = () => sql`select * from ew_postgres`;
  for (let n = 0; n < 4; n++) equal((await read()).columns.length, 4, "columns");
  await sql`alter table ew_postgres add column more int`;
  equal((await read()).columns.length, 5, "columns");
  await sql`drop table ew_postgres`;
  await sql.end();
});

await main();
