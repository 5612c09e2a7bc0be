import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lexer, type Token, type TokenType, tokenize } from "../../src/sql/mod.ts";
import { PgError } from "../../src/wire/mod.ts";

function shapes(sql: string): [TokenType, string][] {
  return tokenize(sql).map(({ type, value }) => [type, value]);
}

function failure(sql: string, options?: { standardConformingStrings?: boolean }): PgError {
  try {
    tokenize(sql, options);
  } catch (error) {
    if (error instanceof PgError) return error;
    throw error;
  }
  throw new Error(`no error: ${sql}`);
}

describe("one token", () => {
  const table: [sql: string, type: TokenType, value: string][] = [
    ["SELECT", "word", "select"],
    ["İÀABC$1_", "word", "İÀabc$1_"],
    ["a$$b", "word", "a$$b"],
    ["_x", "word", "_x"],
    ["a".repeat(70), "word", "a".repeat(63)],
    ['"Mixed"', "quotedIdentifier", "Mixed"],
    ['"a""b"', "quotedIdentifier", 'a"b'],
    [`"${"é".repeat(40)}"`, "quotedIdentifier", "é".repeat(31)],
    ['U&"d\\0061t\\+000061"', "quotedIdentifier", "data"],
    ["u&\"d!0061ta\" uescape '!'", "quotedIdentifier", "data"],
    ['U&"a""\\0041"', "quotedIdentifier", 'a"A'],
    ["'it''s'", "string", "it's"],
    ["'\\n'", "string", "\\n"],
    ["'a'\n'b' -- c\n 'c'", "string", "abc"],
    ["'a'  \n--c ' \r\n 'b'", "string", "ab"],
    ["E'\\n\\x41\\101\\u0041\\U0001F600\\'\\\\'''", "string", "\nAAA😀'\\'"],
    ["E'\\xc3\\xa9'", "string", "é"],
    ["E'\\xc3'\n'\\xa9'", "string", "é"],
    ["E'\\ud83d\\ude00'", "string", "😀"],
    ["e'a'\n'\\t'", "string", "a\t"],
    ["E'\\v\\b\\f\\8\\q\\é'", "string", "\v\b\f8qé"],
    ["U&'\\0041\\+01F600\\\\'", "string", "A😀\\"],
    ["U&'!0041!!' UESCAPE '!'", "string", "A!"],
    ["U&'!0041' /* x */ uEscape $$!$$", "string", "A"],
    ["$$a'b\"c--d/*$$", "string", "a'b\"c--d/*"],
    ["$é1$x$$y$é$ $é1$", "string", "x$$y$é$ "],
    ["B'101'", "bitString", "b101"],
    ["x'1F'\n'a0'", "bitString", "x1Fa0"],
    ["42", "number", "42"],
    ["0x1F", "number", "31"],
    ["0b1_01", "number", "5"],
    ["0o_17", "number", "15"],
    ["1_000", "number", "1000"],
    ["007", "number", "7"],
    ["1e10", "number", "1e10"],
    ["1.5E-3", "number", "1.5E-3"],
    [".5", "number", ".5"],
    ["1.", "number", "1."],
    ["$12", "parameter", "12"],
    ["::", "punctuation", "::"],
    [":=", "punctuation", ":="],
    ["..", "punctuation", ".."],
    ["{", "punctuation", "{"],
    ["=>", "operator", "=>"],
    ["<>", "operator", "<>"],
    ["@-", "operator", "@-"],
    ["->>", "operator", "->>"],
  ];
  test.each(table)("%s", (sql, type, value) => {
    const padded = `/* a */ ${sql}`;
    expect(tokenize(padded)).toEqual([{ type, value, text: sql, start: 8, end: padded.length }]);
  });
});

describe("several tokens", () => {
  const table: [sql: string, tokens: [TokenType, string][]][] = [
    ["", []],
    [" \t\n\r\f\v-- only\n/* a /* nested */ b */", []],
    [
      "N'x'",
      [
        ["word", "nchar"],
        ["string", "x"],
      ],
    ],
    [
      "'a' 'b'",
      [
        ["string", "a"],
        ["string", "b"],
      ],
    ],
    [
      "'a' /* \n */ 'b'",
      [
        ["string", "a"],
        ["string", "b"],
      ],
    ],
    [
      "b'1''0'",
      [
        ["bitString", "b1"],
        ["string", "0"],
      ],
    ],
    [
      "e 'a'",
      [
        ["word", "e"],
        ["string", "a"],
      ],
    ],
    [
      "u&x",
      [
        ["word", "u"],
        ["operator", "&"],
        ["word", "x"],
      ],
    ],
    [
      "2*-1",
      [
        ["number", "2"],
        ["operator", "*"],
        ["operator", "-"],
        ["number", "1"],
      ],
    ],
    [
      "a+-+-b",
      [
        ["word", "a"],
        ...["+", "-", "+", "-"].map((sign): [TokenType, string] => ["operator", sign]),
        ["word", "b"],
      ],
    ],
    [
      "3*/* x */4",
      [
        ["number", "3"],
        ["operator", "*"],
        ["number", "4"],
      ],
    ],
    [
      "5 @-- x\n3",
      [
        ["number", "5"],
        ["operator", "@"],
        ["number", "3"],
      ],
    ],
    [
      "1..2",
      [
        ["number", "1"],
        ["punctuation", ".."],
        ["number", "2"],
      ],
    ],
    [
      "a.b",
      [
        ["word", "a"],
        ["punctuation", "."],
        ["word", "b"],
      ],
    ],
    [
      "x::int[1:2]",
      [
        ["word", "x"],
        ["punctuation", "::"],
        ["word", "int"],
        ["punctuation", "["],
        ["number", "1"],
        ["punctuation", ":"],
        ["number", "2"],
        ["punctuation", "]"],
      ],
    ],
    [
      "$x",
      [
        ["punctuation", "$"],
        ["word", "x"],
      ],
    ],
    [
      "1$$a$$",
      [
        ["number", "1"],
        ["string", "a"],
      ],
    ],
    ["/*/ */a", [["word", "a"]]],
    ["a\u00a0b", [["word", "a\u00a0b"]]],
  ];
  test.each(table)("%j", (sql, tokens) => {
    expect(shapes(sql)).toEqual(tokens);
  });
});

