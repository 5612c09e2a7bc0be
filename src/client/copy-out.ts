/** COPY TO STDOUT from the client's side (PostgreSQL documentation, 53.2.6 COPY Operations). */

import type { PgError } from "../wire/error.ts";
import { type BackendMessage, encodeFrontend } from "../wire/mod.ts";
import type { Connection } from "./connection.ts";
import { CopyRequest } from "./copy-request.ts";

/** Bytes that may wait for the reader before the server is kept waiting. */
const highWater = 64 * 1024;

/**
 * COPY … TO STDOUT: the data of each CopyData message, which is a row in text and CSV; returns the command tag. Who
 * leaves the loop early still reads the rest from the connection: `cancel` shortens that. The connection is the
 * iteration's until it ends.
 * @throws PgError: the server's; 42809 if the statement is no COPY TO STDOUT
 */
export async function* copyOut(
  connection: Connection,
  sql: string,
): AsyncGenerator<Uint8Array, string, void> {
  const request = new CopyOutRequest(sql);
  connection.request((writer) => encodeFrontend(writer, { type: "Query", query: sql }), request, {
    exclusive: true,
  });
  try {
    for (;;) {
      for (const chunk of await request.chunks()) yield chunk;
      if (request.ended) return await request.done;
    }
  } finally {
    request.abandon();
    await request.done.catch(() => {});
  }
}

class CopyOutRequest extends CopyRequest {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #over = false;
  #abandoned = false;
  #wake: (() => void) | undefined;
  #taken: (() => void) | undefined;

  /** Nothing will come any more, and everything was taken. */
  get ended(): boolean {
    return this.#over && this.#chunks.length === 0;
  }

  /** What has arrived; empty at the end. */
  async chunks(): Promise<Uint8Array[]> {
    while (this.#chunks.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunks = this.#chunks;
    this.#take();
    return chunks;
  }

  /** The rest is not wanted. */
  abandon(): void {
    this.#abandoned = true;
    this.#take();
  }

  message(message: BackendMessage): void | Promise<void> {
    if (message.type === "CopyOutResponse") return this.copying();
    if (message.type !== "CopyData") return this.other(message);
    if (this.#abandoned) return;
    // A copy, so that a row does not keep the whole chunk that it came in.
    this.#chunks.push(message.data.slice());
    this.#size += message.data.length;
    this.#wake?.();
    if (this.#size < highWater) return;
    return new Promise((resolve) => {
      this.#taken = resolve;
    });
  }

  override finished(): void {
    super.finished();
    this.#end();
  }

  override lost(error: PgError): void {
    super.lost(error);
    this.#end();
  }

  #take(): void {
    this.#chunks = [];
    this.#size = 0;
    this.#taken?.();
  }

  #end(): void {
    this.#over = true;
    this.#wake?.();
  }
}
