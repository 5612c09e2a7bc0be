// src/ imports only itself, and its layers point one way (ARCHITECTURE.md has the map). The linter and tsconfig.core.json
// check the same from other sides: they see names and types; this sees what a bundler finds.
import { readFileSync } from "node:fs";
import { glob } from "node:fs/promises";
import { dirname, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));

/** What each folder of src/ may import, besides itself. A new folder has to find its place here. */
const mayImport: Record<string, readonly string[]> = {
  wire: [],
  types: ["wire"],
  auth: ["wire"],
  sql: ["wire"],
  catalog: ["wire"],
  copy: ["wire", "sql"],
  session: ["wire", "types", "auth", "sql"],
  client: ["wire", "types", "auth"],
  upstreams: ["wire", "types", "auth", "sql", "catalog", "copy", "session", "client"],
  gateway: ["wire", "types", "auth", "sql", "catalog", "copy", "session", "client", "upstreams"],
  http: ["wire", "types", "auth", "sql", "catalog", "copy", "session", "client", "upstreams", "gateway"],
};

/** `sql` and `catalog` know nothing of the protocol but how to refuse, a text that is not UTF-8 among the rest. */
const errorOnly: ReadonlySet<string> = new Set(["sql", "catalog"]);
const errorFiles: ReadonlySet<string> = new Set(
  ["error", "sqlstate", "utf8"].map((name) => `src/wire/${name}.ts`),
);

/** The only packages src/ may name, and where: the HTTP app's router, and PostgreSQL's parser. */
const allowedPackages: Record<string, readonly string[]> = {
  http: ["hono"],
  sql: ["libpg-query"],
};

/** The runtime-free part of "." for a bundle; a ceiling to notice growth by, not a promise. */
const gzipCeiling = 100 * 1024;

interface Import {
  from: string;
  specifier: string;
  /** The path of the imported file, or undefined for what is not a relative path. */
  to: string | undefined;
}

const files: string[] = [];
for await (const path of glob("src/**/*.ts", { cwd: root })) {
  const file = path.replaceAll("\\", "/");
  if (!file.endsWith(".d.ts")) files.push(file);
}
files.sort();

const text = new Map(files.map((file) => [file, readFileSync(posix.join(root, file), "utf8")]));

/**
 * Every specifier of a file, type-only ones too: a bundler never sees those, and layers hold for types as well. Leans on
 * the formatter: a statement starts its line, and strings have double quotes.
 */