test("standard_conforming_strings off makes backslashes escapes everywhere", () => {
  const options = { standardConformingStrings: false };
  expect(tokenize("'a\\'b;'", options)).toMatchObject([{ type: "string", value: "a'b;" }]);
  expect(failure("'a\\'", options).message).toBe("unterminated quoted string at or near \"'a\\'\"");
  expect(failure("U&'a'", options)).toMatchObject({ code: "0A000" });
});

test("a lexer gives the tokens without making objects", () => {
  const lexer = new Lexer("select 'a''b', x;");
  const seen: string[] = [];
  while (lexer.next())
    seen.push(`${lexer.type} ${lexer.start}-${lexer.end} ${lexer.value} ${lexer.punctuation}`);
  expect(seen).toEqual([
    "word 0-6 select 0",
    "string 7-13 a'b 0",
    "punctuation 13-14 , 44",
    "word 15-16 x 0",
    "punctuation 16-17 ; 59",
  ]);
  expect(lexer.next()).toBe(false);
});

// What follows a string constant decides its end, so pieces are joined with what keeps two strings apart.
const pieces: [sql: string, type: TokenType, value: string][] = [
  ["Foo", "word", "foo"],
  ['"a ""; b"', "quotedIdentifier", 'a "; b'],
  ["'a '';-- b'", "string", "a ';-- b"],
  ["E'\\';\\\\'", "string", "';\\"],
  ["$x$ ';$$ $x$", "string", " ';$$ "],
  ["X'AB'", "bitString", "xAB"],
  ["12.5e3", "number", "12.5e3"],
  ["$3", "parameter", "3"],
  ["<=", "operator", "<="],
  [";", "punctuation", ";"],
  ["(", "punctuation", "("],
];
const blanks = [" ", "\n-- ' \" $$ ;\n", "/* ; /* ' */ \" */", "\t/**/ "];

test("tokens never overlap, and cover all but white space and comments", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...pieces), fc.constantFrom(...blanks))),
      fc.constantFrom(...blanks),
      (parts, before) => {
        let sql = before;
        const expected: Token[] = [];
        for (const [[text, type, value], blank] of parts) {
          expected.push({ type, value, text, start: sql.length, end: sql.length + text.length });
          sql += text + (type === "string" || type === "bitString" ? "/* \n */" : blank);
        }
        expect(tokenize(sql)).toEqual(expected);
      },
    ),
  );
});

test("any text gives tokens in order, or PostgreSQL's error", () => {
  const alphabet = [..."'\"$\\-/*.eEuU&xb01_a; \n(+@é😀"];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...alphabet)), (characters) => {
      const sql = characters.join("");
      let end = 0;
      try {
        for (const token of tokenize(sql)) {
          const { text, start } = token;
          if (start < end || token.end <= start || text !== sql.slice(start, token.end)) return false;
          end = token.end;
        }
        return end <= sql.length;
      } catch (error) {
        return error instanceof PgError && ["42601", "22025", "22021"].includes(error.code);
      }
    }),
    { numRuns: 5000 },
  );
});

// Each was quadratic in some lexer: the time-out of the test is what fails.
test.each([
  ["line comments", "-- x\n"],
  ["comments", "/* x */"],
  ["nested comments", "/*"],
  ["strings", "'a' "],
  ["continued strings", "'a'\n"],
  ["doubled quotes", "''"],
  ["Unicode strings", "U&'\\0041' "],
  ["operators", "+-"],
  ["dollars", "$a "],
  ["dollar quotes", "$a$ "],
  ["underscores", "1_"],
  ["digits", "0"],
  ["escapes", "E'\\x41' "],
])("256 kB of %s", (_name, piece) => {
  const sql = piece.repeat(Math.ceil(2 ** 18 / piece.length));
  try {
    tokenize(sql);
  } catch (error) {
    expect(error).toBeInstanceOf(PgError);
  }
});
