/**
 * Installs postgres-meta from npm, beside this file, as its lock file says. It is no dependency of the package's: with what
 * it needs itself it is 200 MB. `npm run test:upstreams` does so before its tests, which cannot wait as long as a registry
 * may take.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../../servers/process.ts";

const folder = import.meta.dirname;
/** Written when all of it is there: the lock file that it was installed by. */
const installed = join(folder, "node_modules/.installed-by.json");

/** Installs it, unless it is there. */
export async function install(): Promise<void> {
  const wanted = await readFile(join(folder, "package-lock.json"), "utf8");
  if ((await readFile(installed, "utf8").catch(() => "")) === wanted) return;
  const { code, stderr } = await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: folder,
    timeout: 600_000,
  });
  if (code !== 0) throw new Error(`postgres-meta could not be installed: ${stderr.slice(-2_000)}`);
  await writeFile(installed, wanted);
}

// Vitest calls it before all test files.
export { install as setup };
