// A PostgreSQL server of our own: a new cluster in a temporary folder, which goes when the target ends.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { announce, endWhenTold } from "./announce.ts";
import { freePort } from "./free-port.ts";
import { endServer, listens } from "./spawned-server.ts";

/** The newest installation that has both initdb and postgres. */
function findBinaries(): string | undefined {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(root, version, "bin")),
    ...(process.env.PATH ?? "").split(":"),
  ];
  return folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
}

/** PostgreSQL refuses to run as root: then it gets the account that its package made, or nobody's. */
function account(): { uid?: number; gid?: number } | undefined {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    const line = readFileSync("/etc/passwd", "utf8").match(new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, "m"));
    if (line) return { uid: Number(line[1]), gid: Number(line[2]) };
  }
  return undefined;
}

async function start(): Promise<void> {
  const bin = findBinaries();
  if (bin === undefined) return announce({ type: "missing", reason: "no PostgreSQL server is installed" });
  const identity = account();
  if (identity === undefined)
    return announce({ type: "missing", reason: "no unprivileged account to run it as" });

  const folder = mkdtempSync(join(tmpdir(), "edgewire-bench-"));
  if (identity.uid !== undefined && identity.gid !== undefined) chownSync(folder, identity.uid, identity.gid);
  const data = join(folder, "data");
  let child: ChildProcess | undefined;
  endWhenTold(async () => {
    // SIGINT is a fast shutdown: disconnect everybody and stop. SIGQUIT does not wait for anything. Never SIGKILL,
    // which would leave the server's other processes behind.
    if (child !== undefined) await endServer(child, "SIGINT", "SIGQUIT");
    rmSync(folder, { recursive: true, force: true });
  });
  // The locale C and no fsync make initdb quick; neither matters to SELECT 1.
  const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
  try {
    execFileSync(join(bin, "initdb"), initdb, { ...identity, cwd: folder, stdio: "ignore", timeout: 30_000 });
  } catch (cause) {
    return announce({ type: "missing", reason: `initdb failed: ${(cause as Error).message}` });
  }
  const port = await freePort();
  const settings = [
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    "unix_socket_directories=",
    "max_connections=200",
  ];
  const args = ["-D", data, ...settings.flatMap((setting) => ["-c", setting])];
  child = spawn(join(bin, "postgres"), args, { ...identity, cwd: folder, stdio: "ignore" });
  if (!(await listens(child, port))) {
    return announce({ type: "missing", reason: "the server did not listen" });
  }
  const version = execFileSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" })
    .trim()
    .split(" ")[2];
  announce({ type: "ready", port, ...(child.pid && { pid: child.pid }), ...(version && { version }) });
}

await start();
