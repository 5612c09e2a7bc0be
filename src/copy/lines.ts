// Bytes cut anywhere into the lines of text and CSV: which line ends there are is found out from the first one, and then
// held to; `\.` ends the data. What PostgreSQL's CopyReadLineText does, so that its errors are the same.

import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText, invalidEncoding } from "../wire/utf8.ts";
import { inContext, lineContext } from "./context.ts";

export interface LinesOptions {
  /** For the context of errors. */
  readonly relation: string;
  /** Bytes of a line. */
  readonly maxLine: number;
  /** The quote and the escape, in CSV. */
  readonly csv?: { readonly quote: string; readonly escape: string } | undefined;
  /** `\.` alone on a line of CSV ends the data, as it did before PostgreSQL 18. */
  readonly csvMarker?: boolean | undefined;
}

export interface Line {
  readonly text: string;
  /** From 1; that of the last one where a quoted field has several. */
  readonly number: number;
}

const newline = 0x0a;
const carriageReturn = 0x0d;
const backslash = 0x5c;
const dot = 0x2e;

type LineEnd = "unknown" | "\n" | "\r" | "\r\n";

export class Lines {
  readonly #options: LinesOptions;
  readonly #quote: number;
  /** NaN where it is the quote: doubled quotes need no other rule. */
  readonly #escape: number;
  #bytes: Uint8Array = new Uint8Array(0);
  /** What is not read yet: where its line began, where the search goes on, and its end. */
  #start = 0;
  #at = 0;
  #end = 0;
  /** The bytes are this object's own, with room behind `#end`. */
  #owned = false;
  #lineEnd: LineEnd = "unknown";
  #inQuote = false;
  #escaped = false;
  #finished = false;
  /** The line that is being read, and the one that its row began with. */
  number = 1;
  #begun = 1;

  constructor(options: LinesOptions) {
    this.#options = options;
    this.#quote = options.csv?.quote.charCodeAt(0) ?? Number.NaN;
    const escaping = options.csv?.escape.charCodeAt(0) ?? Number.NaN;
    this.#escape = escaping === this.#quote ? Number.NaN : escaping;
  }

