/**
 * A connection's way out: one buffer, many messages a write. It is handed to the transport at ReadyForQuery, at Flush
 * and past the high-water mark, never for each message.
 */
import { Framer } from "../wire/framer.ts";
import { traceFrame } from "../wire/trace.ts";
import { Writer } from "../wire/writer.ts";
import type { Transport } from "./transport.ts";

export type TraceLine = (line: string) => void;

export class Output {
  readonly writer: Writer = new Writer();
  readonly #transport: Transport;
  readonly #highWater: number;
  readonly #trace: ((bytes: Uint8Array) => void) | undefined;
  #ended = false;

  constructor(transport: Transport, highWater: number, trace: TraceLine | undefined) {
    this.#transport = transport;
    this.#highWater = highWater;
    this.#trace = trace && traceBackend(trace);
  }

  /** More than the high-water mark waits: flush, and wait for the transport if it is full. */
  get full(): boolean {
    return this.writer.length >= this.#highWater;
  }

  /** Hands everything written so far to the transport. A promise: it is full. */
  flush(): void | Promise<void> {
    if (this.writer.length > 0) return this.#send(this.writer.take());
  }

  /** Hands over bytes that were built elsewhere, behind what was written before. */
  relay(frames: Uint8Array): void | Promise<void> {
    if (this.writer.length > 0) {
      this.writer.raw(frames);
      return this.flush();
    }
    return this.#send(frames);
  }

  /** Sends bytes that are no message: the one-byte answers to SSLRequest and GSSENCRequest. */
  sendRaw(bytes: Uint8Array): void {
    this.#transport.write(bytes);
  }

  /** The connection has ended: what runs down from here on is not sent any more. */
  end(): void {
    this.#ended = true;
  }

  #send(bytes: Uint8Array): void | Promise<void> {
    if (this.#ended) return;
    this.#trace?.(bytes);
    const full = this.#transport.write(bytes);
    // Not everybody waits for it; a connection that failed is told of by its adapter, too.
    full?.catch(() => {});
    return full;
  }
}

function traceBackend(trace: TraceLine): (bytes: Uint8Array) => void {
  const framer = new Framer({ limits: () => 0x7fffffff });
  return (bytes) => {
    framer.push(bytes);
    for (let frame = framer.next(); frame; frame = framer.next()) trace(traceFrame("B", frame));
  };
}