function importsOf(file: string): Import[] {
  const code = withoutComments(text.get(file) ?? "");
  const found = [
    ...code.matchAll(/^(?:import|export)\s(?:[^;"]*\sfrom\s)?"([^"]+)"/gm),
    ...code.matchAll(/\bimport\(\s*"([^"]+)"/g),
  ];
  return found.map((match) => {
    const specifier = match[1] as string;
    const relative = specifier.startsWith(".");
    return {
      from: file,
      specifier,
      to: relative ? posix.normalize(posix.join(dirname(file), specifier)) : undefined,
    };
  });
}

/** Drops the comments of formatted code: an example in one may well import the package by its name. */
function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

function layerOf(file: string): string | undefined {
  return /^src\/([^/]+)\//.exec(file)?.[1];
}

const imports = files.flatMap(importsOf);

async function bundle(entry: string): Promise<{ externals: string[]; gzip: number; metafile: Metafile }> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2023",
    // No runtime: node: and its kin do not resolve, and the plugin leaves them, as every package, external and counted.
    platform: "neutral",
    packages: "external",
    external: ["node:*", "cloudflare:*", "jsr:*", "npm:*", "https:*"],
    metafile: true,
    logLevel: "silent",
  });
  const externals = new Set<string>();
  for (const output of Object.values(result.metafile.outputs)) {
    for (const { path, external } of output.imports) if (external) externals.add(path);
  }
  const code = result.outputFiles[0]?.contents ?? new Uint8Array();
  return { externals: [...externals], gzip: gzipSync(code, { level: 9 }).length, metafile: result.metafile };
}

describe("purity", () => {
  const entries = files.filter((file) => /^src\/([^/]+\/)?mod\.ts$/.test(file));

  test("there is an entry point to look at", () => {
    expect(entries).toContain("src/mod.ts");
  });

  test.each(entries)("%s bundles with no runtime and no package", async (entry) => {
    const { externals, gzip } = await bundle(entry);
    const allowed = Object.values(allowedPackages).flat();
    expect(externals.filter((name) => !allowed.includes(packageName(name)))).toEqual([]);
    console.log(`${entry}: ${(gzip / 1024).toFixed(1)} KB minified and gzipped`);
  });

  test("the core stays small", async () => {
    const { gzip, externals } = await bundle("src/mod.ts");
    expect(externals, "`.` has no dependency at all").toEqual([]);
    expect(gzip).toBeLessThan(gzipCeiling);
  });

  test("no file of src names a package, not even for a type", () => {
    const strangers = imports.filter((found) => {
      if (found.to !== undefined) return false;
      const allowed = allowedPackages[layerOf(found.from) ?? ""] ?? [];
      return !allowed.includes(packageName(found.specifier));
    });
    expect(strangers.map((found) => `${found.from}: ${found.specifier}`)).toEqual([]);
  });

  test("no file of src reaches a runtime's global through globalThis", () => {
    const reached = files.filter((file) =>
      /globalThis(\.|\[["']|\s+as\b)[^;\n]*\b(process|Buffer|Deno|Bun|require)\b/.test(
        withoutComments(text.get(file) ?? ""),
      ),
    );
    expect(reached).toEqual([]);
  });

  test("src/globals.d.ts declares what is used, and nothing for later", () => {
    const declared = readFileSync(posix.join(root, "src/globals.d.ts"), "utf8").matchAll(
      /^declare (?:class|const|function) (\w+)/gm,
    );
    const used = [...text.values()].map(withoutComments).join("\n");
    const unused = [...declared]
      .map((match) => match[1] as string)
      .filter((name) => !new RegExp(`\\b${name}\\b`).test(used));
    expect(unused).toEqual([]);
  });

  test("imports stay inside src and end in .ts", () => {
    const wrong = imports.filter(({ to }) => to !== undefined && !text.has(to));
    expect(wrong.map(({ from, specifier }) => `${from}: ${specifier}`)).toEqual([]);
  });
});

describe("layers", () => {
  test("every folder of src has its place", () => {
    const folders = new Set(files.map(layerOf).filter((folder) => folder !== undefined));
    expect([...folders].filter((folder) => mayImport[folder] === undefined)).toEqual([]);
  });

  test("every import points down", () => {
    const wrong = imports.filter(({ from, to }) => {
      const layer = layerOf(from);
      if (layer === undefined || to === undefined) return false; // src/mod.ts is the roof: it may name them all
      const target = layerOf(to);
      if (target === layer) return false;
      if (target === undefined || !(mayImport[layer] ?? []).includes(target)) return true;
      return errorOnly.has(layer) && target === "wire" && !errorFiles.has(to);
    });
    expect(wrong.map(({ from, specifier }) => `${from}: ${specifier}`)).toEqual([]);
  });

  test("the table has no way round", () => {
    const settled = new Set<string>();
    const visit = (layer: string, path: string[]): void => {
      if (path.includes(layer)) throw new Error([...path, layer].join(" -> "));
      if (settled.has(layer)) return;
      for (const below of mayImport[layer] ?? []) visit(below, [...path, layer]);
      settled.add(layer);
    };
    for (const layer of Object.keys(mayImport)) visit(layer, []);
    expect(settled.size).toBe(Object.keys(mayImport).length);
  });
});

function packageName(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] as string);
}
