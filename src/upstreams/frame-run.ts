/** Neighbouring messages in one piece of memory, so that a chunk of rows goes on as it came: uncopied, in one write. */

export class FrameRun {
  #buffer: ArrayBufferLike | undefined;
  #start = 0;
  #end = 0;

  /** False: the message lies elsewhere, take what there is first. */
  add(bytes: Uint8Array): boolean {
    if (this.#buffer === undefined) {
      this.#buffer = bytes.buffer;
      this.#start = bytes.byteOffset;
    } else if (this.#buffer !== bytes.buffer || this.#end !== bytes.byteOffset) return false;
    this.#end = bytes.byteOffset + bytes.length;
    return true;
  }

  take(): Uint8Array | undefined {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    return buffer && new Uint8Array(buffer, this.#start, this.#end - this.#start);
  }
}
