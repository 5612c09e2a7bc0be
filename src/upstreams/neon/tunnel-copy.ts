/** COPY through the tunnel (PostgreSQL documentation, 53.2.6 COPY Operations): data passes both ways undecoded. */
import type { ClientRequest, Connection } from "../../client/mod.ts";
import type { CopyFormat, Result } from "../../session/upstream.ts";
import type { PgError } from "../../wire/error.ts";
import { type BackendMessage, constantFrames, encodeFrontend } from "../../wire/mod.ts";

/** Bytes that may wait for the client. */
const highWater = 256 * 1024;

/** What the session puts before the client's words when it sends CopyFail. */
const copyFailed = "COPY from stdin failed: ";

export class CopyStatement implements ClientRequest {
  readonly #connection: Connection;
  readonly #begun: PromiseWithResolvers<Result> = Promise.withResolvers();
  readonly #done: PromiseWithResolvers<string> = Promise.withResolvers();
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #tag = "";
  #error: PgError | undefined;
  #ended = false;
  #abandoned = false;
  /** The server waits for data. */
  #receiving = false;
  #wake: (() => void) | undefined;
  #taken: (() => void) | undefined;

  /** Sends the COPY. */
  constructor(connection: Connection, sql: string) {
    this.#connection = connection;
    // Both are looked at by who has a use for them.
    this.#begun.promise.catch(() => {});
    this.#done.promise.catch(() => {});
    connection.request((writer) => encodeFrontend(writer, { type: "Query", query: sql }), this, {
      exclusive: true,
      copyIn: true,
    });
  }

  /** The COPY as a result; or that of a statement which was none. @throws PgError */
  get begun(): Promise<Result> {
    return this.#begun.promise;
  }

  /** Settles when the server is through with it, well or not. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Nobody takes or gives data any more. */
  abandon(): void {
    this.#abandoned = true;
    this.#chunks = [];
    this.#taken?.();
    if (this.#receiving) this.#fail("the client is gone");
  }

  message(message: BackendMessage): void | Promise<void> {
    switch (message.type) {
      case "CopyInResponse":
        this.#receiving = true;
        if (this.#abandoned) return this.#fail("the statement was cancelled");
        return this.#begun.resolve({
          type: "copyIn",
          ...formatOf(message),
          receive: (data) => this.#receive(data),
        });
      case "CopyOutResponse": {
        const request = this;
        return this.#begun.resolve({
          type: "copyOut",
          ...formatOf(message),
          data: this.#data(),
          // Known when the data is at its end, which is when the session asks for it.
          get tag() {
            return request.#tag;
          },
        });
      }
      case "CopyData":
        return this.#add(message.data);
      case "CommandComplete":
        this.#tag = message.tag;
        return;
    }
  }

  failed(error: PgError): void {
    this.#error ??= error;
    this.#receiving = false;
    // Who gives the data is told at once; the server takes no more of it.
    this.#done.reject(error);
  }

  finished(): void {
    this.#end();
  }

  lost(error: PgError): void {
    this.#error ??= error;
    this.#end();
  }

  async #receive(data: AsyncIterable<Uint8Array>): Promise<string> {
    this.#feed(data);
    return this.#done.promise;
  }

  async #feed(data: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of data) {
        if (!this.#receiving) return;
        const full = this.#connection.more((writer) =>
          encodeFrontend(writer, { type: "CopyData", data: chunk }),
        );
        if (full) await full;
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (text.startsWith(copyFailed)) return this.#fail(text.slice(copyFailed.length));
      // It was not the client that gave up: the error is the session's own.
      this.#done.reject(error);
      return this.#fail(text);
    }
    if (!this.#receiving) return;
    this.#receiving = false;
    this.#connection.more((writer) => writer.raw(constantFrames.copyDone));
  }

  #fail(text: string): void {
    if (!this.#receiving || this.#connection.closed) return;
    this.#receiving = false;
    const message = text.replaceAll("\0", "\u{fffd}");
    this.#connection.more((writer) => encodeFrontend(writer, { type: "CopyFail", message }));
  }

  #add(data: Uint8Array): void | Promise<void> {
    if (this.#abandoned) return;
    this.#chunks.push(data.slice());
    this.#waiting += data.length;
    this.#wake?.();
    if (this.#waiting < highWater) return;
    return new Promise((resolve) => {
      this.#taken = resolve;
    });
  }

  async *#data(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        while (this.#chunks.length === 0 && !this.#ended) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        const chunks = this.#chunks;
        if (chunks.length === 0) break;
        this.#chunks = [];
        this.#waiting = 0;
        this.#taken?.();
        yield* chunks;
      }
      if (this.#error) throw this.#error;
    } finally {
      this.abandon();
    }
  }

  #end(): void {
    this.#ended = true;
    this.#receiving = false;
    if (this.#error) {
      this.#begun.reject(this.#error);
      this.#done.reject(this.#error);
    } else {
      this.#begun.resolve({ type: "command", tag: this.#tag });
      this.#done.resolve(this.#tag);
    }
    this.#wake?.();
    this.#over.resolve();
  }
}

function formatOf({
  format,
  columnFormats,
}: {
  format: number;
  columnFormats: readonly number[];
}): CopyFormat {
  return { format: format === 1 ? 1 : 0, columnFormats };
}
