/** Composite values: a value of each column, behind its type (record_in, record_out). */
import { PgError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { type Codec, trailing } from "./codec.ts";
import { concatenated, setInt32, sizedItem, sizedValues } from "./layout.ts";
import { typeText } from "./pg-type.ts";
import type { TypeSettings } from "./settings.ts";

/** A column of a composite type. */
export interface RecordField {
  readonly oid: number;
  readonly codec: Codec;
}

/** A named composite type: its columns are known. */
export function recordCodec(fields: readonly RecordField[]): Codec {
  return {
    encode(text, settings) {
      const values = parseRecord(text);
      // A type without columns is written as one with a single NULL.
      if (fields.length === 0 && values.length === 1 && values[0] === null) values.pop();
      if (values.length < fields.length) throw malformed(text, "Too few columns.");
      if (values.length > fields.length) throw malformed(text, "Too many columns.");
      const parts: Uint8Array[] = [new Uint8Array(4)];
      setInt32(parts[0] as Uint8Array, 0, fields.length);
      for (const [at, { oid, codec }] of fields.entries()) {
        const value = values[at] ?? null;
        const header = new Uint8Array(4);
        setInt32(header, 0, oid);
        parts.push(sizedValues(header, [value === null ? null : codec.encode(value, settings)]));
      }
      return concatenated(parts);
    },
    decode(bytes, settings) {
      const reader = new Reader(bytes);
      const count = reader.int32();
      if (count !== fields.length) {
        throw mismatch(`wrong number of columns: ${count}, expected ${fields.length}`);
      }
      return recordText(reader, count, settings, (oid, at) => {
        const field = fields[at] as RecordField;
        if (field.oid === oid) return field.codec;
        throw mismatch(
          `binary data has type ${typeText(oid)} instead of expected ${typeText(field.oid)} in record column ${at + 1}`,
        );
      });
    },
  };
}

/** `record` itself: its binary form names the types of its columns, its text does not. */
export function anonymousRecordCodec(codecOf: (typeOid: number) => Codec, encode: Codec["encode"]): Codec {
  return {
    encode,
    decode(bytes, settings) {
      const reader = new Reader(bytes);
      return recordText(reader, reader.int32(), settings, codecOf);
    },
  };
}

function recordText(
  reader: Reader,
  count: number,
  settings: TypeSettings,
  codecOf: (oid: number, at: number) => Codec,
): string {
  const texts: string[] = [];
  for (let at = 0; at < count; at++) {
    const codec = codecOf(reader.uint32(), at);
    const value = sizedItem(reader);
    texts.push(value === null ? "" : fieldText(codec.decode(value, settings)));
  }
  if (reader.remaining > 0) throw trailing("record");
  return `(${texts.join(",")})`;
}

/** An empty text is quoted: nothing at all is NULL. */
function fieldText(text: string): string {
  if (!/^$|["\\(), \t\n\r\v\f]/.test(text)) return text;
  return `"${text.replace(/["\\]/g, "$&$&")}"`;
}

function parseRecord(text: string): (string | null)[] {
  let at = text.search(/\S/);
  if (text[at] !== "(") throw malformed(text, "Missing left parenthesis.");
  const values: (string | null)[] = [];
  at++;
  for (;;) {
    let value = "";
    let isNull = true;
    let isQuoted = false;
    for (; at < text.length; at++) {
      const char = text[at] as string;
      if (!isQuoted && (char === "," || char === ")")) break;
      isNull = false;
      if (char === "\\") value += text[++at] ?? "";
      else if (char !== '"') value += char;
      else if (isQuoted && text[at + 1] === '"') value += text[++at];
      else isQuoted = !isQuoted;
    }
    if (at >= text.length) throw malformed(text, "Unexpected end of input.");
    values.push(isNull ? null : value);
    if (text[at++] === ")") break;
  }
  if (/\S/.test(text.slice(at))) throw malformed(text, "Junk after right parenthesis.");
  return values;
}

function malformed(text: string, detail: string): PgError {
  const message = `malformed record literal: "${text}"`;
  return new PgError(sqlstate.invalidTextRepresentation, message, { detail });
}

function mismatch(message: string): PgError {
  return new PgError(sqlstate.datatypeMismatch, message);
}
