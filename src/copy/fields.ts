// Lines into fields, and the escapes that are resolved on the way (PostgreSQL documentation, COPY, "File Formats").

import { decodeText, invalidEncoding } from "../wire/utf8.ts";
import { bad } from "./lines.ts";

/** A field's text; null; undefined where the marker of the default stands. */
export type Field = string | null | undefined;

export interface Markers {
  readonly delimiter: string;
  readonly null: string;
  readonly default?: string | undefined;
  readonly quote: string;
  readonly escape: string;
}

/** The fields of a line of text. Of more than `most` only their number is of interest: those behind are empty. */
export function splitText(line: string, markers: Markers, most: number): Field[] {
  const { delimiter } = markers;
  const fields: Field[] = [];
  const { length } = line;
  let slash = line.indexOf("\\");
  for (let from = 0; ; ) {
    let to = line.indexOf(delimiter, from);
    if (to < 0) to = length;
    if (slash >= 0 && slash < from) slash = line.indexOf("\\", from);
    if (fields.length >= most) fields.push("");
    else if (slash < 0 || slash >= to) {
      const raw = line.slice(from, to);
      fields.push(raw === markers.null ? null : raw === markers.default ? undefined : raw);
    } else {
      // A delimiter behind a backslash is none.
      let at = slash;
      while (at < length && line[at] !== delimiter) at += line[at] === "\\" ? 2 : 1;
      to = Math.min(at, length);
      // A backslash at the very end has nothing to say.
      const raw = line.slice(from, at > length ? length - 1 : to);
      fields.push(raw === markers.null ? null : raw === markers.default ? undefined : withoutEscapes(raw));
    }
    if (to >= length) return fields;
    from = to + 1;
  }
}

const letters: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

function withoutEscapes(raw: string): string {
  let bytes = false;
  const text = raw.replace(/\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|[\s\S])/g, (_, behind: string) => {
    const first = behind.charCodeAt(0);
    const code =
      first >= 0x30 && first <= 0x37
        ? Number.parseInt(behind, 8) & 0xff
        : behind.length > 1
          ? Number.parseInt(behind.slice(1), 16)
          : undefined;
    if (code === undefined) return letters[behind] ?? behind;
    if (code === 0 || code > 0x7f) bytes = true;
    return String.fromCharCode(code);
  });
  return bytes ? bytesWithoutEscapes(raw) : text;
}

const encoder = new TextEncoder();

/** Escapes may be bytes of a character: only together are they text. */
function bytesWithoutEscapes(raw: string): string {
  const source = encoder.encode(raw);
  const target = new Uint8Array(source.length);
  let length = 0;
  for (let at = 0; at < source.length; ) {
    const byte = source[at++] as number;
    if (byte !== 0x5c) {
      target[length++] = byte;
      continue;
    }
    const ascii = String.fromCharCode(...source.subarray(at, at + 3));
    const number = /^(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3}))/.exec(ascii);
    if (number) {
      const [all, hex, octal] = number;
      target[length++] =
        hex === undefined ? Number.parseInt(octal as string, 8) & 0xff : Number.parseInt(hex, 16);
      at += all.length;
    } else {
      const letter = letters[ascii[0] as string];
      target[length++] = letter === undefined ? (source[at] as number) : letter.charCodeAt(0);
      at++;
    }
  }
  const text = decodeText(target, 0, length);
  if (text.includes("\0")) throw invalidEncoding("0x00");
  return text;
}

/** The fields of a line of CSV. @throws PgError 22P04 for a quote that does not end */
export function splitCsv(line: string, markers: Markers, most: number): Field[] {
  const { delimiter, quote } = markers;
  const fields: Field[] = [];
  const { length } = line;
  let quoted = line.indexOf(quote);
  for (let from = 0; ; ) {
    let to = line.indexOf(delimiter, from);
    if (to < 0) to = length;
    if (quoted >= 0 && quoted < from) quoted = line.indexOf(quote, from);
    let value: Field;
    if (quoted < 0 || quoted >= to) {
      const raw = line.slice(from, to);
      value = raw === markers.null ? null : raw === markers.default ? undefined : raw;
    } else {
      const read = unquote(line, from, markers);
      value = read.value;
      to = read.end;
    }
    fields.push(fields.length >= most ? "" : value);
    if (to >= length) return fields;
    from = to + 1;
  }
}

/** A field with quotes somewhere in it. */
function unquote(line: string, from: number, markers: Markers): { value: Field; end: number } {
  const { delimiter, quote } = markers;
  const { length } = line;
  let value = "";
  let at = from;
  for (;;) {
    let start = at;
    while (at < length && line[at] !== delimiter && line[at] !== quote) at++;
    value += line.slice(start, at);
    if (line[at] !== quote) break;
    at++;
    start = at;
    for (;;) {
      if (at >= length) throw bad("unterminated CSV quoted field");
      const character = line[at] as string;
      const next = line[at + 1];
      if (character === markers.escape && (next === markers.escape || next === quote)) {
        value += line.slice(start, at) + next;
        at += 2;
        start = at;
      } else if (character === quote) break;
      else at++;
    }
    value += line.slice(start, at);
    at++;
  }
  // A marker of the default may hold no quote, so that a field with one is none.
  return { value, end: at };
}
