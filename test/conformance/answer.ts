/**
 * Backend bytes as lines that can be compared: libpq's trace format, with what differs from run to run and from server
 * to server left out (process ids, keys, OIDs given at run time, and where in the server's source an error was raised).
 * It reads the bytes by itself: a fault in src/wire's decoders must not hide behind itself.
 */
import { traceFrame } from "../../src/wire/mod.ts";

/** The first OID that a server gives to what its users create (FirstNormalObjectId). */
const firstUserOid = 16384;

export class AnswerPrinter {
  #oids = new Map<number, number>();

  /** @throws Error when the bytes end inside a message. */
  lines(bytes: Uint8Array): string[] {
    return frames(bytes).map(({ code, body }) => this.line(code, body));
  }

  line(code: string, body: Uint8Array): string {
    const stable = this.#stable(code, body);
    const header = new Uint8Array(5);
    header[0] = code.charCodeAt(0);
    new DataView(header.buffer).setInt32(1, stable.length + 4);
    const bytes = new Uint8Array(5 + stable.length);
    bytes.set(header);
    bytes.set(stable, 5);
    const line = traceFrame("B", { code: header[0], body: stable, bytes });
    // The direction is always B, and a length says nothing that the content does not.
    return line
      .replace(/^B\t\d+\t/, "")
      .replaceAll("\n", "\\n")
      .replaceAll("\t", "");
  }

  #stable(code: string, body: Uint8Array): Uint8Array {
    const copy = body.slice();
    const view = new DataView(copy.buffer);
    switch (code) {
      case "E":
      case "N":
        return withoutSource(copy);
      case "K":
        return copy.fill(0);
      case "A":
        view.setInt32(0, 0);
        return copy;
      case "t":
        for (let at = 2; at + 4 <= copy.length; at += 4) view.setUint32(at, this.#oid(view.getUint32(at)));
        return copy;
      case "T":
        for (let at = 2; at < copy.length; ) {
          at = copy.indexOf(0, at) + 1;
          view.setUint32(at, this.#oid(view.getUint32(at)));
          view.setUint32(at + 6, this.#oid(view.getUint32(at + 6)));
          at += 18;
        }
        return copy;
      default:
        return copy;
    }
  }

  /** User objects are numbered in the order in which the transcript meets them. */
  #oid(oid: number): number {
    if (oid < firstUserOid) return oid;
    const known = this.#oids.get(oid);
    if (known !== undefined) return known;
    const next = firstUserOid + this.#oids.size;
    this.#oids.set(oid, next);
    return next;
  }
}

/** Drops the fields F, L and R: file, line and routine of PostgreSQL's source. */
function withoutSource(body: Uint8Array): Uint8Array {
  const kept: number[] = [];
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const end = body.indexOf(0, at) + 1;
    if (end === 0) throw new Error("an error field without a terminator");
    if (!"FLR".includes(String.fromCharCode(body[at] ?? 0))) kept.push(...body.subarray(at, end));
    at = end;
  }
  return Uint8Array.from([...kept, 0]);
}

export interface BackendFrame {
  readonly code: string;
  readonly body: Uint8Array;
  /** Where the next frame begins. */
  readonly end: number;
}

export function frames(bytes: Uint8Array): BackendFrame[] {
  const all: BackendFrame[] = [];
  let at = 0;
  for (let frame = frameAt(bytes, at); frame; frame = frameAt(bytes, at)) {
    all.push(frame);
    at = frame.end;
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes of an unfinished message`);
  return all;
}

/** The frame that begins at `at`; undefined while it is not complete. */
export function frameAt(bytes: Uint8Array, at: number): BackendFrame | undefined {
  if (bytes.length - at < 5) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset + at + 1).getInt32(0);
  if (length < 4) throw new Error(`a message of length ${length}`);
  const end = at + 1 + length;
  if (bytes.length < end) return undefined;
  return { code: String.fromCharCode(bytes[at] ?? 0), body: bytes.subarray(at + 5, end), end };
}
