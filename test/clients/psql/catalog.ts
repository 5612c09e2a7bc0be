/** The backslash commands that read the catalog: dozens of the queries that only a real pg_catalog answers. */

import { type Check, ensure, equal, includes, Skip } from "../check.ts";
import type { Target } from "../target.ts";
import { output, psql } from "./psql.ts";
import { psqlMajor } from "./script.ts";

const drop = "drop table if exists ew_psql_child, ew_psql_parent cascade";

/** Makes two tables with a bit of everything that \d shows. */
async function makeTables(target: Target): Promise<void> {
  await output(
    target,
    drop,
    `create table ew_psql_parent (
       id serial primary key,
       name varchar(40) not null default 'x',
       price numeric(8,2) check (price > 0),
       doubled int generated always as (2) stored
     )`,
    "create unique index ew_psql_parent_name on ew_psql_parent (lower(name)) where price > 1",
    "create table ew_psql_child (parent int references ew_psql_parent on delete cascade, at timestamptz)",
    "create view ew_psql_view as select id, name from ew_psql_parent",
    "comment on column ew_psql_parent.name is 'what it is called'",
  );
}

/** Runs commands after {@link makeTables} and drops the tables; fails on any error psql reports. */
async function describe(target: Target, ...commands: string[]): Promise<string> {
  await makeTables(target);
  try {
    return await show(target, ...commands);
  } finally {
    await output(target, drop);
  }
}

async function show(target: Target, ...commands: string[]): Promise<string> {
  const result = await psql(
    target,
    commands.flatMap((command) => ["-c", command]),
  );
  ensure(result.stderr === "" && result.code === 0, `exit code ${result.code}: ${result.stderr}`);
  return result.stdout;
}

/** Two commands of an older psql read columns that PostgreSQL 17 renamed: against it they fail by nature. */
async function skipWhenOutdated(target: Target, column: string): Promise<void> {
  const server = Number(await output(target, "show server_version_num"));
  const own = await psqlMajor();
  if (own < 17 && server >= 170000)
    throw new Skip(`psql ${own} reads ${column}, which PostgreSQL 17 renamed`);
}

