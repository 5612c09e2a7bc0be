// What `wrangler deploy` would upload: that the configuration is complete, and what is in the bundle and what is not.
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Metafile } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { quiet } from "./wrangler-dev.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "edgewire-bundle-"));

/** Bytes, compressed; what a Worker may have on Cloudflare's free plan is three times that. */
const ceiling = 1024 * 1024;

let output: string;

beforeAll(async () => {
  const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js");
  const metafile = join(folder, "meta.json");
  const args = ["deploy", "--dry-run", "--outdir", folder, "--metafile", metafile];
  const { stdout } = await promisify(execFile)(process.execPath, [wrangler, ...args], {
    cwd: root,
    timeout: 50_000,
    env: { ...process.env, ...quiet, CI: "true", NO_COLOR: "1" },
  });
  output = stdout;
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the configuration is complete: the objects are bound, and nothing else is asked for", () => {
  expect(output).toContain("--dry-run: exiting now.");
  expect(output).not.toMatch(/warning/i);
  expect(output.match(/env\.\w+/g)).toEqual(["env.EDGEWIRE_SESSIONS", "env.EDGEWIRE_BROKER"]);
});

test("the bundle is small", () => {
  const parts = readdirSync(folder).filter((name) => /\.(js|wasm)$/.test(name));
  const sizes = parts.map((name) => gzipSync(readFileSync(join(folder, name)), { level: 9 }).length);
  const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(1);
  console.log(
    `the Worker: ${parts.map((name, at) => `${name} ${kibibytes(sizes[at] ?? 0)} KiB`).join(", ")} gzipped`,
  );
  expect(parts).toHaveLength(2);
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(ceiling);
});

describe("what is in it", () => {
  let meta: Metafile;

  beforeAll(() => {
    meta = JSON.parse(readFileSync(join(folder, "meta.json"), "utf8")) as Metafile;
  });

  test("is nothing that only other runtimes can use", () => {
    const packages = new Set<string>();
    for (const input of Object.keys(meta.inputs)) {
      const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(input) ?? [];
      if (name !== undefined && !input.includes("wrangler/templates")) packages.add(name);
    }
    expect([...packages].sort()).toEqual(["aws4fetch", "hono", "libpg-query"]);
    expect(Object.keys(meta.inputs).filter((input) => /adapters\/(?!cloudflare\/)/.test(input))).toEqual([
      "adapters/node/signed-fetch.ts",
    ]);
  });

  test("asks the runtime for its own modules only; those of Node are what Emscripten has for Node", () => {
    const imports = Object.values(meta.outputs).flatMap((output) => output.imports);
    const paths = imports.filter(({ external }) => external).map(({ path }) => path);
    expect([...new Set(paths)].filter((path) => !path.endsWith(".wasm")).sort()).toEqual([
      "cloudflare:sockets",
      "cloudflare:workers",
      "node:crypto",
      "node:fs",
    ]);
  });

  test("is PostgreSQL's parser, but loaded by who needs it", () => {
    const wasm = Object.values(meta.outputs).flatMap(({ imports }) =>
      imports.filter(({ path }) => path.endsWith(".wasm")),
    );
    expect(wasm.map(({ kind }) => kind)).toEqual(["dynamic-import"]);
    const importers = Object.entries(meta.inputs).flatMap(([path, { imports }]) =>
      imports.filter((one) => one.path.includes("libpg-query")).map(({ kind }) => `${path} ${kind}`),
    );
    expect([...new Set(importers)]).toEqual(["adapters/cloudflare/parser.ts dynamic-import"]);
  });
});
