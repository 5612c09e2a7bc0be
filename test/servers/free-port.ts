/**
 * A port for a server that cannot be asked which one it took. It is none of those that a system gives to outgoing
 * connections by itself (32768 and up on Linux, 49152 and up elsewhere): such a connection could take it in between.
 */
import { once } from "node:events";
import { createServer } from "node:net";

const lowest = 20_000;
const highest = 32_767;

/** @returns a port of 127.0.0.1 that nothing listens on */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1));
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
