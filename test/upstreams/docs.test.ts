// The tables of docs/upstreams.md, one for each data API: every row names a test that proves it.
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, "utf8");

test.each([
  ["neon", "test/upstreams/neon/state.test.ts"],
  ["rds-data", "test/upstreams/rds-data"],
  ["supabase", "test/upstreams/supabase/sessions.heavy.test.ts"],
])("every row of the table of %s has a proof", (_, where) => {
  const page = read("docs/upstreams.md");
  const start = page.indexOf(`| statement | what it does | proof in \`${where}\` |`);
  expect(start).toBeGreaterThan(0);
  const [table = ""] = page.slice(start).split("\n\n", 1);
  const rows = table.split("\n").slice(2);
  expect(rows.length).toBeGreaterThan(13);
  const files = where.endsWith(".ts") ? [where] : globSync(`${where}/*.test.ts`, { cwd: root });
  const tests = files.map(read).join("\n");
  const unproven = rows.filter((row) => {
    const proof = /\| "([^"]+)"(?:; `[^`]+`)? \|$/.exec(row)?.[1];
    return (
      proof === undefined ||
      !new RegExp(`^\\s*(?:test|describe)[^\\n]*\\("${escaped(proof)}`, "m").test(tests)
    );
  });
  expect(unproven).toEqual([]);
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
