/** The order of the values that ranges are made of, by their binary forms, and the next of those that can be counted. */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { getFloat64 } from "./float.ts";
import { getInt16, getInt32, setInt32 } from "./layout.ts";
import { oid } from "./oid.ts";

export interface RangeOrder {
  compare(a: Uint8Array, b: Uint8Array): number;
  /** The value behind another, for types that have one; the same where there is none to step to (infinity). */
  readonly next?: (value: Uint8Array) => Uint8Array;
  /** Bytes that a value takes, by those it begins with. */
  size(value: Uint8Array): number;
}

/** Two's complement in network order: the first byte has the sign. */
function compareSigned(a: Uint8Array, b: Uint8Array): number {
  let difference = ((a[0] as number) ^ 0x80) - ((b[0] as number) ^ 0x80);
  for (let at = 1; difference === 0 && at < a.length; at++) {
    difference = (a[at] as number) - (b[at] as number);
  }
  return difference;
}

function incremented(value: Uint8Array, overflow: () => PgError): Uint8Array {
  const next = value.slice();
  for (let at = next.length - 1; at >= 0; at--) {
    const byte = ((next[at] as number) + 1) & 0xff;
    next[at] = byte;
    if (byte !== 0) break;
  }
  if (compareSigned(next, value) < 0) throw overflow();
  return next;
}

const counted = (type: string) => (value: Uint8Array) =>
  incremented(value, () => new PgError(sqlstate.numericValueOutOfRange, `${type} out of range`));

function nextDay(value: Uint8Array): Uint8Array {
  const day = getInt32(value, 0);
  if (day === 0x7fff_ffff || day === -0x8000_0000) return value;
  if (day >= 2_145_031_948) throw new PgError(sqlstate.datetimeFieldOverflow, "date out of range");
  const next = new Uint8Array(4);
  setInt32(next, 0, day + 1);
  return next;
}

function compareFloats(a: Uint8Array, b: Uint8Array): number {
  const [left, right] = [getFloat64(a, 0), getFloat64(b, 0)];
  if (Number.isNaN(left) || Number.isNaN(right))
    return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
  return left < right ? -1 : Number(left > right);
}

/** NaN is above everything. */
function compareNumerics(a: Uint8Array, b: Uint8Array): number {
  const [left, right] = [numericRank(a), numericRank(b)];
  if (left !== right || Math.abs(left) !== 1) return left - right;
  return left * compareMagnitudes(a, b);
}

/** -2, 2, 3 for infinities and NaN; else the sign. */
function numericRank(bytes: Uint8Array): number {
  const sign = getInt16(bytes, 4) & 0xffff;
  if (sign === 0xc000) return 3;
  if (sign === 0xd000) return 2;
  if (sign === 0xf000) return -2;
  if (getInt16(bytes, 0) === 0) return 0;
  return sign === 0 ? 1 : -1;
}

function compareMagnitudes(a: Uint8Array, b: Uint8Array): number {
  const weights = getInt16(a, 2) - getInt16(b, 2);
  if (weights !== 0) return weights;
  const length = Math.max(a.length, b.length);
  for (let at = 8; at < length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const orders: Readonly<Record<number, RangeOrder>> = {
  [oid.int4]: { compare: compareSigned, size: () => 4 },
  [oid.int8]: { compare: compareSigned, size: () => 8 },
  [oid.date]: { compare: compareSigned, size: () => 4 },
  [oid.time]: { compare: compareSigned, size: () => 8 },
  [oid.timestamp]: { compare: compareSigned, size: () => 8 },
  [oid.timestamptz]: { compare: compareSigned, size: () => 8 },
  [oid.float8]: { compare: compareFloats, size: () => 8 },
  [oid.numeric]: {
    compare: compareNumerics,
    size: (value) => (value.length < 8 ? 8 : 8 + (getInt16(value, 0) & 0xffff) * 2),
  },
};

const steps: Readonly<Record<number, (value: Uint8Array) => Uint8Array>> = {
  [oid.int4]: counted("integer"),
  [oid.int8]: counted("bigint"),
  [oid.date]: nextDay,
};

/** The order of a range's subtype, as far as it is known here. */
export function rangeOrder(subtype: number, isBuiltIn: boolean): RangeOrder | undefined {
  const order = orders[subtype];
  const next = isBuiltIn ? steps[subtype] : undefined;
  return order && next ? { ...order, next } : order;
}
