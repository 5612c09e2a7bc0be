// Collects outgoing messages in one growable chunk: the length word is filled in when a message ends, many messages
// leave in one take(). Bytes handed out are never written again, so a transport may hold them without copying.

import { PgError } from "./error.ts";
import { sqlstate } from "./sqlstate.ts";
import { invalidEncoding } from "./utf8.ts";

/** What one message, or all that waits for take(), may grow to: PostgreSQL's MaxAllocSize. */
const maxPending = 0x3fffffff;

/** The smallest chunk: what an idle connection may keep. */
const firstChunk = 2048;

/** Less room than this behind what was taken is not worth keeping. */
const leastRoom = 64;

/** Up to this many characters, loops of stores beat TextEncoder.encodeInto. */
const shortText = 48;

/** Above this, text is tried at one byte a character first, instead of reserving the worst case of three. */
const longText = 4096;

const noBytes = new Uint8Array(0);
const encoder = new TextEncoder();

export class Writer {
  readonly #size: number;
  #chunk: Uint8Array = noBytes;
  #nextSize: number;
  /** First byte of the chunk that was not taken yet. */
  #start = 0;
  #at = 0;
  /** Where the open message begins (its code byte, if it has one), -1 when none is open. */
  #open = -1;
  #lengthAt = 0;

  /**
   * @param size what chunks grow to while the connection is busy, in bytes. They follow the size of what take() hands
   * out, so that one serves several small batches or one large one; a longer message gets a chunk of its own.
   */
  constructor(size = 65536) {
    this.#size = size;
    this.#nextSize = Math.min(firstChunk, size);
  }

  /** Bytes written since the last take(). */
  get length(): number {
    return this.#at - this.#start;
  }

