// Reads one message's body, and never a byte past it. Errors carry the texts of PostgreSQL's pqformat.c, as ERROR:
// the frame is known, so the connection survives a body that makes no sense.

import { protocolError } from "./error.ts";
import { decodeText, shortText } from "./utf8.ts";

export class Reader {
  readonly #body: Uint8Array;
  #at = 0;

  constructor(body: Uint8Array) {
    this.#body = body;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#body.length - this.#at;
  }

  byte(): number {
    if (this.#at >= this.#body.length) throw protocolError("no data left in message");
    return this.#body[this.#at++] as number;
  }

  int16(): number {
    return (this.uint16() << 16) >> 16;
  }

  uint16(): number {
    const body = this.#body;
    const at = this.#skip(2);
    return ((body[at] as number) << 8) | (body[at + 1] as number);
  }

  int32(): number {
    const body = this.#body;
    const at = this.#skip(4);
    return (
      ((body[at] as number) << 24) |
      ((body[at + 1] as number) << 16) |
      ((body[at + 2] as number) << 8) |
      (body[at + 3] as number)
    );
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  /** Text up to the next zero byte, which is consumed. */
  cstring(): string {
    const body = this.#body;
    const from = this.#at;
    // Most strings of the protocol are short names: found and decoded in one go.
    const end = Math.min(body.length, from + shortText);
    let text = "";
    for (let at = from; at < end; at++) {
      const byte = body[at] as number;
      if (byte === 0) {
        this.#at = at + 1;
        return text;
      }
      if (byte > 127) break;
      text += String.fromCharCode(byte);
    }
    const to = body.indexOf(0, from);
    if (to < 0) throw protocolError("invalid string in message");
    this.#at = to + 1;
    return decodeText(body, from, to);
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#skip(length);
    return new Uint8Array(this.#body.buffer, this.#body.byteOffset + at, length);
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** A value behind its int32 length, null for a length of -1. */
  sized(): Uint8Array | null {
    const length = this.int32();
    return length === -1 ? null : this.bytes(length);
  }

  /** A uint16 count of elements that take at least `size` bytes each: refused when the body cannot hold them. */
  count(size: number): number {
    const count = this.uint16();
    if (count * size > this.remaining) throw insufficientData();
    return count;
  }

  /** Formats, behind their count. */
  int16s(): number[] {
    const count = this.count(2);
    const values: number[] = [];
    for (let i = 0; i < count; i++) values.push(this.int16());
    return values;
  }

  /** OIDs, behind their count. */
  uint32s(): number[] {
    const count = this.count(4);
    const values: number[] = [];
    for (let i = 0; i < count; i++) values.push(this.uint32());
    return values;
  }

  /** Values, behind their count. */
  sizeds(): (Uint8Array | null)[] {
    const count = this.count(4);
    const values: (Uint8Array | null)[] = [];
    for (let i = 0; i < count; i++) values.push(this.sized());
    return values;
  }

  /** Throws if bytes are left: no message has trailing bytes. */
  end(): void {
    if (this.#at !== this.#body.length) throw protocolError("invalid message format");
  }

  #skip(length: number): number {
    const at = this.#at;
    if (length < 0 || length > this.#body.length - at) throw insufficientData();
    this.#at = at + length;
    return at;
  }
}

function insufficientData(): Error {
  return protocolError("insufficient data left in message");
}
