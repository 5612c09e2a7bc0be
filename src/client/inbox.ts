/** Reads a stream on demand: the start of a connection is a dialogue, and what follows it is not. */
import { PgError } from "../wire/error.ts";
import { Framer } from "../wire/framer.ts";
import { type BackendMessage, backendLimits, decodeBackend } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { ByteStream } from "./byte-stream.ts";

/** Bytes that may wait for the dialogue: it takes kilobytes. */
const highWater = 64 * 1024;

/** libpq's MAX_ERRLEN: a server that is not authenticated gets no more memory for its error. */
const longestError = 30_000;

/** What is no part of a start is no message at all there. */
const startLimits: (code: number) => number = backendLimits({
  ErrorResponse: longestError,
  NoticeResponse: longestError,
  DataRow: 0,
  RowDescription: 0,
  ParameterDescription: 0,
  CopyData: 0,
  FunctionCallResponse: 0,
  NotificationResponse: 0,
});

export class Inbox {
  readonly #framer: Framer = new Framer({ limits: startLimits });
  #chunks: Uint8Array[] = [];
  #size = 0;
  #wake: (() => void) | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #lost: PgError | undefined;
  #given = false;

  constructor(stream: ByteStream) {
    stream.onData = (chunk) => {
      if (this.#lost) return;
      this.#chunks.push(chunk);
      this.#size += chunk.length;
      this.#wake?.();
      if (this.#size < highWater) return;
      this.#drained ??= Promise.withResolvers();
      return this.#drained.promise;
    };
    stream.onClose = (error) => this.#end(connectionLost(error));
  }

  /** What ended the connection, if something did. */
  get lost(): PgError | undefined {
    return this.#lost;
  }

  /** Bytes that have arrived and were not taken. */
  get buffered(): number {
    return this.#size + this.#framer.buffered;
  }

  /** Ends the dialogue with an error of this side. */
  lose(error: PgError): void {
    if (!this.#lost) this.#given = true;
    this.#end(error);
  }

  /** The next byte, outside of any message. */
  async byte(): Promise<number> {
    await this.#arrived();
    const chunk = this.#chunks[0] as Uint8Array;
    this.#size--;
    if (chunk.length > 1) this.#chunks[0] = chunk.subarray(1);
    else this.#chunks.shift();
    return chunk[0] as number;
  }

  /** The next message. @throws PgError what ended the connection, or 08P01 for what is no message */
  async message(): Promise<BackendMessage> {
    for (;;) {
      const frame = this.#framer.next();
      if (frame) return decodeBackend(frame.code, frame.body);
      await this.#arrived();
      this.#frame();
    }
  }

  /** Waits until the server has closed the connection, whatever it says before. @throws PgError given to `lose` */
  async closed(): Promise<void> {
    while (!this.#lost) {
      this.#taken();
      await this.#woken();
    }
    if (this.#given) throw this.#lost;
  }

  /** Ends the dialogue: gives the framer with all that is left. Call it when the stream has its next owner. */
  finish(): Framer {
    this.#frame();
    this.#framer.limits = backendLimits();
    return this.#framer;
  }

  #end(error: PgError): void {
    this.#lost ??= error;
    this.#wake?.();
  }

  #frame(): void {
    for (const chunk of this.#chunks) this.#framer.push(chunk);
    this.#taken();
  }

  #taken(): void {
    this.#chunks = [];
    this.#size = 0;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  async #arrived(): Promise<void> {
    while (this.#chunks.length === 0) {
      if (this.#lost) throw this.#lost;
      await this.#woken();
    }
  }

  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

/** The connection ended, and nobody here wanted it. */
export function connectionLost(cause: Error | undefined): PgError {
  if (cause instanceof PgError) return cause;
  const detail = cause && { detail: cause.message };
  return new PgError(
    sqlstate.connectionFailure,
    "server closed the connection unexpectedly",
    { severity: "FATAL", ...detail },
    { cause },
  );
}
