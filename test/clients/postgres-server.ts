/**
 * A real PostgreSQL server in a temporary folder on a free port: the upstream of one gateway, and, with
 * `--target direct`, the server that the client programs themselves are checked against.
 */

import { chmod, chown, copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Certificate } from "./certificate.ts";
import { freePort, untilReady } from "./port.ts";
import { find, isExecutable, run, start, stop } from "./process.ts";

export interface PostgresServer {
  port: number;
  stop(): Promise<void>;
}

/** The server that install.sh brings: newer than most installed ones. Undefined where it is not there. */
export function findNewServer(): string | undefined {
  const folder = fileURLToPath(new URL(".cache/server/bin", import.meta.url));
  return isExecutable(join(folder, "postgres")) ? folder : undefined;
}

/** The folder with `initdb` and `postgres`, or undefined when no server is installed. */
export async function findPostgresServer(): Promise<string | undefined> {
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

/**
 * Starts a server whose superuser is `postgres`. Plain connections are trusted; with a certificate, TLS
 * connections are offered and must give the password with SCRAM.
 */
export async function startPostgresServer(
  bin: string,
  password: string,
  certificate?: Certificate,
): Promise<PostgresServer> {
  const owner = await serverOwner();
  const folder = await mkdtemp(join(tmpdir(), "edgewire-postgres-"));
  const data = join(folder, "data");
  const remove = () => rm(folder, { recursive: true, force: true });
  const own = async (file: string, mode: number) => {
    if (owner !== undefined) await chown(file, owner.uid, owner.gid);
    await chmod(file, mode);
  };
  try {
    await own(folder, 0o700);
    const passwordFile = join(folder, "password");
    await writeFile(passwordFile, `${password}\n`);
    await own(passwordFile, 0o600);
    const made = await run(
      join(bin, "initdb"),
      [
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        `--pwfile=${passwordFile}`,
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
      ],
      { ...owner, cwd: folder, timeout: 120_000 },
    );
    if (made.code !== 0) throw new Error(`initdb failed: ${made.stderr.trim()}`);
    const settings = [
      "listen_addresses=127.0.0.1",
      "unix_socket_directories=",
      "fsync=off",
      "max_connections=60",
    ];
    if (certificate !== undefined) {
      for (const [from, name] of [
        [certificate.certificate, "server.crt"],
        [certificate.key, "server.key"],
      ] as const) {
        await copyFile(from, join(data, name));
        await own(join(data, name), 0o600);
      }
      settings.push("ssl=on");
      await writeFile(
        join(data, "pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 scram-sha-256\nhostnossl all all 127.0.0.1/32 trust\n",
      );
    }
    const port = await freePort();
    const child = start(
      join(bin, "postgres"),
      ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])],
      { ...owner, cwd: folder, stdio: "ignore" },
    );
    await untilReady(child, port, 60_000);
    return {
      port,
      stop: async () => {
        await stop(child, "SIGINT", 15_000);
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** PostgreSQL refuses to run as root: then it runs as the `postgres` user its package made. */
async function serverOwner(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [user, group] = await Promise.all(
    ["-u", "-g"].map((flag) => run("id", [flag, "postgres"], { timeout: 10_000 })),
  );
  if (user?.code !== 0 || group?.code !== 0)
    throw new Error("running as root, and there is no user postgres");
  return { uid: Number(user.stdout), gid: Number(group.stdout) };
}
