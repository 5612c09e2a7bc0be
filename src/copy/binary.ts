// The binary format of COPY, both ways: a signature, rows of fields with their lengths, and a trailer (PostgreSQL
// documentation, COPY, "Binary Format").

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText } from "../wire/utf8.ts";
import { columnContext, inContext, lineContext } from "./context.ts";
import type { CopyDecoder, CopyRow, CopyTarget } from "./decoder.ts";
import { bad } from "./lines.ts";

/** `PGCOPY\n\377\r\n\0` */
const signature: readonly number[] = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00];

/** What files begin with: the signature, no flags, no extension. */
export const binaryHeader: Uint8Array = new Uint8Array([...signature, 0, 0, 0, 0, 0, 0, 0, 0]);
export const binaryTrailer: Uint8Array = new Uint8Array([0xff, 0xff]);

/** A row of fields, which are null or in binary form. */
export function binaryRow(fields: readonly (Uint8Array | null)[]): Uint8Array {
  const length = fields.reduce((sum, field) => sum + 4 + (field?.length ?? 0), 2);
  const row = new Uint8Array(length);
  const view = new DataView(row.buffer);
  view.setInt16(0, fields.length);
  let at = 2;
  for (const field of fields) {
    view.setInt32(at, field ? field.length : -1);
    at += 4;
    if (!field) continue;
    row.set(field, at);
    at += field.length;
  }
  return row;
}

type State = "header" | "extension" | "rows";

export function binaryRows(target: CopyTarget & { readonly maxLine: number }): CopyDecoder {
  return new BinaryRows(target);
}

class BinaryRows implements CopyDecoder {
  readonly #target: CopyTarget & { readonly maxLine: number };
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #state: State = "header";
  /** Bytes of the header's extension that are still to come. */
  #extension = 0;
  #ended = false;
  line = 1;

  constructor(target: CopyTarget & { readonly maxLine: number }) {
    this.#target = target;
  }

  *push(chunk: Uint8Array): Generator<CopyRow> {
    const left = this.#bytes.length - this.#at;
    if (left === 0) this.#bytes = chunk;
    else {
      // A row that is not whole is copied with each chunk: its size is limited, and chunks are large.
      const joined = new Uint8Array(left + chunk.length);
      joined.set(this.#bytes.subarray(this.#at));
      joined.set(chunk, left);
      this.#bytes = joined;
    }
    this.#at = 0;
    yield* this.#rows(false);
  }

  *end(): Generator<CopyRow> {
    yield* this.#rows(true);
  }

  get #left(): number {
    return this.#bytes.length - this.#at;
  }

  #view(): DataView {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  }

  *#rows(complete: boolean): Generator<CopyRow> {
    if (this.#state === "header" && !this.#readHeader(complete)) return;
    if (this.#state === "extension") {
      const skipped = Math.min(this.#extension, this.#left);
      this.#at += skipped;
      this.#extension -= skipped;
      if (this.#extension > 0) {
        if (complete) throw bad("invalid COPY file header (wrong length)");
        return;
      }
      this.#state = "rows";
    }
    while (this.#state === "rows") {
      const row = this.#readRow(complete);
      if (!row) break;
      yield row;
      this.line++;
    }
    if (this.#ended && this.#left > 0) throw this.#failure(bad("received copy data after EOF marker"));
  }

  /** These errors have no context: no row has begun. */
  #readHeader(complete: boolean): boolean {
    const bytes = this.#bytes.subarray(this.#at);
    const known = Math.min(bytes.length, signature.length);
    for (let at = 0; at < known; at++) {
      if (bytes[at] !== signature[at]) throw bad("COPY file signature not recognized");
    }
    if (bytes.length < 19) {
      if (!complete) return false;
      if (bytes.length < 11) throw bad("COPY file signature not recognized");
      throw bad(`invalid COPY file header (missing ${bytes.length < 15 ? "flags" : "length"})`);
    }
    const view = this.#view();
    const flags = view.getInt32(this.#at + 11);
    if ((flags & 0x10000) !== 0) throw bad("invalid COPY file header (WITH OIDS)");
    if (flags >> 16 !== 0) throw bad("unrecognized critical flags in COPY file header");
    this.#extension = view.getInt32(this.#at + 15);
    if (this.#extension < 0) throw bad("invalid COPY file header (missing length)");
    this.#at += 19;
    this.#state = "extension";
    return true;
  }

  /** The next row, once it is there as a whole; undefined: it is not, or there is none. */
  #readRow(complete: boolean): CopyRow | undefined {
    const { columns, relation, maxLine } = this.#target;
    // Half a count of fields is no row, as PostgreSQL has it.
    if (this.#ended || this.#left < 2) return undefined;
    const view = this.#view();
    const count = view.getInt16(this.#at);
    if (count === -1) {
      this.#at += 2;
      this.#ended = true;
      return undefined;
    }
    if (count !== columns.length) {
      throw this.#failure(bad(`row field count is ${count}, expected ${columns.length}`));
    }
    let at = this.#at + 2;
    const fields: (Uint8Array | null)[] = [];
    for (const { name } of columns) {
      const failed = (error: PgError): PgError =>
        inContext(error, columnContext(relation, this.line, name, undefined));
      const size = at + 4 <= this.#bytes.length ? view.getInt32(at) : undefined;
      if (size !== undefined && size < -1) {
        this.#values(fields);
        throw failed(bad("invalid field size"));
      }
      if (size === undefined || at + 4 + Math.max(size, 0) > this.#bytes.length) {
        if (at - this.#at + Math.max(size ?? 0, 0) > maxLine) throw this.#failure(tooLong(maxLine));
        if (!complete) return undefined;
        this.#values(fields);
        throw failed(bad("unexpected EOF in COPY data"));
      }
      at += 4;
      fields.push(size === -1 ? null : this.#bytes.subarray(at, at + size));
      at += Math.max(size, 0);
    }
    const values = this.#values(fields);
    this.#at = at;
    return { line: this.line, text: undefined, values };
  }

  #values(fields: readonly (Uint8Array | null)[]): (string | null)[] {
    const { columns, relation } = this.#target;
    return fields.map((field, at) => {
      if (field === null) return null;
      const { name = "", fromBinary = decodeText } = columns[at] ?? {};
      try {
        return fromBinary(field);
      } catch (error) {
        throw inContext(receiving(error), columnContext(relation, this.line, name, undefined));
      }
    });
  }

  #failure(error: PgError): PgError {
    return inContext(error, lineContext(this.#target.relation, this.line));
  }
}

/** Bytes behind a value's end are told by COPY itself, which does not name the type. */
function receiving(error: unknown): unknown {
  const trailing = "incorrect binary data format";
  if (!(error instanceof PgError) || !error.message.startsWith(trailing)) return error;
  return new PgError(error.code, trailing);
}

function tooLong(limit: number): PgError {
  return new PgError(sqlstate.programLimitExceeded, "a row of COPY data is too long", {
    detail: `A row has ${limit} bytes at the most.`,
  });
}
