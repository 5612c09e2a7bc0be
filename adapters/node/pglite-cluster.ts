// The initial cluster. initdb takes PGlite several seconds and a second PostgreSQL in memory; unpacking its result
// takes a tenth of that. So the first start keeps a copy, which depends on nothing but the version of PGlite.
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";

/** WAL in files of 1 MiB: PostgreSQL's 16 are mostly zeros here, and those in memory are memory. */
export const initdbParameters: string[] = ["--wal-segsize=1"];

/** Where this user's programs keep what they can make again. */
export function userCacheDir(environment: Record<string, string | undefined>, platform: string): string {
  if (environment.EDGEWIRE_CACHE_DIR) return environment.EDGEWIRE_CACHE_DIR;
  if (platform === "win32") {
    return join(environment.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "edgewire", "Cache");
  }
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "edgewire");
  return join(environment.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "edgewire");
}

function fileOf(cacheDir: string, pgliteVersion: string): string {
  const parameters = createHash("sha256").update(initdbParameters.join("\0")).digest("hex").slice(0, 8);
  return join(cacheDir, `pglite-${pgliteVersion}-${parameters}.tar.gz`);
}

/** The kept cluster as a tar archive, or undefined when there is none that can be used. */
export async function loadCluster(cacheDir: string, pgliteVersion: string): Promise<Uint8Array | undefined> {
  const file = fileOf(cacheDir, pgliteVersion);
  try {
    // Its functions run with the rights of this process: take none that somebody else has put there.
    const { uid } = await stat(file);
    if (process.getuid !== undefined && uid !== process.getuid()) return undefined;
    return await promisify(gunzip)(await readFile(file)); // checks length and checksum
  } catch {
    return undefined;
  }
}

/** Keeps a cluster for the starts to come. A cache that cannot be written only makes those slower. */
export async function saveCluster(cacheDir: string, pgliteVersion: string, tar: Uint8Array): Promise<void> {
  const file = fileOf(cacheDir, pgliteVersion);
  const unfinished = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    await mkdir(cacheDir, { recursive: true, mode: 0o700 });
    await writeFile(unfinished, await promisify(gzip)(tar, { level: 1 }), { mode: 0o600, flag: "wx" });
    await chmod(unfinished, 0o600);
    // Whoever starts at the same time either sees all of it or none.
    await rename(unfinished, file);
  } catch {
    await rm(unfinished, { force: true }).catch(() => {});
  }
}

/** After a start with it failed. */
export async function dropCluster(cacheDir: string, pgliteVersion: string): Promise<void> {
  await rm(fileOf(cacheDir, pgliteVersion), { force: true }).catch(() => {});
}
