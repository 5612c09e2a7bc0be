// For targets whose server is a program of its own: wait until it listens, and end it by its process id.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Returns whether the child takes connections on the port of 127.0.0.1 within 30 seconds. */
export async function listens(child: ChildProcess, port: number): Promise<boolean> {
  const limit = Date.now() + 30_000;
  while (child.exitCode === null && child.signalCode === null && Date.now() < limit) {
    if (await accepts(port)) return true;
    await sleep(100);
  }
  return false;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Sends the polite signal, and the other one when the child is still there after five seconds. */
export async function endServer(
  child: ChildProcess,
  polite: NodeJS.Signals,
  firm: NodeJS.Signals,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(polite);
  const timer = setTimeout(() => child.kill(firm), 5_000);
  await exited;
  clearTimeout(timer);
}
