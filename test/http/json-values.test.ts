// Texts that a PostgreSQL does not send, or hardly ever: what it does send is tested with one (sql-suite.ts).
import { expect, test } from "vitest";
import { jsonOfValue } from "../../src/http/json-values.ts";

const int4s = 1007;
const texts = 1009;
const boxes = 1020;

test.each([
  [int4s, "{}", "[]"],
  [int4s, "{{},{}}", "[[],[]]"],
  [int4s, " { 1 , NULL , 3 } ", "[1,null,3]"],
  [int4s, "[-1:0][3:4]={{1,2},{3,4}}", "[[1,2],[3,4]]"],
  [texts, '{"NULL",NULL,null}', '["NULL",null,"null"]'],
  [texts, '{"",a b," c ","{","\\\\","\\"",ü}', '["","a b"," c ","{","\\\\","\\"","ü"]'],
  [texts, '{"two\nlines"}', '["two\\nlines"]'],
  [boxes, "{(1,1),(0,0);(2,2),(1,1)}", '["(1,1),(0,0)","(2,2),(1,1)"]'],
])("%d %s", (typeOid, text, json) => {
  expect(jsonOfValue(typeOid, text)).toBe(json);
});

test.each([
  "",
  "{",
  "}",
  "{1}}",
  "{1}{2}",
  "1",
  "{1,2",
  '{"a}',
  "[1:2]",
  "{1}x",
  "x{1}",
  "{,}",
  "{1,}",
  "{,1}",
  "{{1}2}",
  '{"a""b"}',
  "{}}",
  ",",
])("what is no array stays text: %s", (text) => {
  expect(jsonOfValue(int4s, text)).toBe(JSON.stringify(text));
});

test.each([
  [23, "01", '"01"'],
  [23, "-0", '"-0"'],
  [23, "", '""'],
  [701, ".5", '".5"'],
  [701, "1.", '"1."'],
  [701, "1e+20", "1e+20"],
  [114, "{", '"{"'],
  [3802, ' {"a": 1} ', ' {"a": 1} '],
])("%d %s", (typeOid, text, json) => {
  expect(jsonOfValue(typeOid, text)).toBe(json);
});

test("an element of ten million characters", () => {
  const long = "x\\\\".repeat(3_000_000);
  expect(jsonOfValue(texts, `{"${long}"}`)).toHaveLength(3_000_000 * 3 + 4);
});
