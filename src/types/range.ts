/** Ranges and multiranges: flags and up to two bounds in their subtype's form (rangetypes.c, multirangetypes.c). */
import { PgError, protocolError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { type Codec, missingData } from "./codec.ts";
import { setInt32, sizedValues } from "./layout.ts";
import type { RangeOrder } from "./range-order.ts";
import { parseMultirange, parseRange, type RangeText } from "./range-text.ts";
import { defaultSettings, type TypeSettings } from "./settings.ts";

const emptyFlag = 0x01;
const lowerInclusive = 0x02;
const upperInclusive = 0x04;
const lowerInfinite = 0x08;
const upperInfinite = 0x10;

/** What is needed to know of a range's bounds. */
export interface RangeSubtype {
  readonly codec: Codec;
  /** Undefined where only the server can compare: such a range is taken as it is given. */
  readonly order?: RangeOrder | undefined;
}

/** Bounds are binary forms; null is no bound. */
interface Range {
  readonly lower: Uint8Array | null;
  readonly upper: Uint8Array | null;
  readonly lowerInclusive: boolean;
  readonly upperInclusive: boolean;
}

export function rangeCodec(subtype: RangeSubtype): Codec {
  return {
    encode: (text, settings) => rangeBytes(fromText(parseRange(text), subtype, settings)),
    decode: (bytes, settings) => rangeText(readRange(bytes, subtype), subtype, settings),
  };
}

export function multirangeCodec(subtype: RangeSubtype): Codec {
  return {
    encode(text, settings) {
      const ranges = parseMultirange(text).map((range) => fromText(range, subtype, settings));
      const merged = mergedRanges(ranges, subtype.order);
      const header = new Uint8Array(4);
      setInt32(header, 0, merged.length);
      return sizedValues(header, merged.map(rangeBytes));
    },
    decode(bytes, settings) {
      const reader = new Reader(bytes);
      const count = reader.uint32();
      if (count * 4 > reader.remaining) throw protocolError(missingData);
      const ranges: (Range | undefined)[] = [];
      for (let at = 0; at < count; at++) ranges.push(readRange(reader.bytes(reader.uint32()), subtype));
      if (reader.remaining > 0) throw protocolError("invalid message format");
      const texts = mergedRanges(ranges, subtype.order).map((range) => rangeText(range, subtype, settings));
      return `{${texts.join(",")}}`;
    },
  };
}

function fromText(
  text: RangeText | undefined,
  subtype: RangeSubtype,
  settings: TypeSettings,
): Range | undefined {
  if (!text) return undefined;
  const bound = (value: string | null): Uint8Array | null =>
    value === null ? null : subtype.codec.encode(value, settings);
  return canonical({ ...text, lower: bound(text.lower), upper: bound(text.upper) }, subtype.order);
}

function readRange(bytes: Uint8Array, subtype: RangeSubtype): Range | undefined {
  const reader = new Reader(bytes);
  const flags = reader.byte();
  const isEmpty = (flags & emptyFlag) !== 0;
  const bound = (infinite: number): Uint8Array | null => {
    if (isEmpty || flags & infinite) return null;
    return boundOf(reader.bytes(reader.uint32()), subtype);
  };
  const lower = bound(lowerInfinite);
  const upper = bound(upperInfinite);
  if (reader.remaining > 0) throw protocolError("invalid message format");
  if (isEmpty) return undefined;
  return canonical(
    {
      lower,
      upper,
      lowerInclusive: (flags & lowerInclusive) !== 0,
      upperInclusive: (flags & upperInclusive) !== 0,
    },
    subtype.order,
  );
}

/** A bound that is a value, without what stands behind it: PostgreSQL does not look at that. */
function boundOf(value: Uint8Array, { codec, order }: RangeSubtype): Uint8Array {
  const bound = order && value.length > order.size(value) ? value.slice(0, order.size(value)) : value;
  codec.decode(bound, defaultSettings);
  return bound;
}

function rangeBytes(range: Range | undefined): Uint8Array {
  if (!range) return Uint8Array.of(emptyFlag);
  const { lower, upper } = range;
  const flags =
    (lower === null ? lowerInfinite : range.lowerInclusive ? lowerInclusive : 0) |
    (upper === null ? upperInfinite : range.upperInclusive ? upperInclusive : 0);
  return sizedValues(
    Uint8Array.of(flags),
    [lower, upper].filter((bound) => bound !== null),
  );
}

function rangeText(range: Range | undefined, { codec }: RangeSubtype, settings: TypeSettings): string {
  if (!range) return "empty";
  const bound = (value: Uint8Array | null): string =>
    value === null ? "" : boundText(codec.decode(value, settings));
  const open = range.lowerInclusive ? "[" : "(";
  const close = range.upperInclusive ? "]" : ")";
  return `${open}${bound(range.lower)},${bound(range.upper)}${close}`;
}

function boundText(text: string): string {
  if (!/^$|["\\()[\], \t\n\r\v\f]/.test(text)) return text;
  return `"${text.replace(/["\\]/g, "$&$&")}"`;
}

/** The form that PostgreSQL keeps: no empty ranges but one, no inclusive infinity, whole numbers from-until. */
function canonical(given: Range, order: RangeOrder | undefined): Range | undefined {
  const range = checked(given, order);
  const next = order?.next;
  if (!range || !next) return range;
  let { lower, upper } = range;
  if (lower !== null && !range.lowerInclusive) lower = next(lower);
  if (upper !== null && range.upperInclusive) upper = next(upper);
  // What next() cannot go beyond keeps its bracket.
  return checked(
    {
      lower,
      upper,
      lowerInclusive: lower !== range.lower || range.lowerInclusive,
      upperInclusive: upper === range.upper && range.upperInclusive,
    },
    order,
  );
}

function checked(range: Range, order: RangeOrder | undefined): Range | undefined {
  const { lower, upper } = range;
  if (lower !== null && upper !== null && order) {
    const difference = order.compare(lower, upper);
    if (difference > 0) {
      const message = "range lower bound must be less than or equal to range upper bound";
      throw new PgError(sqlstate.dataException, message);
    }
    if (difference === 0 && !(range.lowerInclusive && range.upperInclusive)) return undefined;
  }
  return {
    lower,
    upper,
    lowerInclusive: lower !== null && range.lowerInclusive,
    upperInclusive: upper !== null && range.upperInclusive,
  };
}

/** Sorted, without empty ranges, and those that meet made one. */
function mergedRanges(ranges: readonly (Range | undefined)[], order: RangeOrder | undefined): Range[] {
  const filled = ranges.filter((range) => range !== undefined);
  if (!order) return filled;
  filled.sort((a, b) => compareLower(a, b, order) || compareUpper(a, b, order));
  const merged: Range[] = [];
  for (const range of filled) {
    const last = merged.at(-1);
    if (last && meet(last, range, order)) merged[merged.length - 1] = joined(last, range, order);
    else merged.push(range);
  }
  return merged;
}

/** Of equal bounds that are written differently (2.0, 2.00) the second's stays. */
function joined(first: Range, second: Range, order: RangeOrder): Range {
  const { lower, lowerInclusive } = compareLower(first, second, order) < 0 ? first : second;
  const { upper, upperInclusive } = compareUpper(first, second, order) > 0 ? first : second;
  return { lower, lowerInclusive, upper, upperInclusive };
}

function compareLower(a: Range, b: Range, order: RangeOrder): number {
  if (a.lower === null || b.lower === null) return Number(b.lower === null) - Number(a.lower === null);
  return order.compare(a.lower, b.lower) || Number(b.lowerInclusive) - Number(a.lowerInclusive);
}

function compareUpper(a: Range, b: Range, order: RangeOrder): number {
  if (a.upper === null || b.upper === null) return Number(a.upper === null) - Number(b.upper === null);
  return order.compare(a.upper, b.upper) || Number(a.upperInclusive) - Number(b.upperInclusive);
}

/** Of two ranges in order: whether there is nothing between them. */
function meet(first: Range, second: Range, order: RangeOrder): boolean {
  if (first.upper === null || second.lower === null) return true;
  const difference = order.compare(first.upper, second.lower);
  return difference > 0 || (difference === 0 && (first.upperInclusive || second.lowerInclusive));
}
