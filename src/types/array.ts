/** Arrays of any type, with as many dimensions as PostgreSQL has, and their lower bounds (array_in, array_out). */
import { PgError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { type ArrayText, parseArray } from "./array-text.ts";
import { badBinary, type Codec, trailing } from "./codec.ts";
import { setInt32, sizedItem, sizedValues } from "./layout.ts";
import { typeText } from "./pg-type.ts";
import type { TypeSettings } from "./settings.ts";

const maxDimensions = 6;
const maxElements = 0x7ffffff;

/** What is needed to know of an array's elements. */
export interface ArrayElement {
  readonly oid: number;
  readonly codec: Codec;
  /** typdelim: a comma, but for box. */
  readonly delimiter: string;
}

export function arrayCodec({ oid, codec, delimiter }: ArrayElement): Codec {
  return {
    encode: (text, settings) => arrayBytes(oid, codec, parseArray(text, delimiter), settings),
    decode(bytes, settings) {
      const { reader, elementOid, dimensions } = readHeader(bytes);
      checkElement(elementOid, oid);
      return arrayText(reader, codec, delimiter, dimensions, settings);
    },
  };
}

/** Arrays that name their elements' type themselves: anyarray, of pg_stats. Text does not tell it. */
export function anyArrayCodec(codecOf: (typeOid: number) => Codec, encode: Codec["encode"]): Codec {
  return {
    encode,
    decode(bytes, settings) {
      const { reader, elementOid, dimensions } = readHeader(bytes);
      return arrayText(reader, codecOf(elementOid), elementOid === 603 ? ";" : ",", dimensions, settings);
    },
  };
}

/** int2vector and oidvector: arrays of one dimension that count from 0, written as words. */
export function vectorCodec(type: string, oid: number, codec: Codec): Codec {
  return {
    encode(text, settings) {
      const elements = text.trim() === "" ? [] : text.trim().split(/\s+/);
      return arrayBytes(oid, codec, { sizes: [elements.length], lowerBounds: [0], elements }, settings);
    },
    decode(bytes, settings) {
      const { reader, elementOid, dimensions } = readHeader(bytes);
      if (dimensions.length > 0) checkElement(elementOid, oid);
      const [{ size, lowerBound } = { size: 0, lowerBound: 0 }, ...more] = dimensions;
      if (more.length > 0 || lowerBound !== 0) throw badBinary(`invalid ${type} data`);
      const words: string[] = [];
      for (let at = 0; at < size; at++) {
        const value = sizedItem(reader);
        if (value === null) throw badBinary(`invalid ${type} data`);
        words.push(codec.decode(value, settings));
      }
      if (reader.remaining > 0) throw trailing(type);
      return words.join(" ");
    },
  };
}

function arrayBytes(
  oid: number,
  codec: Codec,
  { sizes, lowerBounds, elements }: ArrayText,
  settings: TypeSettings,
): Uint8Array {
  let hasNull = 0;
  const values = elements.map((element) => {
    if (element !== null) return codec.encode(element, settings);
    hasNull = 1;
    return null;
  });
  const header = new Uint8Array(12 + sizes.length * 8);
  setInt32(header, 0, sizes.length);
  setInt32(header, 4, hasNull);
  setInt32(header, 8, oid);
  for (const [at, size] of sizes.entries()) {
    setInt32(header, 12 + at * 8, size);
    setInt32(header, 16 + at * 8, lowerBounds[at] as number);
  }
  return sizedValues(header, values);
}

function checkElement(given: number, expected: number): void {
  if (given === expected) return;
  const message = `binary data has array element type ${typeText(given)} instead of expected ${typeText(expected)}`;
  throw new PgError(sqlstate.datatypeMismatch, message);
}

interface Dimension {
  readonly size: number;
  readonly lowerBound: number;
}

function readHeader(bytes: Uint8Array): { reader: Reader; elementOid: number; dimensions: Dimension[] } {
  const reader = new Reader(bytes);
  const count = reader.int32();
  if (count < 0) throw badBinary(`invalid number of dimensions: ${count}`);
  if (count > maxDimensions) {
    const message = `number of array dimensions (${count}) exceeds the maximum allowed (${maxDimensions})`;
    throw new PgError(sqlstate.programLimitExceeded, message);
  }
  const flags = reader.int32();
  if (flags !== 0 && flags !== 1) throw badBinary("invalid array flags");
  const elementOid = reader.uint32();
  const dimensions: Dimension[] = [];
  let elements = 1;
  for (let at = 0; at < count; at++) {
    const size = reader.int32();
    const lowerBound = reader.int32();
    elements *= size;
    if (size < 0 || elements > maxElements) {
      const message = `array size exceeds the maximum allowed (${maxElements})`;
      throw new PgError(sqlstate.programLimitExceeded, message);
    }
    if (lowerBound + size > 0x7fff_ffff) {
      throw new PgError(sqlstate.programLimitExceeded, `array lower bound is too large: ${lowerBound}`);
    }
    dimensions.push({ size, lowerBound });
  }
  return { reader, elementOid, dimensions: elements === 0 ? [] : dimensions };
}

function arrayText(
  reader: Reader,
  codec: Codec,
  delimiter: string,
  dimensions: readonly Dimension[],
  settings: TypeSettings,
): string {
  const needsQuotes = delimiter === "," ? quotedBeforeComma : quotedBeforeSemicolon;
  const element = (): string => {
    const value = sizedItem(reader);
    if (value === null) return "NULL";
    const text = codec.decode(value, settings);
    return needsQuotes.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text;
  };
  const write = (depth: number): string => {
    const { size } = dimensions[depth] as Dimension;
    const parts: string[] = [];
    for (let at = 0; at < size; at++)
      parts.push(depth === dimensions.length - 1 ? element() : write(depth + 1));
    return `{${parts.join(delimiter)}}`;
  };
  const text = dimensions.length === 0 ? "{}" : write(0);
  if (reader.remaining > 0) throw trailing("array");
  if (dimensions.every(({ lowerBound }) => lowerBound === 1)) return text;
  const bounds = dimensions.map(({ size, lowerBound }) => `[${lowerBound}:${lowerBound + size - 1}]`);
  return `${bounds.join("")}=${text}`;
}

const quotedBeforeComma = /^$|["\\{}, \t\n\r\v\f]|^null$/i;
const quotedBeforeSemicolon = /^$|["\\{}; \t\n\r\v\f]|^null$/i;
