/** Requests on their way out: sent one behind the other while the stream takes them, answered in the same order. */
import { PgError } from "../wire/error.ts";
import { Writer } from "../wire/writer.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { Request, RequestOptions, Send } from "./request.ts";

/** A request that was sent, or will be. */
export interface Queued extends RequestOptions {
  readonly request: Request;
  readonly send: Send;
}

/** Bytes that are collected before they are sent while more requests wait. */
const highWater = 64 * 1024;

export class RequestQueue {
  readonly #stream: ByteStream;
  readonly #writer: Writer = new Writer();
  /** Sent, and not yet answered with ReadyForQuery. */
  #pending: Queued[] = [];
  #waiting: Queued[] = [];
  /** The request that was sent last goes on sending. */
  #exclusive = false;
  #scheduled = false;
  /** The stream is full: settles when it has drained. */
  #full: Promise<void> | undefined;
  #over = false;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** The request that is being answered. */
  get current(): Queued | undefined {
    return this.#pending[0];
  }

  /** Requests that were sent behind the current one. */
  get behind(): number {
    return Math.max(0, this.#pending.length - 1);
  }

  get empty(): boolean {
    return this.#pending.length === 0 && this.#waiting.length === 0;
  }

  /** Requests that are added in one turn of the event loop leave in one write. */
  add(queued: Queued): void {
    this.#waiting.push(queued);
    if (this.#scheduled) return;
    this.#scheduled = true;
    Promise.resolve().then(() => {
      this.#scheduled = false;
      this.advance();
    });
  }

  /** Sends more messages of the request that was sent last. A promise: the stream is full. */
  more(send: Send): void | Promise<void> {
    this.#write(send);
    return this.#flush();
  }

  /** ReadyForQuery came: the current request is answered. */
  answered(): void {
    this.#exclusive = false;
    this.#pending.shift();
  }

  /** Sends what may be sent now. */
  advance(): void {
    while (!this.#exclusive && !this.#full && !this.#over) {
      const next = this.#waiting[0];
      if (!next || (next.exclusive && this.#pending.length > 0)) break;
      this.#waiting.shift();
      try {
        this.#write(next.send);
      } catch (error) {
        next.request.lost(PgError.from(error));
        continue;
      }
      this.#exclusive = next.exclusive === true;
      this.#pending.push(next);
      if (this.#writer.length >= highWater) this.#flush();
    }
    this.#flush();
  }

  /** The connection is over: all requests are, and nothing is sent any more. */
  end(error: PgError): void {
    this.#over = true;
    const all = [...this.#pending, ...this.#waiting];
    this.#pending = [];
    this.#waiting = [];
    for (const { request } of all) request.lost(error);
  }

  /** All of it or nothing: half a request would leave the server waiting for its Sync. */
  #write(send: Send): void {
    const mark = this.#writer.mark();
    try {
      send(this.#writer);
    } catch (error) {
      this.#writer.rewind(mark);
      throw error;
    }
  }

  #flush(): void | Promise<void> {
    if (this.#writer.length > 0 && !this.#over) {
      const full = this.#stream.write(this.#writer.take());
      if (full) {
        const drained = full.then(() => {
          if (this.#full !== drained) return;
          this.#full = undefined;
          this.advance();
        });
        this.#full = drained;
      }
    }
    return this.#full;
  }
}
