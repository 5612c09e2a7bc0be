/** COPY FROM STDIN from the client's side (PostgreSQL documentation, 53.2.6 COPY Operations). */

import type { PgError } from "../wire/error.ts";
import { type BackendMessage, constantFrames, encodeFrontend } from "../wire/mod.ts";
import type { Writer } from "../wire/writer.ts";
import type { Connection } from "./connection.ts";
import { CopyRequest } from "./copy-request.ts";

/** What a COPY reads: chunks cut anywhere, of text in UTF-8 or as bytes. */
export type CopySource = Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

/** Bytes that are collected into one write: a source may give a row at a time. */
const highWater = 32 * 1024;

/**
 * COPY … FROM STDIN: sends what the source gives, as fast as the server takes it, and gives the command tag. A source
 * that throws ends the COPY with CopyFail, which undoes it, and its error is thrown here. A COPY that the server ends
 * early does not wait for the source's next chunk.
 * @throws PgError: the server's; 42809 if the statement is no COPY FROM STDIN
 */
export async function copyIn(connection: Connection, sql: string, source: CopySource): Promise<string> {
  const request = new CopyInRequest(connection, sql);
  connection.request((writer) => encodeFrontend(writer, { type: "Query", query: sql }), request, {
    exclusive: true,
    copyIn: true,
  });
  await request.started;
  const failure = request.ended ? undefined : await feed(connection, request, source);
  if (!failure) return request.done;
  await request.done.catch(() => {});
  throw failure.error;
}

/** Sends the source's data and the end of it. Gives the source's error, if it threw one. */
async function feed(
  connection: Connection,
  request: CopyInRequest,
  source: CopySource,
): Promise<{ readonly error: unknown } | undefined> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let collected: (Uint8Array | string)[] = [];
  let size = 0;
  const write = (end?: (writer: Writer) => void): void | Promise<void> => {
    const chunks = collected;
    collected = [];
    size = 0;
    return connection.more((writer) => {
      for (const chunk of chunks) {
        const data = typeof chunk === "string" ? encoder.encode(chunk) : chunk;
        encodeFrontend(writer, { type: "CopyData", data });
      }
      end?.(writer);
    });
  };
  try {
    for (;;) {
      const next = await request.whileWanted(iterator.next());
      if (!next) {
        // Not awaited: a source that is waiting itself would answer when it has waited to the end.
        Promise.resolve(iterator.return?.()).catch(() => {});
        return undefined;
      }
      if (next.done) break;
      collected.push(next.value);
      size += next.value.length;
      if (size < highWater) continue;
      await write();
    }
  } catch (error) {
    // The connection's own end comes here too, when it was found out by writing.
    if (request.ended) return undefined;
    await write((writer) => encodeFrontend(writer, { type: "CopyFail", message: failText(error) }));
    return { error };
  }
  if (!request.ended) await write((writer) => writer.raw(constantFrames.copyDone));
  return undefined;
}

/** U+0000 cannot be sent. */
function failText(error: unknown): string {
  return String(error instanceof Error ? error.message : error).replaceAll("\0", "\u{fffd}");
}

const encoder = new TextEncoder();

class CopyInRequest extends CopyRequest {
  readonly #connection: Connection;
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  #stopWaiting: (() => void) | undefined;
  #begun = false;
  /** No more data is wanted: the COPY failed, or is over. */
  ended = false;

  constructor(connection: Connection, sql: string) {
    super(sql);
    this.#connection = connection;
  }

  /** The server takes data, or is through without (`ended`). */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** What the promise gives, or undefined as soon as no more data is wanted. */
  whileWanted<Item>(next: Item | Promise<Item>): Promise<Item | undefined> {
    // Promise.race would hang a handler onto a promise that lives as long as the COPY, for each chunk.
    return new Promise((resolve, reject) => {
      this.#stopWaiting = () => resolve(undefined);
      Promise.resolve(next).then((item) => resolve(this.ended ? undefined : item), reject);
      if (this.ended) resolve(undefined);
    });
  }

  message(message: BackendMessage): void | Promise<void> {
    if (message.type !== "CopyInResponse") return this.other(message);
    this.copying();
    if (!this.#begun) {
      this.#begun = true;
      this.#started.resolve();
      return;
    }
    // A second COPY in the same text: there is no data for it.
    this.error ??= this.notCopy();
    this.#connection.more((writer) => {
      encodeFrontend(writer, { type: "CopyFail", message: "no data for a second COPY" });
    });
  }

  override failed(error: PgError): void {
    super.failed(error);
    this.#end();
  }

  override finished(): void {
    super.finished();
    this.#end();
  }

  override lost(error: PgError): void {
    super.lost(error);
    this.#end();
  }

  #end(): void {
    this.ended = true;
    this.#started.resolve();
    this.#stopWaiting?.();
  }
}
