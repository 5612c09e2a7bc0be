/** The client's end of a byte stream, as little as a transcript needs: send, wait for a message, collect the bytes. */
import { type BackendFrame, frameAt } from "./answer.ts";

/** How long a target may take for one step, in milliseconds. */
const patience = 10_000;

export class WireClient {
  #buffer = new Uint8Array(1024);
  #length = 0;
  #parsed = 0;
  #closed = false;
  #changed: () => void = () => {};
  readonly #stream: { send(bytes: Uint8Array): void | Promise<void>; destroy(): void };

  constructor(stream: { send(bytes: Uint8Array): void | Promise<void>; destroy(): void }) {
    this.#stream = stream;
  }

  /** Called by the owner of the stream. */
  received(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(length * 2);
      grown.set(this.bytes);
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = length;
    this.#changed();
  }

  /** Called by the owner of the stream when the peer has closed it. */
  closed(): void {
    this.#closed = true;
    this.#changed();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Everything received so far. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  send(bytes: Uint8Array): void | Promise<void> {
    if (!this.#closed) return this.#stream.send(bytes);
  }

  destroy(): void {
    this.#stream.destroy();
  }

  /** Takes the bytes received so far for itself: what follows is waited for from here. */
  drop(): void {
    this.#buffer = this.bytes.slice(this.#parsed);
    this.#length = this.#buffer.length;
    this.#parsed = 0;
  }

  /** Skips `count` bytes that are no message: the answers to SSLRequest and GSSENCRequest. */
  async skip(count: number): Promise<void> {
    await this.#until(() => this.#closed || this.#length >= this.#parsed + count, `${count} bytes`);
    this.#parsed = Math.min(this.#length, this.#parsed + count);
  }

  /** Waits for a message that comes after the last one that was waited for. False: the connection ended before. */
  async until(matches: (frame: BackendFrame) => boolean, what: string): Promise<boolean> {
    let found = false;
    const search = () => {
      while (!found) {
        const frame = frameAt(this.bytes, this.#parsed);
        if (!frame) return this.#closed;
        this.#parsed = frame.end;
        found = matches(frame);
      }
      return true;
    };
    await this.#until(search, what);
    return found;
  }

  async untilClosed(): Promise<void> {
    await this.#until(() => this.#closed, "the end of the connection");
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#changed = () => {};
        reject(new Error(`no ${what} after ${patience} ms; received ${printable(this.bytes)}`));
      }, patience);
      this.#changed = () => {
        if (!done()) return;
        clearTimeout(timer);
        this.#changed = () => {};
        resolve();
      };
    });
  }
}

const printable = (bytes: Uint8Array): string => JSON.stringify(new TextDecoder("latin1").decode(bytes));
