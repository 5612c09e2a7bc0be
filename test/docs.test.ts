// The pages for people name files, tests and messages. What they name exists, and no message is forgotten.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { backendCodes, frontendCodes } from "../src/wire/codes.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const pages = globSync(["*.md", "docs/**/*.md", "bench/*.md", "examples/**/*.md"], { cwd: root });
const coverage = "docs/protocol-coverage.md";

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

test.each(pages)("%s links to what exists", (page) => {
  const links = [...read(page).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map((match) => match[1] as string);
  const broken = links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => !existsSync(join(root, normalize(join(dirname(page), link)))));
  expect(broken).toEqual([]);
});

test.each(pages)("%s names files that exist", (page) => {
  const paths = read(page).matchAll(
    /\b(?:src|adapters|test|scripts|examples|bench)\/[\w./-]+\.(?:ts|mjs|sh|md)\b/g,
  );
  const missing = [...new Set([...paths].map((match) => match[0]))].filter(
    (path) => !existsSync(join(root, path)) && !existsSync(join(root, dirname(page), path)),
  );
  expect(missing).toEqual([]);
});

test("every message of the protocol has a row in the coverage page", () => {
  const named = new Set([...read(coverage).matchAll(/\b[A-Z][A-Za-z0-9]+\b/g)].map((match) => match[0]));
  const messages = [...Object.keys(frontendCodes), ...Object.keys(backendCodes)];
  expect(messages.filter((message) => message !== "Authentication" && !named.has(message))).toEqual([]);
});

/** A proof is written `test/wire/framer.test.ts` or `test/wire/framer.test.ts`: "part of the test's name". */
test("every test that the coverage page gives as a proof is there", () => {
  const proofs = [...read(coverage).matchAll(/`(test\/[^`]+)`(?:: "([^"|]+)")?/g)];
  expect(proofs.length).toBeGreaterThan(0);
  const missing = proofs
    .filter(([, path = "", name = ""]) => !existsSync(join(root, path)) || !read(path).includes(name))
    .map(([proof]) => proof);
  expect(missing).toEqual([]);
});

test("every row of the coverage page has a proof", () => {
  const rows = read(coverage)
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (message|behaviour) /.test(line));
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.filter((row) => !row.includes("`test/"))).toEqual([]);
});
