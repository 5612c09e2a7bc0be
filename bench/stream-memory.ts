// The memory of edgewire while a result streams through it that would never fit: a gigabyte of rows, by the two ways that
// stream. The client reads bytes and looks at none of them, so that edgewire is what is waited for.

import { connect, type Socket } from "node:net";
import { encodeFrontend, encodeStartup, protocol30, Writer } from "../src/wire/mod.ts";
import { align } from "./table.ts";
import type { Running } from "./target-process.ts";

/** Bytes of a row's one value, and rows: before anything is measured, and while it is. */
const rowBytes = 1_000;
const warmUp = 100_000;
const rows = 1_000_000;

interface Line {
  readonly name: string;
  readonly url: (url: string) => string;
  readonly before: string | undefined;
}

const lines: readonly Line[] = [
  { name: "fetch=tunnel, a query", url: (url) => `${url}?fetch=tunnel`, before: undefined },
  { name: "a query in a transaction", url: (url) => url, before: "begin" },
];

/** Megabytes that JavaScript's objects may take: what holds more than a part of the rows ends there. */
const heap = 64;

/** Prints a table. `serve` starts edgewire before a database, with options for Node. */
export async function streamMemory(
  serve: (database: string, nodeOptions: readonly string[]) => Promise<Running>,
  url: string,
): Promise<void> {
  console.log(
    `\nresident memory of edgewire while ${(rows * rowBytes) / 1e9} GB stream through it, with a heap of ${heap} MB`,
  );
  const table = [["", "MB/s", "before, MiB", "after 100 MB", "after 500 MB", "most", "at the end"]];
  for (const { name, url: change, before } of lines) {
    const running = await serve(change(url), [`--max-old-space-size=${heap}`]);
    const client = await loggedIn(running.port);
    try {
      if (before) await ask(client, before, () => {});
      await ask(client, statement(warmUp), () => {});
      const memory = (): number => (running.residentBytes() ?? Number.NaN) / 1024 / 1024;
      const marks: number[] = [memory()];
      let most = 0;
      let read = 0;
      let looked = 0;
      const started = performance.now();
      await ask(client, statement(rows), (bytes) => {
        read += bytes;
        if (marks.length < 3 && read > [0, 100e6, 500e6][marks.length]!) marks.push(memory());
        if (read - looked < 4e6) return;
        looked = read;
        most = Math.max(most, memory());
      });
      const seconds = (performance.now() - started) / 1_000;
      marks.push(most, memory());
      table.push([name, (read / 1e6 / seconds).toFixed(0), ...marks.map((mebi) => mebi.toFixed(0))]);
    } finally {
      client.destroy();
      await running.stop();
    }
  }
  console.log(align(table).join("\n"));
}

function statement(count: number): string {
  return `select repeat('x', ${rowBytes}) from generate_series(1, ${count})`;
}

async function loggedIn(port: number): Promise<Socket> {
  const client = connect({ host: "127.0.0.1", port, noDelay: true });
  const writer = new Writer();
  const parameters = new Map([
    ["user", "app"],
    ["database", "main"],
  ]);
  encodeStartup(writer, { type: "StartupMessage", version: protocol30, parameters });
  client.on("error", () => {});
  client.write(writer.take());
  await untilReady(client, () => {});
  return client;
}

async function ask(client: Socket, query: string, read: (bytes: number) => void): Promise<void> {
  const writer = new Writer();
  encodeFrontend(writer, { type: "Query", query });
  client.write(writer.take());
  await untilReady(client, read);
}

/** ReadyForQuery, but for its status; and ErrorResponse, which no row looks like. */
const ready = Buffer.from([0x5a, 0, 0, 0, 5]);
const failed = Buffer.from("SERROR\0");

function untilReady(client: Socket, read: (bytes: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let end = Buffer.alloc(0);
    const settle = (then: () => void): void => {
      client.off("data", take).off("close", closed);
      then();
    };
    const closed = (): void => settle(() => reject(new Error("edgewire closed the connection")));
    const take = (chunk: Buffer): void => {
      read(chunk.length);
      end = Buffer.concat([end, chunk.subarray(-6)]).subarray(-6);
      if (chunk.length < 10_000 && chunk.includes(failed)) {
        settle(() => reject(new Error(chunk.toString("latin1"))));
      } else if (end.subarray(0, 5).equals(ready)) settle(resolve);
    };
    client.on("data", take).on("close", closed);
  });
}
