/** pg with its cursors, streams, pipelines and COPY: the driver under most of what runs on Node. */

import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import Cursor from "pg-cursor";
import QueryStream from "pg-query-stream";
import { check, equal, failure, main, url } from "./harness.ts";

async function using<Value>(
  work: (client: pg.Client) => Promise<Value>,
  options: pg.ClientConfig = {},
): Promise<Value> {
  const client = new pg.Client({ connectionString: url, ...options });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function makeTable(client: pg.Client): Promise<void> {
  await client.query("drop table if exists ew_pg");
  await client.query("create table ew_pg (id int primary key, name text)");
}

check("rows, columns, tags, and several statements in one text", () =>
  using(async (client) => {
    const { rows, fields, command, rowCount } = await client.query("select 1 as a, null as b, 'c' as a");
    equal([rows, command, rowCount], [[{ a: "c", b: null }], "SELECT", 1]);
    equal(
      fields.map(({ name, dataTypeID }) => [name, dataTypeID]),
      [
        ["a", 23],
        ["b", 25],
        ["a", 25],
      ],
    );
    const results = (await client.query("select 1 as n; select 2 as n")) as unknown as pg.QueryResult[];
    equal(
      results.map((result) => result.rows),
      [[{ n: 1 }], [{ n: 2 }]],
    );
    equal((await client.query("")).rows, []);
  }),
);

check("parameters and types", () =>
  using(async (client) => {
    const values = [
      42,
      "grün",
      true,
      null,
      Buffer.from([0, 1, 0xff]),
      ["a", 'b"c', null],
      { k: [1] },
      new Date(0),
      1.5,
    ];
    const { rows } = await client.query({
      text: `select $1::int4, $2::text, $3::bool, $4::text, $5::bytea, $6::text[], $7::jsonb, $8::timestamptz, $9::float8,
        12345678901234567890.5::numeric, 9007199254740993::int8, '{1,2}'::int4[]`,
      values,
      rowMode: "array",
    });
    equal(rows, [[...values, "12345678901234567890.5", "9007199254740993", [1, 2]]]);
    for (const value of [1, 2, 3]) {
      const named = { name: "doubled", text: "select $1::int * 2 as n", values: [value] };
      equal((await client.query(named)).rows, [{ n: value * 2 }]);
    }
  }),
);

check("errors, and transactions that fail", () =>
  using(async (client) => {
    await makeTable(client);
    const error = await failure(client.query("select nosuch from pg_class"));
    equal([error.severity, error.code, error.position], ["ERROR", "42703", "8"]);
    equal((await failure(client.query("select $1::int", ["x"]))).code, "22P02");
    await client.query("begin");
    await client.query("insert into ew_pg values ($1, $2)", [1, "one"]);
    await client.query("savepoint s");
    equal((await failure(client.query("insert into ew_pg values (1, 'again')"))).code, "23505");
    equal((await failure(client.query("select 1"))).code, "25P02");
    await client.query("rollback to s");
    await client.query("commit");
    await client.query("begin isolation level serializable; insert into ew_pg values (2, 'two')");
    await client.query("rollback");
    equal((await client.query("select * from ew_pg")).rows, [{ id: 1, name: "one" }]);
  }),
);

check("a pipeline of queries, one of which fails", () =>
  using(
    async (client) => {
      const numbers = Array.from({ length: 50 }, (_, n) => n);
      const settled = await Promise.allSettled(
        numbers.map((n) => client.query("select 100 / $1::int as n", [n])),
      );
      equal(
        settled.map((one) => (one.status === "fulfilled" ? one.value.rows[0]?.n : one.reason.code)),
        numbers.map((n) => (n === 0 ? "22012" : Math.trunc(100 / n))),
      );
    },
    { pipeline: true } as pg.ClientConfig,
  ),
);

check("a cursor, and a stream of rows", () =>
  using(async (client) => {
    const cursor = client.query(new Cursor<{ n: number }>("select n from generate_series(1, $1) n", [250]));
    const counts: number[] = [];
    for (let rows = await cursor.read(100); rows.length > 0; rows = await cursor.read(100))
      counts.push(rows.length);
    await cursor.close();
    equal(counts, [100, 100, 50]);
    let sum = 0;
    for await (const row of client.query(
      new QueryStream("select n from generate_series(1, 5000) n", [], { batchSize: 500 }),
    ))
      sum += (row as { n: number }).n;
    equal(sum, 12_502_500);
  }),
);

check("COPY in and out", () =>
  using(async (client) => {
    await makeTable(client);
    const lines = Array.from({ length: 20_000 }, (_, n) =>
      `${n}\trow \\N ${n}\n`.replace("\\N", n % 2 ? "a" : "\\\\"),
    );
    const writing = client.query(copyFrom("copy ew_pg from stdin"));
    await pipeline(lines, writing);
    equal(writing.rowCount, 20_000, "rows");
    const read: Buffer[] = [];
    for await (const chunk of client.query(copyTo("copy (select * from ew_pg order by id) to stdout")))
      read.push(chunk);
    equal(Buffer.concat(read).toString() === lines.join(""), true, "the same text");
    const broken = client.query(copyFrom("copy ew_pg (id) from stdin"));
    const error = await failure(pipeline(["30000\n", "x\n"], broken));
    equal([error.code, String(error.where).startsWith("COPY ew_pg, line 2")], ["22P02", true], "error");
    equal((await client.query("select count(*)::int as n from ew_pg")).rows, [{ n: 20_000 }]);
    await client.query("drop table ew_pg");
  }),
);

check("LISTEN and NOTIFY", () =>
  using(async (client) => {
    const heard = new Promise<pg.Notification>((resolve) => client.once("notification", resolve));
    await client.query("listen ew_pg");
    await using((other) => other.query("notify ew_pg, 'grün'"));
    const { channel, payload } = await heard;
    equal([channel, payload], ["ew_pg", "grün"]);
  }),
);

check("many rows, and eight clients of a pool", async () => {
  const pool = new pg.Pool({ connectionString: url, max: 8 });
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      pool.query("select $1::int as n, count(*)::int as rows from generate_series(1, 1000)", [n]),
    ),
  );
  equal(
    results.map(({ rows }) => rows[0]?.n),
    Array.from({ length: 40 }, (_, n) => n),
  );
  const { rows } = await pool.query("select n, 'row ' || n as text from generate_series(1, 20000) n");
  equal([rows.length, rows.at(-1)], [20_000, { n: 20_000, text: "row 20000" }]);
  await pool.end();
});

await main();
