/** COPY from the client's side (PostgreSQL documentation, 53.2.6 COPY Operations). */
import type { PgError } from "../wire/error.ts";
import { type BackendMessage, constantFrames, encodeFrontend } from "../wire/mod.ts";
import type { Connection } from "./connection.ts";
import { notCopy } from "./query.ts";
import type { Request } from "./request.ts";

/**
 * COPY … FROM STDIN: sends what the source gives, and gives the command tag. A source that throws ends the COPY with
 * CopyFail, and its error is thrown here.
 * @throws PgError: the server's
 */
export async function copyIn(
  connection: Connection,
  sql: string,
  source: Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>,
): Promise<string> {
  const request = new CopyInRequest(connection, sql);
  connection.request((writer) => encodeFrontend(writer, { type: "Query", query: sql }), request, true);
  if (!(await request.started)) return request.done;
  let sourceError: { readonly error: unknown } | undefined;
  try {
    for await (const chunk of source) {
      if (request.ended) break;
      const data = typeof chunk === "string" ? encoder.encode(chunk) : chunk;
      await connection.more((writer) => encodeFrontend(writer, { type: "CopyData", data }));
    }
  } catch (error) {
    sourceError = { error };
  }
  if (!request.ended) {
    await connection.more((writer) => {
      if (sourceError) encodeFrontend(writer, { type: "CopyFail", message: String(sourceError.error) });
      else writer.raw(constantFrames.copyDone);
    });
  }
  if (!sourceError) return request.done;
  await request.done.catch(() => {});
  throw sourceError.error;
}

/** COPY … TO STDOUT: the server's CopyData messages, one row each in text and CSV. */
export async function* copyOut(connection: Connection, sql: string): AsyncGenerator<Uint8Array, string, void> {
  const request = new CopyOutRequest(connection, sql);
  connection.request((writer) => encodeFrontend(writer, { type: "Query", query: sql }), request, true);
  try {
    for (;;) {
      const chunk = await request.next();
      if (!chunk) return await request.done;
      yield chunk;
    }
  } finally {
    request.abandon();
    await request.done.catch(() => {});
  }
}

const encoder = new TextEncoder();

/** What both directions share: the tag, the first error, and the refusal of a statement that is no such COPY. */
abstract class CopyRequest implements Request {
  protected readonly outcome: PromiseWithResolvers<string> = Promise.withResolvers();
  protected error: PgError | undefined;
  readonly #connection: Connection;
  readonly #sql: string;
  #tag = "";

  constructor(connection: Connection, sql: string) {
    this.#connection = connection;
    this.#sql = sql;
    // Awaited at the end, not from the beginning.
    this.outcome.promise.catch(() => {});
  }

  get done(): Promise<string> {
    return this.outcome.promise;
  }

  message(message: BackendMessage): void | Promise<void> {
    if (message.type === "CommandComplete") {
      this.#tag = message.tag;
      return;
    }
    if (message.type === "CopyDone") return;
    // Rows, or a COPY in the other direction: the statement is not what the caller took it for.
    this.error ??= notCopy(this.#sql);
    if (message.type === "CopyInResponse") {
      return this.#connection.more((writer) => encodeFrontend(writer, { type: "CopyFail", message: "" }));
    }
  }

  failed(error: PgError): void {
    this.error ??= error;
  }

  finished(): void {
    if (this.error) this.outcome.reject(this.error);
    else this.outcome.resolve(this.#tag);
  }

  lost(error: PgError): void {
    this.error ??= error;
    this.outcome.reject(this.error);
  }
}

class CopyInRequest extends CopyRequest {
  readonly #started: PromiseWithResolvers<boolean> = Promise.withResolvers();
  /** No more data is wanted: the COPY failed, or is over. */
  ended = false;

  /** Whether the server takes data. */
  get started(): Promise<boolean> {
    return this.#started.promise;
  }

  override message(message: BackendMessage): void | Promise<void> {
    if (message.type === "CopyInResponse") this.#started.resolve(true);
    else return super.message(message);
  }

  override failed(error: PgError): void {
    this.ended = true;
    super.failed(error);
  }

  override finished(): void {
    this.ended = true;
    this.#started.resolve(false);
    super.finished();
  }

  override lost(error: PgError): void {
    this.ended = true;
    this.#started.resolve(false);
    super.lost(error);
  }
}

class CopyOutRequest extends CopyRequest {
  #chunks: Uint8Array[] = [];
  #over = false;
  #abandoned = false;
  #wake: (() => void) | undefined;
  #taken: (() => void) | undefined;

  /** The next chunk; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunk = this.#chunks.shift();
    if (this.#chunks.length === 0) this.#taken?.();
    return chunk;
  }

  /** The rest is not wanted. */
  abandon(): void {
    this.#abandoned = true;
    this.#chunks = [];
    this.#taken?.();
  }

  override message(message: BackendMessage): void | Promise<void> {
    if (message.type === "CopyOutResponse") return;
    if (message.type !== "CopyData") return super.message(message);
    if (this.#abandoned) return;
    this.#chunks.push(message.data.slice());
    this.#wake?.();
    // Back-pressure: the stream is read on when the reader has caught up.
    if (this.#chunks.length < 256) return;
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

  #end(): void {
    this.#over = true;
    this.#wake?.();
  }
}