  /** Starts a message; 0 starts an untyped one (startup family). A message begun and never ended is dropped. */
  begin(code: number): void {
    if (this.#open >= 0) this.#abandon();
    this.#reserve(5);
    this.#open = this.#at;
    if (code !== 0) this.#chunk[this.#at++] = code;
    this.#lengthAt = this.#at;
    this.#at += 4;
  }

  /** Ends the message: fills in its length. */
  end(): void {
    this.#store32(this.#lengthAt, this.#at - this.#lengthAt);
    this.#open = -1;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#chunk[this.#at++] = value;
  }

  /** The low 16 bits, so for uint16 too. */
  int16(value: number): void {
    this.#reserve(2);
    const chunk = this.#chunk;
    chunk[this.#at++] = value >> 8;
    chunk[this.#at++] = value;
  }

  /** The low 32 bits, so for uint32 too. */
  int32(value: number): void {
    this.#reserve(4);
    this.#store32(this.#at, value);
    this.#at += 4;
  }

  /** A count of elements as uint16. Throws PgError 54000 for more than 65,535. */
  count(value: number): void {
    if (value > 0xffff)
      throw this.#fail(sqlstate.programLimitExceeded, `too many elements in message: ${value}`);
    this.int16(value);
  }

  /** Text and a terminating zero. Text with U+0000 in it cannot be sent: PgError 22021, and the message is dropped. */
  cstring(text: string): void {
    if (text.length <= shortText) {
      this.#reserve(text.length * 3 + 1);
      if (this.#shortText(text)) throw this.#nulInText();
    } else {
      if (text.includes("\0")) throw this.#nulInText();
      this.text(text);
      this.#reserve(1);
    }
    this.#chunk[this.#at++] = 0;
  }

  /** Text as UTF-8, without a terminator. Lone surrogates become U+FFFD. */
  text(text: string): void {
    const length = text.length;
    if (length <= shortText) {
      this.#reserve(length * 3);
      this.#shortText(text);
    } else if (length <= longText) {
      this.#reserve(length * 3);
      this.#at += encoder.encodeInto(text, this.#chunk.subarray(this.#at)).written;
    } else {
      this.#longText(text);
    }
  }

  bytes(data: Uint8Array): void {
    const length = data.length;
    this.#reserve(length);
    if (length <= 16) {
      const chunk = this.#chunk;
      const at = this.#at;
      for (let i = 0; i < length; i++) chunk[at + i] = data[i] as number;
    } else {
      this.#chunk.set(data, this.#at);
    }
    this.#at += length;
  }

  /** A value behind its int32 length; null is a length of -1. */
  sized(cell: string | Uint8Array | null): void {
    if (cell === null) {
      this.int32(-1);
    } else if (typeof cell === "string") {
      if (cell.length <= shortText) {
        this.#reserve(cell.length * 3 + 4);
        const at = this.#at + 4;
        this.#at = at;
        this.#shortText(cell);
        this.#store32(at - 4, this.#at - at);
        return;
      }
      this.int32(0);
      const from = this.#at - this.#start;
      this.text(cell);
      const at = this.#start + from;
      this.#store32(at - 4, this.#at - at);
    } else {
      this.int32(cell.length);
      this.bytes(cell);
    }
  }

  /** Whole messages that are encoded already. */
  raw(frames: Uint8Array): void {
    this.bytes(frames);
  }

  /**
   * All complete messages since the last take(), as one view; empty if there are none. The view stays valid: later
   * writes go behind it. A message still open stays.
   */
  take(): Uint8Array {
    const to = this.#open < 0 ? this.#at : this.#open;
    const length = to - this.#start;
    if (length === 0) return noBytes;
    const chunk = this.#chunk;
    const taken = chunk.subarray(this.#start, to);
    this.#start = to;
    if (to === this.#at) this.#sizeUp(length);
    return taken;
  }

  /** After a batch of `length` bytes: how large the next chunk is to be, and whether this one is worth keeping. */
  #sizeUp(length: number): void {
    // Room for a few such batches: allocating is dear, and so is the memory of many idle connections.
    const power = 2 ** (32 - Math.clz32(length));
    const next = Math.min(Math.max(power * 4, firstChunk), this.#size);
    this.#nextSize = next;
    const size = this.#chunk.length;
    if (size - this.#at >= leastRoom && size <= next * 4 && size <= this.#size) return;
    this.#chunk = noBytes;
    this.#start = 0;
    this.#at = 0;
  }

  /** A place to return to with rewind(), valid until the next take(). */
  mark(): number {
    return this.#at - this.#start;
  }

  /** Drops everything written since mark(), a message still open included. */
  rewind(mark: number): void {
    this.#at = this.#start + mark;
    this.#open = -1;
  }

  #abandon(): void {
    if (this.#open >= 0) this.#at = this.#open;
    this.#open = -1;
  }

  #fail(code: string, message: string): PgError {
    this.#abandon();
    return new PgError(code, message);
  }

  #nulInText(): PgError {
    this.#abandon();
    return invalidEncoding("0x00");
  }

  #store32(at: number, value: number): void {
    const chunk = this.#chunk;
    chunk[at] = value >> 24;
    chunk[at + 1] = value >> 16;
    chunk[at + 2] = value >> 8;
    chunk[at + 3] = value;
  }

  #reserve(length: number): void {
    if (this.#chunk.length - this.#at < length) this.#grow(length);
  }

  /** Moves what was not taken to a fresh chunk with room for `length` more bytes. */
  #grow(length: number): void {
    const pending = this.#at - this.#start;
    const needed = pending + length;
    if (needed > maxPending) {
      throw this.#fail(sqlstate.programLimitExceeded, `message is too large: more than ${maxPending} bytes`);
    }
    const size = Math.min(Math.max(this.#nextSize, needed, pending * 2), maxPending);
    const chunk = new Uint8Array(size);
    if (pending > 0) chunk.set(this.#chunk.subarray(this.#start, this.#at));
    if (this.#open >= 0) {
      this.#open -= this.#start;
      this.#lengthAt -= this.#start;
    }
    this.#chunk = chunk;
    this.#start = 0;
    this.#at = pending;
  }

  /** Writes text whose room is reserved. True if there is U+0000 in it. */
  #shortText(text: string): boolean {
    const chunk = this.#chunk;
    const length = text.length;
    let at = this.#at;
    let nul = false;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit < 0x80) {
        if (unit === 0) nul = true;
        chunk[at++] = unit;
      } else if (unit < 0x800) {
        chunk[at++] = 0xc0 | (unit >> 6);
        chunk[at++] = 0x80 | (unit & 0x3f);
      } else if (unit < 0xd800 || unit > 0xdfff) {
        chunk[at++] = 0xe0 | (unit >> 12);
        chunk[at++] = 0x80 | ((unit >> 6) & 0x3f);
        chunk[at++] = 0x80 | (unit & 0x3f);
      } else {
        // Surrogates are rare enough to leave them to the platform; the text before them is ASCII or whole characters.
        at += encoder.encodeInto(text.slice(i), chunk.subarray(at)).written;
        if (text.includes("\0", i)) nul = true;
        break;
      }
    }
    this.#at = at;
    return nul;
  }

  #longText(text: string): void {
    let rest = text;
    let reserve = text.length;
    while (rest.length > 0) {
      this.#reserve(reserve);
      const { read, written } = encoder.encodeInto(rest, this.#chunk.subarray(this.#at));
      this.#at += written;
      rest = rest.slice(read);
      reserve = rest.length * 3;
    }
  }
}
