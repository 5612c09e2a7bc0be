// What `wrangler deploy` would upload: that the configuration is complete, and what is in the bundle and what is not.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Metafile } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
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
  const bytes = gzipSync(readFileSync(join(folder, "worker.js")), { level: 9 }).length;
  console.log(`the Worker: ${(bytes / 1024).toFixed(1)} KiB gzipped`);
  expect(bytes).toBeLessThan(ceiling);
});

test("what only other runtimes can use is not in it", () => {
  const { inputs, outputs } = JSON.parse(readFileSync(join(folder, "meta.json"), "utf8")) as Metafile;
  const packages = new Set<string>();
  for (const input of Object.keys(inputs)) {
    const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(input) ?? [];
    if (name !== undefined && !input.includes("wrangler/templates")) packages.add(name);
  }
  expect([...packages]).toEqual(["hono"]);
  expect(Object.keys(inputs).filter((input) => /adapters\/(?!cloudflare\/)/.test(input))).toEqual([]);
  const externals = Object.values(outputs).flatMap(({ imports }) =>
    imports.filter(({ external }) => external),
  );
  expect([...new Set(externals.map(({ path }) => path))].sort()).toEqual([
    "cloudflare:sockets",
    "cloudflare:workers",
  ]);
});
