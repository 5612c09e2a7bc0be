/** Data through psql: COPY, cursors, large objects, size. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Check, equal, includes } from "../check.ts";
import { output, psql } from "./psql.ts";
import { folderFor } from "./script.ts";

export const dataChecks: readonly Check[] = [
  {
    name: "\\copy from and to files",
    run: async (context) => {
      const { target } = context;
      const folder = await folderFor(context);
      const lines = Array.from({ length: 5000 }, (_, i) => `${i},"name ""${i}"""`);
      await writeFile(join(folder, "in.csv"), `id,name\n${lines.join("\n")}\n`);
      const result = await psql(target, ["-v", "ON_ERROR_STOP=1"], {
        cwd: folder,
        input: `drop table if exists ew_psql;
create table ew_psql (id int primary key, name text);
\\copy ew_psql from 'in.csv' (format csv, header)
\\copy (select * from ew_psql order by id) to 'out.csv' (format csv, header)
\\copy ew_psql to 'out.bin' (format binary)
truncate ew_psql;
\\copy ew_psql from 'out.bin' (format binary)
\\copy (select id, name from ew_psql order by id) to program 'head -n 2 > head.txt; cat > /dev/null'
drop table ew_psql;
`,
      });
      equal([result.code, result.stderr.replace(/^.*does not exist, skipping\n/, "")], [0, ""]);
      equal(result.stdout.split("COPY 5000\n").length - 1, 5, "COPY 5000");
      equal(
        await readFile(join(folder, "out.csv"), "utf8"),
        await readFile(join(folder, "in.csv"), "utf8"),
        "the file",
      );
      equal(await readFile(join(folder, "head.txt"), "utf8"), '0\tname "0"\n1\tname "1"\n', "the file");
    },
  },
  {
    name: "COPY from the script itself, and to standard output",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t", "-q"], {
        input: `drop table if exists ew_psql;
create table ew_psql (id int, name text);
copy ew_psql from stdin;
1\tone
2\t\\N
\\.
\\copy ew_psql from pstdin (delimiter ',')
3,three
\\.
copy (select * from ew_psql order by id) to stdout (format csv);
\\copy (select count(*) from ew_psql) to stdout
drop table ew_psql;
`,
      });
      equal(result.stdout, "1,one\n2,\n3,three\n3\n", "output");
    },
  },
  {
    name: "COPY errors name the line, and the session goes on",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t", "-q"], {
        input: `drop table if exists ew_psql;
create table ew_psql (id int);
copy ew_psql from stdin;
1
bad
\\.
select 'still here', count(*) from ew_psql;
drop table ew_psql;
`,
      });
      includes(
        result.stderr,
        'invalid input syntax for type integer: "bad"',
        'CONTEXT:  COPY ew_psql, line 2, column id: "bad"',
      );
      equal(result.stdout, "still here|0\n", "output");
    },
  },
  {
    name: "FETCH_COUNT reads through a cursor",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t", "-q"], {
        input: `\\set FETCH_COUNT 7
select i from generate_series(1, 100) i;
begin;
select 'in a transaction', i from generate_series(1, 10) i;
commit;
select 1 / (50 - i) from generate_series(1, 100) i;
\\echo
select 'on';
`,
      });
      const lines = result.stdout.trimEnd().split("\n");
      equal(lines.slice(0, 100).join(), Array.from({ length: 100 }, (_, i) => i + 1).join(), "rows");
      equal(lines.slice(100, 110).at(-1), "in a transaction|10", "row");
      equal(lines.at(-1), "on", "last line");
      includes(result.stderr, "division by zero");
    },
  },
  {
    name: "SQL cursors: DECLARE, FETCH, MOVE, WITH HOLD, CLOSE",
    run: async ({ target }) => {
      const result = await psql(target, ["-A", "-t"], {
        input: `begin;
declare c scroll cursor for select i from generate_series(1, 10) i;
fetch 2 from c;
move 3 from c;
fetch backward 1 from c;
fetch last from c;
close c;
declare h cursor with hold for select 'held';
commit;
fetch all from h;
close h;
`,
      });
      equal(
        result.stdout,
        "BEGIN\nDECLARE CURSOR\n1\n2\nMOVE 3\n4\n10\nCLOSE CURSOR\nDECLARE CURSOR\nCOMMIT\nheld\nCLOSE CURSOR\n",
        "output",
      );
    },
  },
  {
    name: "large objects: \\lo_import, \\lo_export, \\lo_list, \\lo_unlink",
    run: async (context) => {
      const folder = await folderFor(context);
      const data = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 256));
      await writeFile(join(folder, "in.bin"), data);
      // libpq does these with the FunctionCall message, which little else still sends.
      const result = await psql(context.target, ["-v", "ON_ERROR_STOP=1"], {
        cwd: folder,
        input: "\\lo_import in.bin comment\n\\lo_list\n\\lo_export :LASTOID out.bin\n\\lo_unlink :LASTOID\n",
      });
      equal([result.code, result.stderr], [0, ""]);
      includes(result.stdout, /lo_import \d+/, "comment", "lo_export", /lo_unlink \d+/);
      equal((await readFile(join(folder, "out.bin"))).equals(data), true, "the same bytes");
    },
  },
  {
    name: "100,000 rows and a value of 8 MB",
    run: async ({ target }) => {
      const rows = await output(target, "select i, 'row ' || i from generate_series(1, 100000) i");
      equal([rows.split("\n").length, rows.slice(-17)], [100_000, "100000|row 100000"]);
      const long = await output(target, "select repeat('0123456789abcdef', 524288)");
      equal(long.length, 8 << 20, "length");
      const sent = await psql(target, ["-A", "-t"], { input: `select length('${"x".repeat(1 << 20)}');\n` });
      equal(sent.stdout, `${1 << 20}\n`, "length");
    },
  },
  {
    name: "text in UTF-8",
    run: async ({ target }) => {
      equal(await output(target, "select 'é 😀', length('é 😀'), octet_length('é 😀')"), "é 😀|3|7");
    },
  },
  {
    name: "text converted for a LATIN1 client",
    run: async ({ target }) => {
      const latin1 = ["-A", "-t", "-q", "-c", "set client_encoding to 'LATIN1'"];
      const sent = await psql(target, [
        ...latin1,
        "-c",
        "select 'Ã' = chr(195) || chr(131), length('Ã'), to_hex(ascii(chr(233)))",
      ]);
      equal(sent.stdout, "t|2|e9\n", "the bytes of UTF-8, read as LATIN1");
      const refused = await psql(target, [...latin1, "-c", "select chr(128512)"]);
      includes(
        refused.stderr,
        'character with byte sequence 0xf0 0x9f 0x98 0x80 in encoding "UTF8" has no equivalent in encoding "LATIN1"',
      );
    },
  },
];
