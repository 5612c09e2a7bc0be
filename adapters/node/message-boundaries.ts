// Follows typed messages through chunks cut anywhere, and keeps none of their bytes: who carries a stream on need not
// understand it to know where it may be interrupted.
export class MessageBoundaries {
  /** The type byte of the last message that has ended. */
  last: number | undefined;
  readonly #header: Uint8Array = new Uint8Array(5);
  #filled = 0;
  /** Bytes of the open message's body that are still to come. */
  #left = 0;
  #broken = false;

  /** No message is half through. */
  get whole(): boolean {
    return this.#filled === 0 && this.#left === 0 && !this.#broken;
  }

  /** Follows a chunk, and gives how many of its bytes end a message or come before one that ends there. */
  push(chunk: Uint8Array): number {
    let boundary = 0;
    let at = 0;
    while (at < chunk.length && !this.#broken) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - at);
        this.#left -= step;
        at += step;
      } else {
        this.#header[this.#filled++] = chunk[at++] as number;
        if (this.#filled < 5) continue;
        this.#filled = 0;
        this.#left = new DataView(this.#header.buffer).getInt32(1) - 4;
        // No message of the protocol: whoever reads it will say so.
        if (this.#left < 0) this.#broken = true;
      }
      if (this.#left === 0) {
        this.last = this.#header[0];
        boundary = at;
      }
    }
    return boundary;
  }
}