export const catalogChecks: readonly Check[] = [
  {
    name: "\\d lists tables, views and sequences",
    run: async ({ target }) => {
      includes(
        await describe(target, "\\d"),
        "List of relations",
        /public \| ew_psql_child +\| table +\| postgres/,
        /public \| ew_psql_parent +\| table +\|/,
        /public \| ew_psql_parent_id_seq +\| sequence +\|/,
        /public \| ew_psql_view +\| view +\|/,
      );
    },
  },
  {
    name: "\\dt, \\dv, \\di, \\ds and patterns",
    run: async ({ target }) => {
      const tables = await describe(
        target,
        "\\dt",
        "\\dt ew_psql_p*",
        "\\dt public.ew_psql_child",
        "\\dv",
        "\\di ew_psql*",
        "\\ds",
      );
      equal(tables.split("ew_psql_child ").length - 1, 2, "times ew_psql_child is listed");
      includes(
        tables,
        /ew_psql_view +\| view/,
        /ew_psql_parent_name +\| index/,
        /ew_psql_parent_id_seq +\| sequence/,
      );
    },
  },
  {
    name: "\\d table shows columns, indexes, checks and foreign keys",
    run: async ({ target }) => {
      includes(
        await describe(target, "\\d ew_psql_parent", "\\d ew_psql_child"),
        'Table "public.ew_psql_parent"',
        /id +\| integer +\| +\| not null \| nextval\('ew_psql_parent_id_seq'::regclass\)/,
        /name +\| character varying\(40\) +\| +\| not null \| 'x'::character varying/,
        /doubled +\| integer +\| +\| +\| generated always as \(2\) stored/,
        '"ew_psql_parent_pkey" PRIMARY KEY, btree (id)',
        '"ew_psql_parent_name" UNIQUE, btree (lower(name::text)) WHERE price > 1::numeric',
        '"ew_psql_parent_price_check" CHECK (price > 0::numeric)',
        'TABLE "ew_psql_child" CONSTRAINT "ew_psql_child_parent_fkey" FOREIGN KEY (parent) REFERENCES ew_psql_parent(id) ON DELETE CASCADE',
        "Foreign-key constraints:",
      );
    },
  },
  {
    name: "\\d+ table, view and index",
    run: async ({ target }) => {
      includes(
        await describe(target, "\\d+ ew_psql_parent", "\\d+ ew_psql_view", "\\d+ ew_psql_parent_pkey"),
        "what it is called",
        "View definition:",
        'primary key, btree, for table "public.ew_psql_parent"',
      );
    },
  },
  {
    name: "\\d of what is not there",
    run: async ({ target }) => {
      const result = await psql(target, ["-c", "\\d no_such_table"]);
      includes(result.stderr, 'Did not find any relation named "no_such_table".');
    },
  },
  {
    name: "\\conninfo",
    run: async ({ target }) => {
      includes(await show(target, "\\conninfo"), /postgres/, new URL(target.url).port);
    },
  },
  {
    name: "\\l lists databases",
    run: async ({ target }) => {
      await skipWhenOutdated(target, "pg_database.daticulocale");
      includes(await show(target, "\\l", "\\l+"), "List of databases", /^ postgres +\| postgres +\| UTF8/m);
    },
  },
  {
    name: "\\dO lists collations",
    run: async ({ target }) => {
      await skipWhenOutdated(target, "pg_collation.colliculocale");
      includes(await show(target, "\\dO C"), "List of collations");
    },
  },
  {
    name: "\\du lists roles",
    run: async ({ target }) => {
      includes(await show(target, "\\du"), "List of roles", /postgres +\| Superuser/);
    },
  },
  {
    name: "\\dn, \\db, \\dx, \\dp, \\dT, \\dD, \\dC, \\do, \\dc",
    run: async ({ target }) => {
      const shown = await show(
        target,
        "\\dn",
        "\\db",
        "\\dx",
        "\\dp",
        "\\dT int4",
        "\\dD",
        "\\dC int4",
        "\\do ||",
        "\\dc utf8_to_latin1",
      );
      includes(shown, /^ +public \|/m, "pg_default", "plpgsql", /int4|integer/, "binary coercible");
    },
  },
  {
    name: "\\df lists functions, \\sf and \\sv show them",
    run: async ({ target }) => {
      await output(
        target,
        "create or replace function ew_psql_twice(n int) returns int language sql as 'select n * 2'",
      );
      try {
        const shown = await show(
          target,
          "\\df ew_psql*",
          "\\df+ ew_psql_twice",
          "\\sf ew_psql_twice",
          "\\df pg_catalog.string_agg",
          "\\da sum",
        );
        includes(
          shown,
          /public \| ew_psql_twice \| integer +\| n integer +\| func/,
          "CREATE OR REPLACE FUNCTION public.ew_psql_twice(n integer)",
        );
      } finally {
        await output(target, "drop function ew_psql_twice");
      }
      includes(await describe(target, "\\sv ew_psql_view"), "CREATE OR REPLACE VIEW public.ew_psql_view AS");
    },
  },
  {
    name: "\\dconfig, \\drds, \\dRp, \\dew, \\des, \\dE, \\dF, \\dL, \\dy, \\dX, \\ddp, \\dA",
    run: async ({ target }) => {
      const commands = [
        "\\drds",
        "\\dRp",
        "\\dRs",
        "\\dew",
        "\\des",
        "\\dE",
        "\\dF",
        "\\dL",
        "\\dy",
        "\\dX",
        "\\ddp",
        "\\dA",
        "\\dAc btree",
        "\\dl",
      ];
      if ((await psqlMajor()) >= 15) commands.push("\\dconfig work_mem");
      const result = await psql(
        target,
        commands.flatMap((command) => ["-c", command]),
      );
      // "Did not find any ..." is said of the empty ones; a query that fails is an ERROR.
      ensure(!result.stderr.includes("ERROR"), result.stderr);
      includes(result.stdout, "btree", "plpgsql");
    },
  },
];
