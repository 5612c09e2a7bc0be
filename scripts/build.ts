// Builds dist/ for npm: the sources of src/ and adapters/ with their types removed, and the declarations.
// Starts from an empty dist/, so that a file renamed in the sources leaves nothing behind.
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });

for (const project of ["tsconfig.build.workers.json", "tsconfig.build.json"]) {
  const { status } = spawnSync("tsc", ["-p", project], {
    stdio: "inherit",
    shell: process.platform === "win32", // where node_modules/.bin holds tsc.cmd
  });
  if (status !== 0) process.exit(status ?? 1);
}

// npm marks a package's commands executable when it installs them; do the same for a checkout that is linked.
const { bin } = JSON.parse(readFileSync("package.json", "utf8")) as { bin: Record<string, string> };
for (const command of Object.values(bin)) {
  if (!readFileSync(command, "utf8").startsWith("#!/usr/bin/env node\n")) {
    console.error(`${command} does not start with #!/usr/bin/env node: it could not be run as a command`);
    process.exit(1);
  }
  chmodSync(command, 0o755);
}
