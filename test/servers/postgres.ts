/** A real PostgreSQL server, where one is installed: a cluster of its own in a temporary folder, on a free port. */

import { chmod, chown, copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { find, isExecutable, run, start, stop } from "./process.ts";
import { untilReady } from "./ready.ts";

export interface PostgresServer {
  readonly port: number;
  /** Path of its Unix socket: there, a server built with GSSAPI offers none, and answers GSSENCRequest with N. */
  readonly socket: string;
  /** Major version. */
  readonly version: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** Of the superuser `postgres`; absent: it has none. */
  readonly password?: string;
  /** What is not as in a bare cluster. */
  readonly settings?: Readonly<Record<string, string>>;
  /** pg_hba.conf; absent: everybody is trusted. */
  readonly rules?: string;
  /** Paths of what is copied beside postgresql.conf, by the names that it gets. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The folder with `initdb` and `postgres`, or undefined when no server is installed. */
export async function findPostgres(): Promise<string | undefined> {
  const folders: string[] = [];
  const asked = await run("pg_config", ["--bindir"], { timeout: 10_000 });
  if (asked.code === 0) folders.push(asked.stdout.trim());
  const onPath = find("initdb");
  if (onPath !== undefined) folders.push(join(onPath, ".."));
  // Debian keeps server programs out of PATH, in one folder for each major version; the newest wins.
  const debian = "/usr/lib/postgresql";
  const versions = await readdir(debian).catch(() => []);
  versions.sort((a, b) => Number(b) - Number(a));
  folders.push(...versions.map((version) => join(debian, version, "bin")));
  return folders.find(
    (folder) => isExecutable(join(folder, "initdb")) && isExecutable(join(folder, "postgres")),
  );
}

/** @param bin the folder of `initdb` and `postgres` */
export async function startPostgres(bin: string, options: PostgresOptions = {}): Promise<PostgresServer> {
  const account = await serverAccount();
  const folder = await mkdtemp(join(tmpdir(), "edgewire-postgres-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await own(folder, 0o700, account);
    const data = join(folder, "data");
    const common = { ...account, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" } };
    const authentication = ["-A", "trust"];
    if (options.password !== undefined) {
      const file = join(folder, "password");
      await writeFile(file, `${options.password}\n`);
      await own(file, 0o600, account);
      authentication.push(`--pwfile=${file}`);
    }
    const made = await run(
      join(bin, "initdb"),
      ["-D", data, "-U", "postgres", ...authentication, "-E", "UTF8", "--locale=C", "--no-sync"],
      { ...common, timeout: 120_000 },
    );
    if (made.code !== 0) throw new Error(`initdb failed: ${made.stderr.trim()}`);
    for (const [name, path] of Object.entries(options.files ?? {})) {
      await copyFile(path, join(data, name));
      await own(join(data, name), 0o600, account);
    }
    if (options.rules !== undefined) await writeFile(join(data, "pg_hba.conf"), options.rules);
    const version = Number.parseInt(await readFile(join(data, "PG_VERSION"), "utf8"), 10);
    const port = await freePort();
    const settings = {
      listen_addresses: "127.0.0.1",
      port: String(port),
      unix_socket_directories: folder,
      ...options.settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = start(join(bin, "postgres"), ["-D", data, ...flags], { ...common, stdio: "ignore" });
    await untilReady(child, port, 60_000);
    return {
      port,
      socket: join(folder, `.s.PGSQL.${port}`),
      version,
      pid: child.pid ?? 0,
      // SIGINT is PostgreSQL's fast shutdown.
      stop: () => stop(child, "SIGINT", 15_000).finally(remove),
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package made, or as nobody. */
async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const user = users.find(([first]) => first === name);
    if (user !== undefined) return { uid: Number(user[2]), gid: Number(user[3]) };
  }
  throw new Error("PostgreSQL does not run as root, and there is no other user to run it as");
}

async function own(path: string, mode: number, account: Account | undefined): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid);
  await chmod(path, mode);
}
