// The writable half of a socket, with back-pressure by bytes: the stream's own counts chunks.

/** Bytes that may wait before who writes is told to wait. */
const highWater = 64 * 1024;

export class ByteWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #failed: (error: unknown) => void;
  /** Bytes that were written and that the socket has not taken. */
  #pending = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  /** Bytes that were written although it was full. */
  #overflow = 0;

  /** @param failed called when the connection fails, perhaps more than once */
  constructor(stream: WritableStream<Uint8Array>, failed: (error: unknown) => void) {
    this.#writer = stream.getWriter();
    this.#failed = failed;
    // Errors are seen by `write` and `close`; here they would be unhandled.
    this.#writer.closed.catch(() => {});
  }

  /** Bytes that were written by who did not wait. */
  get overflow(): number {
    return this.#overflow;
  }

  /** A promise: it is full, and settles when there is room, or nobody who would need it. It never rejects. */
  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#drained) this.#overflow += bytes.length;
    this.#pending += bytes.length;
    this.#writer.write(bytes).then(() => {
      this.#pending -= bytes.length;
      if (this.#pending <= highWater) this.release();
    }, this.#failed);
    if (this.#pending <= highWater) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /** Closes this direction behind what was written. */
  close(): void {
    this.#writer.close().catch(this.#failed);
  }

  /** Drops what still waits. Where nothing does, a socket that is closed after an abort would stay open. */
  abort(): void {
    if (this.#pending > 0) this.#writer.abort().catch(() => {});
  }

  /** Lets go on who waits. */
  release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#overflow = 0;
  }

  /** Gives the stream back. */
  releaseLock(): void {
    this.#writer.releaseLock();
  }
}
