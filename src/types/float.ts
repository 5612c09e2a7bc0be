/** float4 and float8 (float4in, float8out_internal and their kin of float.c). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { badText, type Codec, checkSize } from "./codec.ts";
import { doubleText, neighbours, singleText } from "./float-text.ts";
import { parseDecimal } from "./numeric.ts";

const scratch = new DataView(new ArrayBuffer(8));

/**
 * The number of a text, rounded to single precision where the type is `real`.
 * @param within the value that it is a part of, and that value's type, for the error
 * @throws PgError 22P02, 22003
 */
export function parseFloatText(
  type: "real" | "double precision",
  text: string,
  within: readonly [type: string, text: string] = [type, text],
): number {
  const word = text.trim().toLowerCase();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(word)) {
    const value = type === "real" ? toSingle(word, Number(word)) : Number(word);
    // Too small is out of range as well: a zero has no other digit before its exponent.
    const lost = value === 0 && /[1-9]/.test(word.replace(/e.*/, ""));
    if (Number.isFinite(value) && !lost) return value;
    throw new PgError(sqlstate.numericValueOutOfRange, `"${word}" is out of range for type ${type}`);
  }
  if (word === "nan") return Number.NaN;
  if (/^\+?inf(inity)?$/.test(word)) return Number.POSITIVE_INFINITY;
  if (/^-inf(inity)?$/.test(word)) return Number.NEGATIVE_INFINITY;
  throw badText(...within);
}

/** Rounds once: the double that is nearest to a text may lie midway between two singles where the text does not. */
function toSingle(word: string, value: number): number {
  const near = Math.fround(value);
  if (near === value || !Number.isFinite(near)) return near;
  const other = neighbours(near).find((next) => (near + next) / 2 === value);
  if (other === undefined) return near;
  const side = compareToText(value, word);
  if (side === 0) return near;
  return side > 0 ? Math.min(near, other) : Math.max(near, other);
}

/** Whether a double is above (1) or below (-1) the decimal number of a text. */
function compareToText(value: number, word: string): number {
  const { digits = "0", point = 0 } = parseDecimal(word) ?? {};
  const exponent = Math.floor(Math.log2(Math.abs(value))) - 60;
  const binary = BigInt(Math.abs(value) * 2 ** -exponent);
  const power = point - digits.length;
  const left = binary * 2n ** BigInt(Math.max(exponent, 0)) * 10n ** BigInt(Math.max(-power, 0));
  const right = BigInt(digits) * 2n ** BigInt(Math.max(-exponent, 0)) * 10n ** BigInt(Math.max(power, 0));
  const difference = left > right ? 1 : left < right ? -1 : 0;
  return value < 0 ? -difference : difference;
}

export function setFloat64(bytes: Uint8Array, at: number, value: number): void {
  scratch.setFloat64(0, value);
  for (let i = 0; i < 8; i++) bytes[at + i] = scratch.getUint8(i);
}

export function getFloat64(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) scratch.setUint8(i, bytes[at + i] as number);
  return scratch.getFloat64(0);
}

export function setFloat32(bytes: Uint8Array, at: number, value: number): void {
  scratch.setFloat32(0, value);
  for (let i = 0; i < 4; i++) bytes[at + i] = scratch.getUint8(i);
}

export function getFloat32(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 4; i++) scratch.setUint8(i, bytes[at + i] as number);
  return scratch.getFloat32(0);
}

export const float8Codec: Codec = {
  encode(text) {
    const bytes = new Uint8Array(8);
    setFloat64(bytes, 0, parseFloatText("double precision", text));
    return bytes;
  },
  decode(bytes, settings) {
    checkSize("double precision", bytes, 8);
    return doubleText(getFloat64(bytes, 0), settings.extraFloatDigits);
  },
};

export const float4Codec: Codec = {
  encode(text) {
    const bytes = new Uint8Array(4);
    setFloat32(bytes, 0, parseFloatText("real", text));
    return bytes;
  },
  decode(bytes, settings) {
    checkSize("real", bytes, 4);
    return singleText(getFloat32(bytes, 0), settings.extraFloatDigits);
  },
};
