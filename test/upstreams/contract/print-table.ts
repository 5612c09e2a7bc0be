/** Set up before all test files of `npm run test:upstreams`: at the end it prints the table of what they have found. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { adapters } from "./adapters/all.ts";
import { markdownTable, type TableColumn } from "./table.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Where each upstream's column goes. */
    capabilityFolder: string;
  }
}

/** Vitest's setup, and what it calls at the end. */
export function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "edgewire-capabilities-"));
  project.provide("capabilityFolder", folder);
  return () => {
    const found = new Map(
      readdirSync(folder)
        .map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as TableColumn)
        .map((column) => [column.name, column]),
    );
    const columns = adapters.flatMap(({ name }) => found.get(name) ?? []);
    rmSync(folder, { recursive: true });
    if (columns.length > 0) console.log(`\n${markdownTable(columns)}\n`);
  };
}
