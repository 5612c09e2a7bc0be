import { expect, test } from "vitest";
import { countParameters } from "../../src/sql/mod.ts";

test.each([
  ["select 1", 0],
  ["select $1, $3", 3],
  ["select '$2', \"$3\", $$ $4 $$, a$5 -- $6\n, $1::int", 1],
])("%s", (sql, count) => {
  expect(countParameters(sql)).toBe(count);
});
