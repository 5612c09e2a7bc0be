// The version of an installed package, for the legend. Asked of the file, since packages do not export their manifest.

import { readFileSync } from "node:fs";

/** `entry` is the URL of a file in the package's dist folder, as import.meta.resolve gives it. */
export function packageVersion(entry: string): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", entry), "utf8")) as { version: string };
  return manifest.version;
}
