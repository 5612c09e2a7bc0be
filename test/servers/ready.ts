/** Waiting until a PostgreSQL server or a gateway answers on its port. */

import type { ChildProcess } from "node:child_process";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { kill } from "./process.ts";

/** Waits until a startup packet is answered; throws, with the child killed, when it exits or takes too long. */
export async function untilReady(child: ChildProcess, port: number, timeout: number): Promise<void> {
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  const deadline = Date.now() + timeout;
  while (Date.now() < deadline) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`ended with ${child.exitCode ?? child.signalCode} before it answered on port ${port}`);
    }
    if (await answers(port)) return;
    await delay(100);
  }
  kill(child);
  throw new Error(`no answer on port ${port} within ${timeout} ms`);
}

/**
 * Whether the server behind a port is ready: any Authentication message, or an error other than 57P03
 * ("the database system is starting up"), which a server sends while its port is open already.
 */
function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, "127.0.0.1");
  socket.setTimeout(10_000, () => socket.destroy());
  socket.once("connect", () => socket.write(startupPacket("postgres", "postgres")));
  socket.once("data", (chunk) => {
    resolve(chunk[0] === 0x52 || !chunk.includes("57P03"));
    socket.destroy();
  });
  socket.once("error", () => resolve(false));
  socket.once("close", () => resolve(false));
  return promise;
}

function startupPacket(user: string, database: string): Buffer {
  const body = Buffer.from(`\0\0\0\0\0\x03\0\0user\0${user}\0database\0${database}\0\0`, "latin1");
  body.writeInt32BE(body.length, 0);
  return body;
}
