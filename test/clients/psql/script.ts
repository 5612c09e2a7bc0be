/** psql run once: connecting, statements, errors, scripts, variables. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../servers/process.ts";
import { type Check, type Context, ensure, equal, includes } from "../check.ts";
import { output, psql } from "./psql.ts";

export const scriptChecks: readonly Check[] = [
  {
    name: "connects, and knows the server version",
    run: async ({ target }) => {
      const result = await psql(target, [
        "-A",
        "-t",
        "-c",
        "select version()",
        "-c",
        "\\echo :SERVER_VERSION_NUM",
      ]);
      includes(result.stdout, /^PostgreSQL \d+/, /\n\d{6}\n$/);
      equal(result.code, 0, "exit code");
    },
  },
  {
    name: "an unknown database is an error, and exit code 2",
    run: async ({ target }) => {
      const url = new URL(target.url);
      url.pathname = "/no_such_database";
      const result = await psql(target, ["-c", "select 1"], { url: url.href });
      includes(result.stderr, 'FATAL:  database "no_such_database" does not exist');
      equal(result.code, 2, "exit code");
    },
  },
  {
    name: "a wrong password is an error, and exit code 2; a right one can come from the environment",
    when: (target) => target.password,
    run: async ({ target }) => {
      const url = new URL(target.url);
      url.password = "wrong";
      const refused = await psql(target, ["-c", "select 1"], { url: url.href });
      includes(refused.stderr, /FATAL: {2}password authentication failed for user "\w+"/);
      equal(refused.code, 2, "exit code");
      url.password = "";
      const env = {
        PGPASSWORD: decodeURIComponent(new URL(target.url).password),
        PGCHANNELBINDING: "require",
      };
      const bound = await psql(target, ["-c", "\\conninfo"], { url: url.href, env });
      includes(bound.stdout, /TLS|SSL/);
      equal(bound.code, 0, "exit code");
    },
  },
  {
    name: "several statements in one -c are one transaction",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t", "-c", "select 1; select 'two', null; ; select 3"]);
      const major = await psqlMajor();
      // Before psql 15 only the last result of a -c was shown.
      equal(result.stdout, major >= 15 ? "1\ntwo|\n3\n" : "3\n", "output");
      await output(target, "drop table if exists ew_psql", "create table ew_psql (id int primary key)");
      const failed = await psql(target, [
        "-c",
        "insert into ew_psql values (1); insert into ew_psql values (1)",
      ]);
      includes(
        failed.stderr,
        'duplicate key value violates unique constraint "ew_psql_pkey"',
        "DETAIL:  Key (id)=(1)",
      );
      equal(failed.code, 1, "exit code");
      equal(
        await output(target, "select count(*) from ew_psql", "drop table ew_psql"),
        "0\nDROP TABLE",
        "rows",
      );
    },
  },
  {
    name: "an error has its position marked",
    run: async ({ target }) => {
      const syntax = await psql(target, ["-c", "select 1\nfrom where"]);
      includes(
        syntax.stderr,
        'ERROR:  syntax error at or near "where"\nLINE 2: from where\n             ^\n',
      );
      const column = await psql(target, ["-c", "select é, no_such_column from pg_class"]);
      includes(
        column.stderr,
        'ERROR:  column "é" does not exist\nLINE 1: select é, no_such_column from pg_class\n               ^\n',
      );
      const hint = await psql(target, ["-c", "select relnam from pg_class"]);
      includes(hint.stderr, /HINT: {2}Perhaps you meant to reference the column "pg_class.relname"/);
    },
  },
  {
    name: "VERBOSITY verbose and \\errverbose show every field",
    run: async ({ target }) => {
      const result = await psql(target, [], {
        input: "\\set VERBOSITY verbose\nselect 1/0;\n\\errverbose\n",
      });
      includes(result.stderr, "ERROR:  22012: division by zero\nLOCATION:  ");
      equal(result.stderr.split("22012").length, 3, "times shown, plus one");
      const state = await psql(target, [], {
        input: "\\set VERBOSITY sqlstate\nselect 1/0;\n\\echo :LAST_ERROR_SQLSTATE :SQLSTATE\n",
      });
      includes(state.stderr, "ERROR:  22012\n");
      equal(state.stdout, "22012 22012\n", "output");
    },
  },
  {
    name: "a script stops at its first error, with exit code 3",
    run: async (context) => {
      const script = join(await folderFor(context), "script.sql");
      await writeFile(script, "select 'before';\nselect * from no_such_table;\nselect 'after';\n");
      const stopped = await psql(context.target, ["-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", script]);
      equal([stopped.code, stopped.stdout], [3, "before\n"]);
      includes(stopped.stderr, "script.sql:2: ERROR:");
      const whole = await psql(context.target, ["-A", "-t", "-f", script]);
      equal([whole.code, whole.stdout], [0, "before\nafter\n"]);
    },
  },
  {
    name: "--single-transaction keeps all or nothing",
    run: async ({ target }) => {
      await output(target, "drop table if exists ew_psql", "create table ew_psql (id int)");
      const args = ["-1", "-v", "ON_ERROR_STOP=1"];
      await psql(target, args, { input: "insert into ew_psql values (1);\nselect 1/0;\n" });
      equal(await output(target, "select count(*) from ew_psql"), "0", "rows after an error");
      await psql(target, args, {
        input: "insert into ew_psql values (1);\ninsert into ew_psql values (2);\n",
      });
      equal(
        await output(target, "select count(*) from ew_psql", "drop table ew_psql"),
        "2\nDROP TABLE",
        "rows",
      );
    },
  },
  {
    name: "AUTOCOMMIT off and ON_ERROR_ROLLBACK",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t", "-q"], {
        input: `drop table if exists ew_psql;
create table ew_psql (id int);
\\set AUTOCOMMIT off
\\set ON_ERROR_ROLLBACK on
insert into ew_psql values (1);
select 1/0;
insert into ew_psql values (2);
commit;
select string_agg(id::text, ',') from ew_psql;
drop table ew_psql;
commit;
`,
      });
      equal(result.stdout, "1,2\n", "output");
      includes(result.stderr, "division by zero");
    },
  },
  {
    name: "a failed transaction refuses statements until ROLLBACK",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t"], {
        input: "begin;\nselect 1/0;\nselect 1;\ncommit;\nselect 'on';\n",
      });
      includes(
        result.stderr,
        "current transaction is aborted, commands ignored until end of transaction block",
      );
      equal(result.stdout, "BEGIN\nROLLBACK\non\n", "output");
    },
  },
  {
    name: "notices and warnings",
    run: async ({ target }) => {
      const result = await psql(target, [
        "-c",
        "do $$ begin raise notice 'hello'; raise warning 'careful'; end $$",
        "-c",
        "commit",
      ]);
      includes(
        result.stderr,
        "NOTICE:  hello\n",
        "WARNING:  careful\n",
        "WARNING:  there is no transaction in progress\n",
      );
    },
  },
  {
    name: "\\gset, \\gexec, \\gx, \\gdesc, \\crosstabview, \\if and variables",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t", "-v", "given=it's"], {
        input: `select 42 as number, 'text' as word \\gset
\\echo :number :word
select :'given';
select 'select ' || i from generate_series(1, 3) i \\gexec
select 1 as a, 'x'::varchar as b, now() as c, '{}'::int[] as d \\gdesc
select 1 as a, 2 as b \\gx
select y, x, v from (values (1, 'p', 10), (1, 'q', 20), (2, 'p', 30)) t(y, x, v) \\crosstabview
\\if :{?number}
\\echo known
\\endif
`,
      });
      equal(
        result.stdout,
        "42 text\nit's\n1\n2\n3\na|integer\nb|character varying\nc|timestamp with time zone\nd|integer[]\na|1\nb|2\n1|10|20\n2|30|\nknown\n",
        "output",
      );
      equal(result.stderr, "", "errors");
    },
  },
  {
    name: "\\gdesc of types with modifiers",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t"], {
        input: "select 'x'::varchar(5) as a, 1.5::numeric(8, 2) as b \\gdesc\n",
      });
      equal(result.stdout, "a|character varying(5)\nb|numeric(8,2)\n", "output");
    },
  },
  {
    name: "\\gdesc of what returns nothing, and of an error",
    run: async ({ target }) => {
      const result = await psql(target, [], {
        input: "set work_mem = '5MB' \\gdesc\nselect no_such_column \\gdesc\nselect 1;\n",
      });
      includes(result.stdout, "The command has no result, or the result has no columns.");
      includes(result.stderr, 'column "no_such_column" does not exist');
    },
  },
  {
    name: "options from the environment: PGOPTIONS, PGAPPNAME, PGTZ",
    run: async ({ target }) => {
      const env = {
        PGOPTIONS: "-c work_mem=9MB",
        PGAPPNAME: "my app",
        PGTZ: "Asia/Tokyo",
      };
      const show = ["work_mem", "application_name", "timezone"].flatMap((name) => ["-c", `show ${name}`]);
      const result = await psql(target, ["-A", "-t", ...show], { env });
      equal(result.stdout, "9MB\nmy app\nAsia/Tokyo\n", "output");
    },
  },
  {
    name: "the encoding from the environment: PGCLIENTENCODING",
    run: async ({ target }) => {
      const env = { PGCLIENTENCODING: "LATIN1" };
      const result = await psql(target, ["-A", "-t", "-c", "show client_encoding"], { env });
      equal([result.stdout, result.stderr], ["LATIN1\n", ""], "output");
    },
  },
  {
    name: "\\c connects again, and an unknown database keeps the connection",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t", "-q"], {
        input: "set work_mem = '9MB';\n\\c\nshow work_mem;\nselect 'still here';\n",
      });
      ensure(!result.stdout.includes("9MB"), "work_mem outlived the connection");
      includes(result.stdout, "still here\n");
      const password = decodeURIComponent(new URL(target.url).password);
      const refused = await psql(target, ["-A", "-t"], {
        input: "\\c no_such_database\nselect 'still here';\n",
        env: password === "" ? {} : { PGPASSWORD: password },
      });
      includes(refused.stderr, 'database "no_such_database" does not exist');
    },
  },
  {
    name: "a prepared statement of SQL, and \\bind where psql has it",
    run: async ({ target }) => {
      equal(
        await output(target, "prepare p(int) as select $1 + 1", "execute p(41)", "deallocate p"),
        "PREPARE\n42\nDEALLOCATE",
      );
      if ((await psqlMajor()) < 16) return;
      const bound = await psql(target, ["-A", "-t"], { input: "select $1::int + $2::int \\bind 40 2 \\g\n" });
      equal(bound.stdout, "42\n", "output");
    },
  },
  {
    name: "\\timing, \\pset and other formats",
    run: async ({ target }) => {
      const query = "select 1 as a, null as b, 'x' as c";
      const result = await psql(target, ["-P", "null=NULL", "-c", "\\timing on", "-c", query]);
      includes(result.stdout, " a |  b   | c \n---+------+---\n 1 | NULL | x\n(1 row)\n", /Time: [\d.,]+ ms/);
      const csv = await psql(target, ["--csv", "-c", query]);
      equal(csv.stdout, "a,b,c\n1,,x\n", "output");
    },
  },
];

/** A folder of the check's own, removed when it is over. */
export async function folderFor(context: Context): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "edgewire-psql-"));
  context.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The major version of psql itself. */
export async function psqlMajor(): Promise<number> {
  return Number(/(\d+)/.exec((await run("psql", ["--version"], { timeout: 10_000 })).stdout)?.[1]);
}
