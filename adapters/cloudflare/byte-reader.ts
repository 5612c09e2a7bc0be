// The readable half of a socket.

/** Bytes that are set aside while a socket is silent; thousands may be. */
const idleSize = 2 * 1024;

/** Bytes of a read where the one before was full. Without buffers of one's own, each read would be 4,096 at the most. */
const busySize = 64 * 1024;

export class ByteReader {
  readonly #reader: ReadableStreamBYOBReader;
  #size = idleSize;

  constructor(stream: ReadableStream) {
    this.#reader = stream.getReader({ mode: "byob" });
    // Errors are seen by `read`; here they would be unhandled.
    this.#reader.closed.catch(() => {});
  }

  /** The next chunk, which is the caller's; undefined at the end. Rejects when the connection fails. */
  async read(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#reader.read(new Uint8Array(this.#size));
    if (done) return undefined;
    this.#size = value.length === this.#size ? busySize : idleSize;
    return value;
  }

  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }

  /** Gives the stream back. Only between reads. */
  releaseLock(): void {
    this.#reader.releaseLock();
  }
}
