// A channel's way out: what is written while the system is busy waits here, and goes out with the next write.
import { atTurnEnd } from "../node/turn-end.ts";
import type { Channel } from "./channel.ts";

/** Bytes of an answer that may wait for the end of the turn. */
const smallAnswer = 4_096;

/** Bytes that may wait before whoever writes them has to. */
const highWater = 64 * 1024;

/** Bytes of small chunks that are put together for one write; larger ones are not worth the copy. */
const joinedLength = 64 * 1024;

export class Outbox {
  readonly #channel: Channel;
  readonly #onError: (error: Error) => void;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #sending = false;
  #scheduled = false;
  #closed = false;
  #drained: PromiseWithResolvers<void> | undefined;
  #flushed: PromiseWithResolvers<void> | undefined;

  /** `onError` hears of the first write that failed; from then on everything is dropped. */
  constructor(channel: Channel, onError: (error: Error) => void) {
    this.#channel = channel;
    this.#onError = onError;
  }

  /** Whoever wrote last has to wait. */
  get full(): boolean {
    return this.#drained !== undefined;
  }

  /** Takes bytes. A promise: enough waits, write no more until it settles. It never rejects. */
  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#closed) return;
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    if (!this.#sending) {
      if (this.#bytes > smallAnswer) this.#send();
      else if (!this.#scheduled) {
        this.#scheduled = true;
        atTurnEnd(this.#sendLater);
      }
    }
    if (this.#bytes < highWater && !this.#drained) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /** Settles when all that was written has left, or is dropped. */
  flush(): Promise<void> {
    if (!this.#sending) this.#send();
    if (!this.#sending) return Promise.resolve();
    this.#flushed ??= Promise.withResolvers();
    return this.#flushed.promise;
  }

  /** Drops what waits. Nobody has to wait any more. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#bytes = 0;
    this.#release();
  }

  readonly #sendLater = (): void => {
    this.#scheduled = false;
    if (!this.#sending) this.#send();
  };

  #send(): void {
    if (this.#waiting.length === 0) return;
    this.#sending = true;
    this.#sendAll().then(
      () => {
        this.#sending = false;
        this.#release();
      },
      (error: Error) => {
        this.#sending = false;
        this.close();
        this.#onError(error);
      },
    );
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const chunks = this.#waiting;
      this.#waiting = [];
      for (const chunk of joined(chunks)) {
        await this.#channel.write(chunk);
        if (this.#closed) return;
        this.#bytes -= chunk.length;
      }
    }
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#flushed?.resolve();
    this.#flushed = undefined;
  }
}

/** Neighbours that are small become one. */
function* joined(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  for (let from = 0; from < chunks.length; ) {
    const first = chunks[from] as Uint8Array;
    let to = from + 1;
    let length = first.length;
    for (let next = chunks[to]; next && length + next.length <= joinedLength; next = chunks[to]) {
      length += next.length;
      to++;
    }
    yield to === from + 1 ? first : concat(chunks.slice(from, to), length);
    from = to;
  }
}

function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
