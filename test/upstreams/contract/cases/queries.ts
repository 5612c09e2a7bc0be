/** Statements, their descriptions, and errors. */
import { bindMessage, type ContractClient } from "../client.ts";
import type { Cases } from "../contract.ts";

const books = [
  "drop table if exists contract_books",
  "create table contract_books (id serial primary key, title varchar(40) not null, price numeric(8, 2) check (price > 0))",
];
const drop = "drop table contract_books";

async function withBooks(client: ContractClient, work: () => Promise<void>): Promise<void> {
  await client.quietly(...books);
  await work();
  // Whatever the client has got itself into.
  await client.query("rollback");
  await client.quietly(drop);
}

const execute = (portal: string, maxRows: number) => ({ type: "Execute", portal, maxRows }) as const;
const sync = { type: "Sync" } as const;

export const queries: Cases = {
  queries: [
    {
      name: "values, nulls, and columns of equal names",
      run: (client) =>
        client.queries(
          `select 1 as a, null as a, 'text' as "A b", 1.50 as a, true, now() is null`,
          "select null::int, null::text[], ''",
          "values (1, 'x'), (null, 'y')",
          "select from generate_series(1, 2)",
          "select 1 where false",
          "",
          "select '\u00e4\u{1f418}', e'tab\\tline\\n', '\\\\'",
        ),
    },
    {
      name: "tags",
      run: (client) =>
        withBooks(client, () =>
          client.queries(
            "insert into contract_books (title, price) values ('a', 1), ('b', null), ('c', 3)",
            "insert into contract_books (title) values ('d') returning id, title",
            "update contract_books set price = price * 2 where price is not null",
            "delete from contract_books where title = 'd' returning title",
            "with gone as (delete from contract_books where title = 'c' returning *) select count(*) from gone",
            "merge into contract_books b using (values ('a'), ('z')) v (title) on b.title = v.title when matched then delete when not matched then insert (title) values (v.title)",
            "select title, price from contract_books order by title",
            "create index on contract_books (title)",
            "alter table contract_books add column note text",
            "truncate contract_books",
            "explain (costs off) select 1",
            "comment on table contract_books is 'books'",
          ),
        ),
    },
    {
      name: "functions, views, sequences and types of one's own",
      async run(client) {
        await client.queries(
          "create type contract_mood as enum ('sad', 'glad')",
          "create domain contract_positive as int check (value > 0)",
          "create function contract_twice(n int) returns int language sql as 'select n * 2'",
          "create view contract_moods as select m, contract_twice(2) as n from unnest(enum_range(null::contract_mood)) m",
          "select m, n, row(m, n), array[m] from contract_moods order by m",
          "select 3::contract_positive, 'glad'::contract_mood",
          "drop view contract_moods; drop function contract_twice; drop type contract_mood; drop domain contract_positive",
        );
      },
    },
  ],
  "several statements in one text": [
    {
      name: "run once, also where one of them fails",
      async run(client) {
        await client.quietly("drop sequence if exists contract_times", "create sequence contract_times");
        await client.queries(
          "select nextval('contract_times'); select 1/0",
          "select nextval('contract_times'); select 2",
          "select nextval('contract_times')",
        );
        await client.quietly("drop sequence contract_times");
      },
    },
    {
      name: "are one transaction",
      run: (client) =>
        withBooks(client, () =>
          client.queries(
            "insert into contract_books (id, title) values (1, 'a'); insert into contract_books (id, title) values (1, 'b'); select 1",
            "select count(*) from contract_books",
            "insert into contract_books (title) values ('a'); select count(*) from contract_books; select 2 as two",
            "begin; insert into contract_books (title) values ('b'); commit; select 1/0",
            "select title from contract_books order by title",
          ),
        ),
    },
  ],
  pipelines: [
    {
      name: "are one transaction, and end at the first error",
      run: (client) =>
        withBooks(client, async () => {
          const insert = (title: string | null) =>
            client.messages({
              sql: "insert into contract_books (title) values ($1)",
              parameters: [title],
              types: [25],
            });
          await client.send([...insert("a"), ...insert("b"), sync]);
          await client.send([...insert("c"), ...insert(null), ...insert("d"), sync]);
          await client.query("select title from contract_books order by title");
        }),
    },
    {
      name: "run once, also where a statement of them fails",
      async run(client) {
        await client.quietly("drop sequence if exists contract_times", "create sequence contract_times");
        const next = client.messages({ sql: "select nextval('contract_times')" });
        await client.send([...next, ...client.messages({ sql: "select 1/0" }), sync]);
        await client.send([...next, ...next, sync]);
        await client.query("select nextval('contract_times')");
        await client.quietly("drop sequence contract_times");
      },
    },
  ],
  "prepared statements of the protocol": [
    {
      name: "are parsed once, and run many times",
      async run(client) {
        await client.send([
          {
            type: "Parse",
            statement: "twice",
            query: "select $1::int * 2 as n, $2::text as t",
            parameterTypes: [],
          },
          { type: "Describe", kind: "S", name: "twice" },
          sync,
        ]);
        for (const n of ["1", "21", null]) {
          await client.send([bindMessage("", "twice", [n, "x"]), execute("", 0), sync]);
        }
        await client.send([{ type: "Close", kind: "S", name: "twice" }, sync]);
        await client.send([bindMessage("", "twice", ["1", "x"]), execute("", 0), sync]);
      },
    },
    {
      name: "know a table that was changed",
      run: (client) =>
        withBooks(client, async () => {
          await client.quietly("insert into contract_books (title) values ('a')");
          const run = () =>
            client.run({ sql: "select * from contract_books where title = $1", parameters: ["a"] });
          await run();
          await client.quietly("alter table contract_books add column note text default 'n'");
          await run();
        }),
    },
  ],
  descriptions: [
    {
      name: "of statements, which are not run",
      run: (client) =>
        withBooks(client, async () => {
          const describe = (query: string, ...parameterTypes: number[]) =>
            client.send([
              { type: "Parse", statement: "", query, parameterTypes },
              { type: "Describe", kind: "S", name: "" },
              sync,
            ]);
          await describe(
            "select id, title, price, price > $1 as dear from contract_books where title like $2",
          );
          await describe("insert into contract_books (title, price) values ($1, $2) returning *");
          await describe("update contract_books set price = $1 where id = any($2)");
          await describe("select $1, $2::jsonb -> 'a'", 20);
          await describe("select interval '1 day', array[array[1]], row(1, 2), now(), 'x'::name");
          await describe("select from contract_books");
          await describe("delete from contract_books");
          await describe("create table contract_more (n int)");
          await describe("begin");
          await describe("show timezone");
          await describe("select nosuch from contract_books");
          await describe("select $1 + $2");
          await describe("");
          await client.query("select count(*) from contract_books");
        }),
    },
  ],
  "columns' tables and modifiers": [
    {
      name: "are told",
      run: (client) =>
        withBooks(client, async () => {
          client.attention.origins = true;
          await client.query(
            "select id, title, price, id + 1 as next, 'x'::char(3), 1::numeric(5, 1) from contract_books",
          );
        }),
    },
  ],
  errors: [
    {
      name: "have code, message, detail, hint and position",
      run: (client) =>
        withBooks(client, () =>
          client.queries(
            "selec 1",
            "select nosuch from contract_books",
            "select * from nosuch",
            "select titel from contract_books",
            "select nosuch(1)",
            "select 1/0",
            "select 'x'::int",
            "insert into contract_books (id, title) values (1, 'a'), (1, 'b')",
            "insert into contract_books (title) values (null)",
            "insert into contract_books (title, price) values ('a', -1)",
            "insert into contract_books (title) values (repeat('x', 41))",
            "do $$ begin raise exception 'm' using errcode = 'P0777', detail = 'd', hint = 'h'; end $$",
            "select 1",
          ),
        ),
    },
    {
      name: "of statements with parameters",
      run: (client) =>
        withBooks(client, async () => {
          await client.run({ sql: "select $1::int", parameters: ["x"] });
          await client.run({ sql: "select 1 / $1::int", parameters: ["0"] });
          await client.run({ sql: "insert into contract_books (title) values ($1)", parameters: [null] });
          await client.run({ sql: "select $1, nosuch", parameters: ["x"] });
          await client.run({ sql: "select $1::int", parameters: [] });
        }),
    },
  ],
  "errors' context and objects": [
    {
      name: "are told",
      run: (client) =>
        withBooks(client, async () => {
          client.attention.context = true;
          await client.queries(
            "insert into contract_books (title, price) values ('a', -1)",
            "insert into contract_books (title) values (null)",
            "do $$ begin perform 1/0; end $$",
            "do $$ begin execute 'selec'; end $$",
          );
        }),
    },
  ],
  notices: [
    {
      name: "are heard",
      async run(client) {
        client.attention.notices = true;
        await client.queries(
          "drop table if exists contract_nosuch",
          "do $$ begin raise notice 'one'; raise warning 'two'; end $$",
          "begin",
          "do $$ begin raise notice 'in a transaction'; end $$",
          "commit",
          "commit",
        );
      },
    },
  ],
  "portals in steps": [
    {
      name: "give so many rows at a time, in a transaction",
      async run(client) {
        await client.query("begin");
        await client.send([
          {
            type: "Parse",
            statement: "",
            query: "select n from generate_series(1, $1::int) n",
            parameterTypes: [],
          },
          bindMessage("p", "", ["5"]),
          { type: "Describe", kind: "P", name: "p" },
          execute("p", 2),
          sync,
        ]);
        await client.query("select 'between'");
        await client.send([execute("p", 2), sync]);
        await client.send([execute("p", 2), sync]);
        await client.send([execute("p", 2), sync]);
        await client.send([{ type: "Close", kind: "P", name: "p" }, sync]);
        await client.query("commit");
        await client.send([execute("p", 2), sync]);
      },
    },
  ],
  FunctionCall: [
    {
      name: "calls a function",
      run: (client) =>
        client.send([
          {
            type: "FunctionCall",
            functionOid: 177,
            argumentFormats: [],
            arguments: ["2", "3"],
            resultFormat: 0,
          },
        ]),
    },
  ],
};
