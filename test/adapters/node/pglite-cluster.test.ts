import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  dropCluster,
  loadCluster,
  saveCluster,
  userCacheDir,
} from "../../../adapters/node/pglite-cluster.ts";

const parent = mkdtempSync(join(tmpdir(), "edgewire-cluster-"));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const tar = new TextEncoder().encode("an archive ".repeat(1000));

test("keeps one cluster for each version, readable by its user only", async () => {
  const cache = join(parent, "kept");
  expect(await loadCluster(cache, "1.0.0")).toBeUndefined();
  await saveCluster(cache, "1.0.0", tar);
  expect(Buffer.compare((await loadCluster(cache, "1.0.0")) ?? Buffer.alloc(0), tar)).toBe(0);
  expect(await loadCluster(cache, "1.0.1")).toBeUndefined();
  if (process.platform === "win32") return console.log("no permission bits on Windows");
  expect(statSync(cache).mode & 0o077).toBe(0);
  for (const file of readdirSync(cache)) expect(statSync(join(cache, file)).mode & 0o077).toBe(0);
});

test("does without one that is damaged, and after it was dropped", async () => {
  const cache = join(parent, "damaged");
  await saveCluster(cache, "1.0.0", tar);
  const [file = ""] = readdirSync(cache);
  truncateSync(join(cache, file), 30);
  expect(await loadCluster(cache, "1.0.0")).toBeUndefined();
  await saveCluster(cache, "1.0.0", tar);
  expect(await loadCluster(cache, "1.0.0")).toBeDefined();
  await dropCluster(cache, "1.0.0");
  expect(readdirSync(cache)).toEqual([]);
});

test("many may save at once", async () => {
  const cache = join(parent, "many");
  await Promise.all(Array.from({ length: 20 }, () => saveCluster(cache, "1.0.0", tar)));
  expect(readdirSync(cache).length).toBe(1);
  expect((await loadCluster(cache, "1.0.0"))?.length).toBe(tar.length);
});

test("a cache that cannot be written is none", async () => {
  const file = join(parent, "file");
  writeFileSync(file, "");
  await saveCluster(join(file, "cache"), "1.0.0", tar);
  expect(await loadCluster(join(file, "cache"), "1.0.0")).toBeUndefined();
});

test("is where the system keeps such things", () => {
  expect(userCacheDir({ EDGEWIRE_CACHE_DIR: "/here" }, "linux")).toBe("/here");
  expect(userCacheDir({ XDG_CACHE_HOME: "/cache" }, "linux")).toBe(join("/cache", "edgewire"));
  expect(userCacheDir({}, "linux")).toMatch(/\.cache.edgewire$/);
  expect(userCacheDir({}, "darwin")).toMatch(/Caches.edgewire$/);
  expect(userCacheDir({ LOCALAPPDATA: "C:" }, "win32")).toBe(join("C:", "edgewire", "Cache"));
});
