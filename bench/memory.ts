// What an idle session costs: a thousand clients log in and fall silent, on each runtime. The upstream is constant, so that
// nothing but sessions is counted. Resident memory of the server's process as the system tells it, without forcing a
// collection: it moves by a few hundred KiB from run to run.

import { once } from "node:events";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createWebSocketStream, WebSocket } from "ws";
import { encodeStartup, protocol30, Writer } from "../src/wire/mod.ts";
import { type Running, startTarget } from "./target-process.ts";
import type { Target } from "./targets.ts";

export const sessions = 1_000;

/** Opened and closed before anything is measured: code is compiled, and buffers of a kind that stays are made. */
const warmUp = 100;
/** Sessions that log in at the same time. */
const atOnce = 50;
/** Milliseconds for a server to settle. */
const settle = 3_000;
/** Milliseconds for a session in a Durable Object to be suspended, and for some objects to be evicted. */
const suspended = 1_500;
const evicted = 1_500;

interface Row {
  readonly name: string;
  readonly target: Target;
  readonly open: (running: Running) => Promise<Duplex>;
  /** Makes the sessions that have just come as idle as they get, before the next ones come. */
  readonly rest?: (running: Running) => Promise<void>;
}

const target = (name: string, script: string, runtime?: "deno"): Target => ({
  name,
  script,
  about: "",
  ours: true,
  ...(runtime && { runtime }),
});
const workerd = target("workerd", "constant-workerd.ts");

const rows: readonly Row[] = [
  { name: "Node, TCP", target: target("node", "constant.ts"), open: tcp },
  { name: "Deno, TCP", target: target("deno", "constant-deno.ts", "deno"), open: tcp },
  { name: "workerd, TCP", target: workerd, open: tcp },
  { name: "workerd, hibernating Durable Objects", target: workerd, open: webSocket, rest: hibernate },
];

/** Prints a table. False: something could not be measured that should be. */
export async function measureMemory(): Promise<boolean> {
  console.log(`\nmemory of ${sessions} idle sessions`);
  const lines = [["", "before, MiB", "after, MiB", "a session, KiB"]];
  const failed: string[] = [];
  for (const row of rows) {
    try {
      const [before, after] = await measure(row);
      lines.push([row.name, mebi(before), mebi(after), ((after - before) / sessions / 1024).toFixed(1)]);
    } catch (error) {
      lines.push([row.name, "cannot"]);
      failed.push(`${row.name}: ${(error as Error).message}`);
    }
  }
  const width = (column: number): number => Math.max(...lines.map((line) => line[column]?.length ?? 0));
  for (const [name = "", ...numbers] of lines) {
    console.log(
      [name.padEnd(width(0)), ...numbers.map((text, at) => text.padStart(width(at + 1)))].join("  "),
    );
  }
  for (const reason of failed) console.log(reason);
  return failed.length === 0;
}

const mebi = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1);

async function measure({ target, open, rest }: Row): Promise<[before: number, after: number]> {
  const running = await startTarget(target);
  const clients: Duplex[] = [];
  try {
    const first = await many(warmUp, () => loggedIn(running, open), rest?.bind(undefined, running));
    for (const client of first) client.destroy();
    await sleep(settle);
    const before = memory(running);
    clients.push(...(await many(sessions, () => loggedIn(running, open), rest?.bind(undefined, running))));
    await sleep(settle);
    const gone = clients.filter((client) => client.destroyed).length;
    if (gone > 0) throw new Error(`${gone} sessions ended by themselves`);
    return [before, memory(running)];
  } finally {
    for (const client of clients) client.destroy();
    await running.stop();
  }
}

function memory(running: Running): number {
  const bytes = running.residentBytes();
  if (bytes === undefined) throw new Error("the memory of a process is read from /proc, as Linux has it");
  return bytes;
}

/**
 * What was freed is not given back to the system, so objects that were all awake at a time would count although they are
 * gone: they are put to sleep a few at a time.
 */
async function hibernate(running: Running): Promise<void> {
  await sleep(suspended);
  running.signal("SIGUSR2");
  await sleep(evicted);
}

async function many<Result>(
  count: number,
  make: () => Promise<Result>,
  rest?: () => Promise<void>,
): Promise<Result[]> {
  const made: Result[] = [];
  while (made.length < count) {
    const wanted = Math.min(atOnce, count - made.length);
    made.push(...(await Promise.all(Array.from({ length: wanted }, make))));
    await rest?.();
  }
  return made;
}

async function tcp({ port }: Running): Promise<Duplex> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  return socket;
}

async function webSocket({ http }: Running): Promise<Duplex> {
  const socket = new WebSocket(`ws://127.0.0.1:${http}/v2`, { perMessageDeflate: false });
  const stream = createWebSocketStream(socket);
  await once(socket, "open");
  return stream;
}

const startup: Uint8Array = (() => {
  const writer = new Writer();
  const parameters = new Map([
    ["user", "postgres"],
    ["database", "postgres"],
  ]);
  encodeStartup(writer, { type: "StartupMessage", version: protocol30, parameters });
  return writer.take();
})();

/** ReadyForQuery, outside a transaction: the end of every start. */
const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** Logs in, and asks nothing. */
async function loggedIn(running: Running, open: Row["open"]): Promise<Duplex> {
  const client = await open(running);
  client.on("error", () => {});
  client.write(startup);
  let answer = Buffer.alloc(0);
  while (!answer.subarray(-ready.length).equals(ready)) {
    const [chunk] = await Promise.race([
      once(client, "data"),
      once(client, "close").then(() => {
        throw new Error(`a session ended at its start: ${answer.toString("latin1")}`);
      }),
    ]);
    answer = Buffer.concat([answer, chunk as Buffer]);
  }
  return client;
}
