/** A real PostgreSQL server, where one is installed: a cluster of its own in a temporary folder, on a free port. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";

export interface PostgresServer {
  readonly port: number;
  /** Path of its Unix socket: there, a server built with GSSAPI offers none, and answers GSSENCRequest with N. */
  readonly socket: string;
  /** Major version. */
  readonly version: number;
  stop(): Promise<void>;
}

/** The server's settings that differ from a bare cluster's: PGlite's, and nothing that costs time. */
const settings = {
  listen_addresses: "127.0.0.1",
  fsync: "off",
  autovacuum: "off",
  max_connections: "20",
  shared_buffers: "16MB",
  timezone: "UTC",
  search_path: "public",
  log_min_messages: "fatal",
};

/** @returns the server, or why there is none. */
export async function startPostgres(extra: Record<string, string> = {}): Promise<PostgresServer | string> {
  const bin = binaries();
  if (bin === undefined) return "no PostgreSQL server is installed (initdb and postgres were looked for)";
  const owner = unprivileged();
  if (owner === undefined) return "PostgreSQL does not run as root, and there is no other user to run it as";
  const folder = mkdtempSync(join(tmpdir(), "edgewire-postgres-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid ?? owner.uid);
    const data = join(folder, "data");
    const environment = { PATH: process.env.PATH ?? "", LC_ALL: "C", TZ: "UTC" };
    const common = { ...owner, cwd: folder, env: environment };
    execFileSync(
      join(bin, "initdb"),
      ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
      { ...common, stdio: "pipe", timeout: 60_000 },
    );
    const version = Number.parseInt(readFileSync(join(data, "PG_VERSION"), "utf8"), 10);
    const port = await freePort();
    const all = Object.entries({
      ...settings,
      port: String(port),
      unix_socket_directories: folder,
      ...extra,
    });
    const flags = all.flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(join(bin, "postgres"), ["-D", data, ...flags], { ...common, stdio: "ignore" });
    await untilListening(child, port);
    const socket = join(folder, `.s.PGSQL.${port}`);
    return { port, socket, version, stop: () => stop(child).finally(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}

function binaries(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  try {
    folders.unshift(execFileSync("pg_config", ["--bindir"], { encoding: "utf8", stdio: "pipe" }).trim());
  } catch {
    // pg_config belongs to the development files: the server may be there without it.
  }
  folders.push(...versions("/usr/lib/postgresql").map((version) => `/usr/lib/postgresql/${version}/bin`));
  return folders.find((folder) => ["initdb", "postgres"].every((name) => list(folder).includes(name)));
}

const versions = (folder: string): string[] => list(folder).sort((a, b) => Number(b) - Number(a));

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** initdb wants a user that /etc/passwd knows. Empty: this process is not root. */
function unprivileged(): { uid?: number; gid?: number } | undefined {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const user = users.find((fields) => fields[0] === name);
    if (user) return { uid: Number(user[2]), gid: Number(user[3]) };
  }
  return undefined;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

async function untilListening(child: ChildProcess, port: number): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    if (child.exitCode !== null) throw new Error(`postgres ended with ${child.exitCode}`);
    if (await answers(port)) return;
    await setTimeout(50);
  }
  child.kill("SIGKILL");
  throw new Error("postgres did not start listening");
}

/** True once the server takes sessions: before, it accepts connections and refuses them with 57P03. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const packet = Buffer.from("\0\0\0\0\0\x03\0\0user\0postgres\0\0", "latin1");
    packet.writeInt32BE(packet.length, 0);
    socket.once("connect", () => socket.write(packet));
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data[0] === 0x52);
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}

/** SIGINT is PostgreSQL's fast shutdown. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGINT");
  const timer = globalThis.setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
}
