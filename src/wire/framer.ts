// Cuts a byte stream into messages (PostgreSQL documentation, "Message Flow" and "Message Formats"): chunks of any
// size in, whole messages out. A message that lies inside one chunk is handed out as a view of it; one that spans
// chunks is copied once into a buffer of its own, which grows with the bytes that really arrive.

import { fatal } from "./error.ts";
import { frontendLimits, maxStartupPacketLength, overLimit } from "./limits.ts";
import { sqlstate } from "./sqlstate.ts";

export { backendLimits, frontendLimits } from "./limits.ts";

/** One message. Its views stay valid for as long as they are held. */
export interface Frame {
  /** The message's type byte, 0 for the untyped packets of the startup family. */
  readonly code: number;
  /** What follows the length word. */
  readonly body: Uint8Array;
  /** The whole message, header included. */
  readonly bytes: Uint8Array;
}

/** Makes its views when they are asked for: a session wants the body, a relay the bytes, and a view costs 40 ns. */
class FrameView implements Frame {
  readonly code: number;
  readonly #memory: Uint8Array;
  readonly #at: number;
  readonly #header: number;
  readonly #total: number;
  #body: Uint8Array | undefined;
  #bytes: Uint8Array | undefined;

  constructor(code: number, memory: Uint8Array, at: number, header: number, total: number) {
    this.code = code;
    this.#memory = memory;
    this.#at = at;
    this.#header = header;
    this.#total = total;
  }

  get body(): Uint8Array {
    this.#body ??= this.#view(this.#header);
    return this.#body;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= this.#view(0);
    return this.#bytes;
  }

  #view(from: number): Uint8Array {
    const { buffer, byteOffset } = this.#memory;
    return new Uint8Array(buffer, byteOffset + this.#at + from, this.#total - from);
  }
}

export interface FramerOptions {
  /** Begin with untyped startup packets. Default false. */
  startup?: boolean;
  /** The longest length word each type may have; throws for a type that does not exist. Default frontendLimits(). */
  limits?: (code: number) => number;
}

/** A spanning message's buffer begins with this much, in bytes, or with its whole length if that is less. */
const firstBuffer = 1024;

const noBytes = new Uint8Array(0);

export class Framer {
  /** While true, the next message is an untyped startup packet. Change it between messages only. */
  startup: boolean;
  limits: (code: number) => number;

  #chunk: Uint8Array = noBytes;
  #at = 0;
  #waiting: Uint8Array[] = [];
  #nextWaiting = 0;
  #buffered = 0;
  /** The beginning of a message that spans chunks. */
  #partial: Uint8Array = noBytes;
  #filled = 0;

  constructor(options: FramerOptions = {}) {
    this.startup = options.startup ?? false;
    this.limits = options.limits ?? frontendLimits();
  }

  /** Bytes pushed and not returned yet. */
  get buffered(): number {
    return this.#buffered;
  }

  /** The type byte of the message that follows, as soon as that byte is there. Of no use for startup packets. */
  get nextCode(): number | undefined {
    return this.#filled > 0 ? this.#partial[0] : this.#chunk[this.#at];
  }

  /** Takes ownership of the chunk: frames are views of it. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#buffered += chunk.length;
    if (this.#at === this.#chunk.length) {
      this.#chunk = chunk;
      this.#at = 0;
    } else {
      this.#waiting.push(chunk);
    }
  }

  /**
   * The next whole message, undefined until more bytes come. Broken framing throws FATAL 08P01 and a message over its
   * limit FATAL 08P01 or 54000, as soon as the header shows it; the stream cannot be read any further.
   */
  next(): Frame | undefined {
    if (this.#filled > 0) return this.#resume();
    const available = this.#chunk.length - this.#at;
    if (available === 0) return undefined;
    const total = this.#totalLength(this.#chunk, this.#at, available);
    if (total > 0 && available >= total) {
      const frame = this.#frame(this.#chunk, this.#at, total);
      this.#at += total;
      if (this.#at === this.#chunk.length) this.#nextChunk();
      return frame;
    }
    this.#collect(available, total);
    return this.#resume();
  }

  /** Collects a message that spans chunks. */
  #resume(): Frame | undefined {
    for (;;) {
      const total = this.#totalLength(this.#partial, 0, this.#filled);
      if (total > 0 && this.#filled === total) {
        const frame = this.#frame(this.#partial, 0, total);
        this.#partial = noBytes;
        this.#filled = 0;
        return frame;
      }
      const available = this.#chunk.length - this.#at;
      if (available === 0) return undefined;
      const header = this.startup ? 4 : 5;
      const wanted = (total === 0 ? header : total) - this.#filled;
      this.#collect(Math.min(wanted, available), total);
    }
  }

  /** Moves `length` bytes of the chunk to the partial message, which will be `total` long (0: not known yet). */
  #collect(length: number, total: number): void {
    const filled = this.#filled + length;
    if (filled > this.#partial.length) {
      const doubled = Math.max(filled, this.#partial.length * 2, firstBuffer);
      const grown = new Uint8Array(total === 0 ? 5 : Math.min(doubled, total));
      grown.set(this.#partial.subarray(0, this.#filled));
      this.#partial = grown;
    }
    this.#partial.set(this.#chunk.subarray(this.#at, this.#at + length), this.#filled);
    this.#filled = filled;
    this.#at += length;
    if (this.#at === this.#chunk.length) this.#nextChunk();
  }

  #nextChunk(): void {
    this.#at = 0;
    const chunk = this.#waiting[this.#nextWaiting++];
    if (chunk === undefined) {
      this.#waiting = [];
      this.#nextWaiting = 0;
    }
    this.#chunk = chunk ?? noBytes;
  }

  /** The length of the message at `at`, header included; 0 while `available` bytes do not hold its header. */
  #totalLength(bytes: Uint8Array, at: number, available: number): number {
    if (this.startup) {
      if (available < 4) return 0;
      const length = readLength(bytes, at);
      if (length < 8 || length > maxStartupPacketLength + 4) {
        throw fatal(sqlstate.protocolViolation, "invalid length of startup packet");
      }
      return length;
    }
    if (available === 0) return 0;
    const code = bytes[at] as number;
    const limit = this.limits(code);
    if (available < 5) return 0;
    const length = readLength(bytes, at + 1);
    if (length < 4) throw fatal(sqlstate.protocolViolation, "invalid message length");
    if (length > limit) throw overLimit(code, length, limit);
    return length + 1;
  }

  #frame(bytes: Uint8Array, at: number, total: number): Frame {
    this.#buffered -= total;
    if (this.startup) return new FrameView(0, bytes, at, 4, total);
    return new FrameView(bytes[at] as number, bytes, at, 5, total);
  }
}

/** The length word, as the signed 32-bit integer that it is. */
function readLength(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}