  /** There is a `\.`: nothing behind it counts. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Takes bytes, which have to stay as they are until all their lines were read. */
  push(chunk: Uint8Array): void {
    const left = this.#end - this.#start;
    if (left === 0) {
      this.#bytes = chunk;
      this.#owned = false;
      this.#end = chunk.length;
    } else {
      const length = left + chunk.length;
      if (!this.#owned || length > this.#bytes.length) {
        const grown = new Uint8Array(Math.max(length, left * 2));
        grown.set(this.#bytes.subarray(this.#start, this.#end));
        this.#bytes = grown;
        this.#owned = true;
      } else if (this.#start > 0) this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#bytes.set(chunk, left);
      this.#end = length;
    }
    this.#at -= this.#start;
    this.#start = 0;
  }

  /**
   * The next line; undefined: more bytes are needed, or there is none any more.
   * @param complete no more bytes come: what is left is a line, too
   * @throws PgError 22P04, 22021, 54000
   */
  next(complete: boolean): Line | undefined {
    if (this.#finished) return undefined;
    try {
      const to = this.#options.csv ? this.#findCsv(complete) : this.#findText(complete);
      if (to === undefined) {
        if (this.#end - this.#start > this.#options.maxLine) throw tooLong(this.#options.maxLine);
        if (!complete || this.#finished || this.#start === this.#end) return undefined;
      }
      return this.#take(to ?? this.#end);
    } catch (error) {
      const { relation } = this.#options;
      throw this.#badText(this.#at) ?? inContext(error, lineContext(relation, this.number));
    }
  }

  /** The error of bytes before an index that are no text: it is told first, at the line where they are. */
  #badText(to: number): PgError | undefined {
    const counted = this.#lineEnd === "\n" ? newline : carriageReturn;
    let number = this.#begun;
    for (let from = this.#start; from <= to; number++) {
      const next = this.#options.csv ? this.#bytes.subarray(0, to).indexOf(counted, from) : -1;
      const end = next < 0 ? to : next;
      try {
        this.#decode(from, end);
      } catch (error) {
        return inContext(error, lineContext(this.#options.relation, number));
      }
      from = end + 1;
    }
    return undefined;
  }

  #take(to: number): Line | undefined {
    if (to - this.#start > this.#options.maxLine) throw tooLong(this.#options.maxLine);
    const text = this.#decode(this.#start, to);
    this.#start = this.#at;
    if (this.#options.csvMarker === true && text === "\\.") {
      this.#finished = true;
      return undefined;
    }
    const { number } = this;
    this.#begun = ++this.number;
    return { text, number };
  }

  #decode(from: number, to: number): string {
    try {
      const text = decodeText(this.#bytes, from, to);
      if (!text.includes("\0")) return text;
    } catch {
      // Told below.
    }
    const zero = this.#bytes.subarray(from, to).indexOf(0);
    // Of a sequence that is cut short PostgreSQL shows what follows, too.
    decodeText(this.#bytes, from, zero < 0 ? Math.min(to + 4, this.#end) : from + zero);
    throw invalidEncoding("0x00");
  }

  /** The end of the line, its line end not included and read over; undefined where it is not there yet. */
  #findText(complete: boolean): number | undefined {
    const bytes = this.#bytes;
    const end = this.#end;
    for (let at = this.#at; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte > carriageReturn && byte !== backslash) continue;
      if (byte === newline) return this.#endAtNewline(at);
      if (byte === carriageReturn) {
        const found = this.#endAtReturn(at, complete);
        if (found === "more") return undefined;
        return found;
      }
      if (byte !== backslash) continue;
      if (at + 1 >= end) {
        this.#at = at;
        if (!complete) return undefined;
        continue;
      }
      if (bytes[at + 1] === dot) {
        if (!complete && at + 4 > end) {
          this.#at = at;
          return undefined;
        }
        this.#endOfCopy(at);
        return undefined;
      }
      // What follows is data, even the end of a line.
      at++;
    }
    this.#at = end;
    return undefined;
  }

  #findCsv(complete: boolean): number | undefined {
    const bytes = this.#bytes;
    const end = this.#end;
    const quote = this.#quote;
    const escaping = this.#escape;
    let inQuote = this.#inQuote;
    let escaped = this.#escaped;
    const counted = (): number => (this.#lineEnd === "\n" ? newline : carriageReturn);
    let at = this.#at;
    let found: number | undefined;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === carriageReturn && at + 1 >= end && !complete) break;
      if (inQuote && byte === escaping) escaped = !escaped;
      if (byte === quote && !escaped) inQuote = !inQuote;
      if (byte !== escaping) escaped = false;
      if (inQuote) {
        if (byte <= carriageReturn && byte === counted()) this.number++;
        continue;
      }
      if (byte === newline) {
        found = this.#endAtNewline(at);
        break;
      }
      if (byte === carriageReturn) {
        found = this.#endAtReturn(at, complete) as number;
        break;
      }
    }
    this.#inQuote = inQuote;
    this.#escaped = escaped;
    if (found === undefined) this.#at = at;
    return found;
  }

  #endAtNewline(at: number): number {
    this.#at = at;
    if (this.#lineEnd === "\r" || this.#lineEnd === "\r\n") throw this.#stray("newline", "\\n");
    this.#lineEnd = "\n";
    this.#at = at + 1;
    return at;
  }

  #endAtReturn(at: number, complete: boolean): number | "more" {
    this.#at = at;
    if (this.#lineEnd === "\n") throw this.#stray("carriage return", "\\r");
    if (this.#lineEnd === "\r") {
      this.#at = at + 1;
      return at;
    }
    if (at + 1 >= this.#end && !complete) return "more";
    if (at + 1 < this.#end && this.#bytes[at + 1] === newline) {
      this.#lineEnd = "\r\n";
      this.#at = at + 2;
      return at;
    }
    if (this.#lineEnd === "\r\n") throw this.#stray("carriage return", "\\r");
    this.#lineEnd = "\r";
    this.#at = at + 1;
    return at;
  }

  #stray(what: string, written: string): PgError {
    const csv = this.#options.csv !== undefined;
    return bad(`${csv ? "unquoted" : "literal"} ${what} found in data`, {
      hint: csv ? `Use quoted CSV field to represent ${what}.` : `Use "${written}" to represent ${what}.`,
    });
  }

  /** `\.`, which has to be a line of its own, with the line end that all others have. */
  #endOfCopy(at: number): void {
    this.#at = at;
    const bytes = this.#bytes;
    let next = at + 2;
    const read = (): number => (next < this.#end ? (bytes[next++] as number) : 0);
    const alone = "end-of-copy marker is not alone on its line";
    const style = "end-of-copy marker does not match previous newline style";
    if (this.#lineEnd === "\r\n") {
      const byte = read();
      if (byte === newline) throw bad(style);
      if (byte !== carriageReturn) throw bad(alone);
    }
    const byte = read();
    if (byte !== newline && byte !== carriageReturn) throw bad(alone);
    const wanted = this.#lineEnd === "\r" ? carriageReturn : newline;
    if (this.#lineEnd !== "unknown" && byte !== wanted) throw bad(style);
    if (at > this.#start) throw bad(alone);
    this.#finished = true;
  }
}

/** ERROR 22P04. */
export function bad(message: string, fields: { hint?: string; detail?: string } = {}): PgError {
  return new PgError(sqlstate.badCopyFileFormat, message, fields);
}

function tooLong(limit: number): PgError {
  return new PgError(sqlstate.programLimitExceeded, "a line of COPY data is too long", {
    detail: `A line has ${limit} bytes at the most.`,
  });
}
