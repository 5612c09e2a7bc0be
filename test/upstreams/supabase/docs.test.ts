// The table of docs/upstreams.md: each of its rows names a test that proves it.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

test("every row of Supabase's table has a proof", () => {
  const page = read("docs/upstreams.md");
  const proofs = "test/upstreams/supabase/sessions.heavy.test.ts";
  const start = page.indexOf(`| statement | what it does | proof in \`${proofs}\` |`);
  expect(start).toBeGreaterThan(0);
  const [table = ""] = page.slice(start).split("\n\n", 1);
  const rows = table.split("\n").slice(2);
  expect(rows.length).toBeGreaterThan(15);
  const tests = read(proofs);
  const unproven = rows.filter((row) => {
    const proof = /\| "([^"]+)" \|$/.exec(row)?.[1];
    return proof === undefined || !tests.includes(`test("${proof}"`);
  });
  expect(unproven).toEqual([]);
});
