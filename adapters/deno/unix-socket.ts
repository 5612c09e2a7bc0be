// Unix sockets named as PostgreSQL names them, as on Node, and what a server that died left of them.
import { lstatSync, unlinkSync } from "node:fs";

export { psqlAddress, socketPath } from "../node/unix-socket.ts";

/** Removes the socket of a server that is no more. Whether it did: a live one, or another kind of file, is left alone. */
export async function removeStale(path: string): Promise<boolean> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  try {
    const probe = await Deno.connect({ transport: "unix", path });
    probe.close();
    return false;
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) return false;
  }
  unlinkSync(path);
  return true;
}
