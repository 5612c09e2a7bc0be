// docs/upstreams.md says of each upstream what its adapter declares, and its tests prove.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { adapters } from "./adapters/all.ts";
import { capabilities, cellOf } from "./contract.ts";
import { markdownTable } from "./table.ts";

test("the table of docs/upstreams.md is that of the contract", () => {
  const page = readFileSync(new URL("../../../docs/upstreams.md", import.meta.url), "utf8");
  const columns = adapters.map(({ name, has }) => ({
    name,
    cells: capabilities.map((capability) => cellOf(has[capability])),
  }));
  const start = page.indexOf("\n| | pglite |") + 1;
  expect(start).toBeGreaterThan(0);
  const [table] = page.slice(start).split("\n\n", 1);
  expect(table).toBe(markdownTable(columns));
});
