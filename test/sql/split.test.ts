import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitStatements } from "../../src/sql/mod.ts";

const atomic = `create or replace function f(begin atomic) returns int begin atomic
  select 1 as end;
  select case when true then 1 else 2 end;
  insert into t values (1); ;
end`;

describe("statements", () => {
  const table: [sql: string, statements: string[]][] = [
    ["", []],
    [" \t\n", []],
    [";", []],
    [" ; ;; ", []],
    ["-- only a comment", []],
    ["/* ; */ -- ;", []],
    ["select 1", ["select 1"]],
    ["\n select $1 \v", ["select $1"]],
    ["select 1;", ["select 1"]],
    ["select 1; \n", ["select 1"]],
    ["select 1; select 2", ["select 1", "select 2"]],
    ["select ';'; select \";\"", ["select ';'", 'select ";"']],
    ["select $$;$$; select $a$;$$;$a$", ["select $$;$$", "select $a$;$$;$a$"]],
    ["/* a; */ select /* b; */ 1 /* c; */; -- d;", ["select /* b; */ 1"]],
    ["select E'\\';'; select 2", ["select E'\\';'", "select 2"]],
    ["select '\\'; select 2", ["select '\\'", "select 2"]],
    ["select 'a' -- ;\n; select 2", ["select 'a'", "select 2"]],
    ["select U&'a' uescape ';' ; select 2", ["select U&'a' uescape ';'", "select 2"]],
    [
      "create rule r as on insert to t do also (select 1; select 2); select 3",
      ["create rule r as on insert to t do also (select 1; select 2)", "select 3"],
    ],
    ["select (1; select 2", ["select (1; select 2"]],
    ["select 1); select 2", ["select 1)", "select 2"]],
    [`${atomic}; select 2`, [atomic, "select 2"]],
    [
      `${atomic.replace("function", "procedure")};${atomic};`,
      [atomic.replace("function", "procedure"), atomic],
    ],
    ["begin; select 1 as atomic; end; select 2", ["begin", "select 1 as atomic", "end", "select 2"]],
    ["create table begin (atomic int); end", ["create table begin (atomic int)", "end"]],
    ["begin atomic; select 1; end", ["begin atomic", "select 1", "end"]],
    [
      "create function f() begin begin atomic select 1; end; x",
      ["create function f() begin begin atomic select 1; end", "x"],
    ],
    [
      "create function f() begin atomic create function g() begin atomic select 1; end; select 2; end; x",
      ["create function f() begin atomic create function g() begin atomic select 1; end; select 2; end", "x"],
    ],
    ["create function f() begin atomic end; x", ["create function f() begin atomic end", "x"]],
    [
      "create function f() as 'begin atomic select 1; end'; x",
      ["create function f() as 'begin atomic select 1; end'", "x"],
    ],
    ["\u00a0;x", ["\u00a0", "x"]],
  ];
  test.each(table)("%j", (sql, statements) => {
    const found = splitStatements(sql);
    expect(found.map(({ text }) => text)).toEqual(statements);
    for (const { text, start, end } of found) expect(sql.slice(start, end)).toBe(text);
  });
});

test("what the lexer throws", () => {
  expect(() => splitStatements("select 1; select 'a")).toThrow('unterminated quoted string at or near "\'a"');
  expect(() => splitStatements("select 1 /* ;")).toThrow('unterminated /* comment at or near "/* ;"');
});

test("backslashes, when standard_conforming_strings is off", () => {
  expect(splitStatements("select '\\';'; x", { standardConformingStrings: false })).toMatchObject([
    { text: "select '\\';'" },
    { text: "x" },
  ]);
});

const statements = [
  "select 1",
  "select ';', \";\", $$;$$, $q$;$$;$q$",
  "insert into t values ('a'';b', E'\\';')",
  "select /* ; */ 1 -- ;\n + 2",
  "create rule r as on insert to t do also (delete from a; delete from b)",
  "begin",
  "end",
  atomic,
];
const blanks = ["", " ", "\n", "/* ; */", "-- ;\n", "  ;; ", ";/**/"];

test("statements joined by semicolons come apart again", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.constantFrom(...blanks), fc.constantFrom(...statements), fc.constantFrom(...blanks)),
      ),
      (parts) => {
        const sql = parts.map((part) => part.join("")).join(";");
        expect(splitStatements(sql).map(({ text }) => text)).toEqual(parts.map(([, text]) => text));
      },
    ),
  );
});
