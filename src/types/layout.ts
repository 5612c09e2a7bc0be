/** Bytes of binary forms: integers in network order, hexadecimal digits, and values behind their lengths. */
import type { Reader } from "../wire/reader.ts";
import { badBinary } from "./codec.ts";

/** An int64 of a number that a double holds exactly. */
export function int64Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setInt64(bytes, 0, value);
  return bytes;
}

/** Stores a whole number of up to 53 bits. */
export function setInt64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  setInt32(bytes, at, high);
  setInt32(bytes, at + 4, value - high * 0x1_0000_0000);
}

export function setBigInt64(bytes: Uint8Array, at: number, value: bigint): void {
  setInt32(bytes, at, Number(BigInt.asIntN(32, value >> 32n)));
  setInt32(bytes, at + 4, Number(BigInt.asUintN(32, value)));
}

/** The low 32 bits. */
export function setInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function setInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

export function getInt32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

export function getInt16(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) >> 16) | (bytes[at + 1] as number);
}

/** An int64 as a number where it is exact (53 bits), else undefined. */
export function getSmallInt64(bytes: Uint8Array, at: number): number | undefined {
  const high = getInt32(bytes, at);
  if (high < -0x20_0000 || high >= 0x20_0000) return undefined;
  return high * 0x1_0000_0000 + (getInt32(bytes, at + 4) >>> 0);
}

export function getBigInt64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(getInt32(bytes, at)) << 32n) | BigInt(getInt32(bytes, at + 4) >>> 0);
}

/** `header`, then each value behind its int32 length; null is a length of -1. */
export function sizedValues(header: Uint8Array, values: readonly (Uint8Array | null)[]): Uint8Array {
  let length = header.length;
  for (const value of values) length += 4 + (value === null ? 0 : value.length);
  const bytes = new Uint8Array(length);
  bytes.set(header);
  let at = header.length;
  for (const value of values) {
    setInt32(bytes, at, value === null ? -1 : value.length);
    at += 4;
    if (value === null) continue;
    copy(value, bytes, at);
    at += value.length;
  }
  return bytes;
}

/** Up to some bytes a loop beats the call. */
function copy(from: Uint8Array, to: Uint8Array, at: number): void {
  const { length } = from;
  if (length > 16) to.set(from, at);
  else for (let i = 0; i < length; i++) to[at + i] = from[i] as number;
}

/** A value behind its length, in an array or a record; null for a length of -1. */
export function sizedItem(reader: Reader): Uint8Array | null {
  const length = reader.int32();
  if (length === -1) return null;
  if (length < -1 || length > reader.remaining) throw badBinary("insufficient data left in message");
  return reader.bytes(length);
}

/** All of `parts`, one behind another. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    copy(part, bytes, at);
    at += part.length;
  }
  return bytes;
}

const hexDigits: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);

export function toHex(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  let text = "";
  for (let at = from; at < to; at++) text += hexDigits[bytes[at] as number];
  return text;
}

/** The value of a hexadecimal digit's character code, -1 for any other. */
export function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
