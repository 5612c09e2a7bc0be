// Unix sockets named as PostgreSQL names them (PostgreSQL documentation, 19.3.1 Connection Settings,
// unix_socket_directories), and what a server that died left of them.
import { lstatSync, statSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

/** libpq's default, which names the socket in a folder. */
const defaultPort = 5432;

/** The path to listen on: in a folder the name that `psql -h folder -p port` looks for. */
export function socketPath(path: string, port: number = defaultPort): string {
  return isFolder(path) ? join(path, `.s.PGSQL.${port}`) : path;
}

/** What to give to psql for a socket, or undefined if libpq cannot be told to use it. */
export function psqlAddress(path: string): { folder: string; port: number } | undefined {
  const match = /^(.*)\/\.s\.PGSQL\.(\d+)$/.exec(path);
  return match ? { folder: match[1] || "/", port: Number(match[2]) } : undefined;
}

/** Removes the socket of a server that is no more. Whether it did: a live one, or another kind of file, is left alone. */
export async function removeStale(path: string): Promise<boolean> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  const probe = connect(path);
  const refused = await new Promise<boolean>((resolve) => {
    probe.once("connect", () => resolve(false));
    probe.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNREFUSED"));
  });
  probe.destroy();
  if (refused) unlinkSync(path);
  return refused;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
