// package.json (npm) and deno.json (JSR) name the same entry points, and every one of them exists.
import { existsSync, globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

type Condition = { types: string; default: string };

interface Manifest {
  name: string;
  version: string;
  license: string;
  type: string;
  exports: Record<string, Condition | string>;
  bin: Record<string, string>;
  files: string[];
  dependencies: Record<string, string>;
  main?: string;
}

interface DenoManifest {
  name: string;
  version: string;
  license: string;
  exports: Record<string, string>;
  imports: Record<string, string>;
  publish: { include: string[] };
}

const root = new URL("../", import.meta.url);

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, root), "utf8"));
}

function exists(path: string): boolean {
  return existsSync(new URL(path, root));
}

const npm = readJson("package.json") as Manifest;
const deno = readJson("deno.json") as DenoManifest;

/** tsconfig.build.json has rootDir "." and outDir "dist": dist/a/b.js and dist/a/b.d.ts come from a/b.ts. */
function source(emitted: string): string {
  return emitted.replace(/^(\.\/)?dist\//, "./").replace(/\.d\.ts$|\.js$/, ".ts");
}

const entries = Object.entries(npm.exports).filter(
  (entry): entry is [string, Condition] => typeof entry[1] !== "string",
);

test("package.json and deno.json export the same names from the same sources, besides the runtimes' own", () => {
  // What only Workers can load is of no use to who installs from JSR for Deno: wrangler bundles from npm.
  const shared = entries.filter(([name]) => name !== "./cloudflare");
  const fromNpm = Object.fromEntries(shared.map(([name, target]) => [name, source(target.default)]));
  const others = Object.entries(deno.exports).filter(([name]) => !/^\.\/deno(\/|$)/.test(name));
  expect(fromNpm).toEqual(Object.fromEntries(others));
  for (const path of Object.values(deno.exports)) expect(exists(path), path).toBe(true);
});

test("package.json and deno.json name the same versions of packages", () => {
  const fromNpm = Object.entries(npm.dependencies).map(([name, range]) => [name, `npm:${name}@${range}`]);
  expect(deno.imports).toEqual(Object.fromEntries(fromNpm));
});

test("package.json and deno.json agree on version and licence", () => {
  expect(deno.version).toBe(npm.version);
  expect(deno.license).toBe(npm.license);
  expect(deno.name).toBe(`@${npm.name}/${npm.name}`);
});

test.each(entries)("%s has types, code and a source", (_name, target) => {
  expect(Object.keys(target), "types must come first, for TypeScript takes the first that matches").toEqual([
    "types",
    "default",
  ]);
  expect(source(target.types)).toBe(source(target.default));
  expect(exists(source(target.default)), source(target.default)).toBe(true);
});

test("whatever is not built exists as it is named", () => {
  for (const [name, target] of Object.entries(npm.exports)) {
    if (typeof target === "string") expect(exists(target), name).toBe(true);
  }
  for (const file of npm.files) {
    if (file !== "dist") expect(exists(file), file).toBe(true);
  }
  for (const file of deno.publish.include) expect(exists(file), file).toBe(true);
});

/** Folders of src/ that are not an interface for others: SQL's tokens and classes. */
const internal = ["copy", "sql"];

test("every folder of src with a mod.ts is an entry point, or known to be internal", () => {
  const folders = globSync("src/*/mod.ts", { cwd: root })
    .map((path) => `./${path.replaceAll("\\", "/")}`)
    .filter((path) => !internal.includes(path.split("/")[2] ?? ""));
  const exported = Object.values(deno.exports).filter((path) => /^\.\/src\/[^/]+\/mod\.ts$/.test(path));
  expect(exported.sort()).toEqual(folders.sort());
});

test("the commands are scripts that Node can start", () => {
  for (const [name, path] of Object.entries(npm.bin)) {
    const text = readFileSync(new URL(source(path), root), "utf8");
    expect(text.startsWith("#!/usr/bin/env node\n"), name).toBe(true);
  }
});

test("the package is ESM only", () => {
  expect(npm.type).toBe("module");
  expect(npm.main).toBeUndefined();
  expect(JSON.stringify(npm.exports)).not.toContain('"require"');
});

test("the lockfile names no registry host", () => {
  const lock = readFileSync(new URL("package-lock.json", root), "utf8");
  expect(lock).not.toMatch(/"resolved"/);
});
