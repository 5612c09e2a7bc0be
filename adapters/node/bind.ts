// Where a server socket listens: TCP, or a Unix socket.
import { chmodSync } from "node:fs";
import type { Server } from "node:net";
import { removeStale } from "./unix-socket.ts";

export interface BindOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 (default) takes a free port. */
  readonly port?: number | undefined;
  /** A Unix socket instead of host and port. What a server that died left there is removed. */
  readonly path?: string | undefined;
  /** Mode of the Unix socket. Default 0o700: the own user's processes only. */
  readonly mode?: number | undefined;
}

/** Makes a server listen. Rejects with Node's error (EADDRINUSE …) if that fails. */
export async function bind(server: Server, options: BindOptions): Promise<void> {
  const { path } = options;
  if (path === undefined)
    return bound(server, { port: options.port ?? 0, host: options.host ?? "127.0.0.1" });
  try {
    await bound(server, { path });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || !(await removeStale(path))) throw error;
    await bound(server, { path });
  }
  chmodSync(path, options.mode ?? 0o700);
}

function bound(server: Server, where: { path: string } | { port: number; host: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
