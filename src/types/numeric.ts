/**
 * numeric: digits to the base 10,000, the place of the first, a sign, and the number of decimal places that are shown
 * (numeric.c).
 */
import { PgError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { badBinary, badText, type Codec, trailing } from "./codec.ts";
import { setInt16 } from "./layout.ts";

const negative = 0x4000;
const notANumber = 0xc000;
const infinity = 0xd000;
const minusInfinity = 0xf000;
const maxScale = 0x3fff;
const maxWeight = 0x7fff;

const decimalText = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
const withUnderscores = /^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/i;
const otherBase = /^([+-]?)(0x(?:_?[0-9a-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+)$/i;

/** A decimal number: its value is 0.digits * 10^point. */
interface Decimal {
  readonly negative: boolean;
  readonly digits: string;
  /** Digits before the decimal point. */
  readonly point: number;
  /** Decimal places shown. */
  readonly scale: number;
}

export const numericCodec: Codec = {
  encode(text) {
    const decimal = parseDecimal(text);
    if (decimal) return finite(decimal);
    const word = text.trim().toLowerCase();
    if (word === "nan") return specialBytes(notANumber);
    if (/^\+?inf(inity)?$/.test(word)) return specialBytes(infinity);
    if (/^-inf(inity)?$/.test(word)) return specialBytes(minusInfinity);
    throw badText("numeric", text);
  },
  decode(bytes) {
    const reader = new Reader(bytes);
    const count = reader.uint16();
    const weight = reader.int16();
    const sign = reader.uint16();
    const scale = reader.uint16();
    if (sign !== 0 && sign !== negative && sign < notANumber) throw invalid("sign");
    if (sign > notANumber && sign !== infinity && sign !== minusInfinity) throw invalid("sign");
    if (scale > maxScale) throw invalid("scale");
    const body = reader.bytes(count * 2);
    if (reader.remaining > 0) throw trailing("numeric");
    let digits = "";
    for (let at = 0; at < body.length; at += 2) {
      const digit = ((body[at] as number) << 8) | (body[at + 1] as number);
      if (digit >= 10000) throw invalid("digit");
      digits += digit >= 1000 ? digit : String(digit).padStart(4, "0");
    }
    if (sign === notANumber) return "NaN";
    if (sign === infinity) return "Infinity";
    if (sign === minusInfinity) return "-Infinity";
    return decimalForm(sign === negative, digits, (weight + 1) * 4, scale);
  },
};

/** Prints 0.digits * 10^point with `scale` decimal places; what is behind them is cut off. */
export function decimalForm(isNegative: boolean, digits: string, point: number, scale: number): string {
  let whole = "0";
  if (point > 0)
    whole = digits
      .slice(0, point)
      .padEnd(point, "0")
      .replace(/^0+(?=.)/, "");
  if (scale === 0) return isNegative && whole !== "0" ? `-${whole}` : whole;
  const zeros = Math.min(Math.max(-point, 0), scale);
  const from = Math.max(point, 0);
  const fraction = ("0".repeat(zeros) + digits.slice(from, from + scale - zeros)).padEnd(scale, "0");
  const minus = isNegative && (whole !== "0" || /[1-9]/.test(fraction)) ? "-" : "";
  return `${minus}${whole}.${fraction}`;
}

/** The number that a text in any of numeric's notations stands for; undefined where it is none. @throws PgError 22003 */
export function parseDecimal(text: string): Decimal | undefined {
  let word = text.trim();
  if (word.includes("_") && withUnderscores.test(word)) word = word.replaceAll("_", "");
  const match = decimalText.exec(word);
  if (!match) return fromOtherBase(word);
  const [, sign, whole = "", fraction = "", exponentText = "0"] = match;
  if (whole === "" && fraction === "") return undefined;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > 0x3fffffff) throw overflow();
  return {
    negative: sign === "-",
    digits: whole + fraction,
    point: whole.length + exponent,
    scale: Math.max(fraction.length - exponent, 0),
  };
}

function fromOtherBase(word: string): Decimal | undefined {
  const [, sign, number] = otherBase.exec(word) ?? [];
  if (number === undefined) return undefined;
  const digits = BigInt(number.replaceAll("_", "")).toString();
  return { negative: sign === "-", digits, point: digits.length, scale: 0 };
}

function finite({ negative: isNegative, digits, point, scale }: Decimal): Uint8Array {
  let first = 0;
  let end = digits.length;
  while (first < end && digits.charCodeAt(first) === 48) first++;
  while (end > first && digits.charCodeAt(end - 1) === 48) end--;
  if (scale > maxScale) throw overflow();
  if (first === end) {
    const zero = new Uint8Array(8);
    setInt16(zero, 6, scale);
    return zero;
  }
  const before = point - first;
  const weight = Math.ceil(before / 4) - 1;
  if (weight > maxWeight) throw overflow();
  // Digits stand in groups of four on both sides of the decimal point.
  const lead = (weight + 1) * 4 - before;
  const count = Math.ceil((lead + end - first) / 4);
  const bytes = new Uint8Array(8 + count * 2);
  setInt16(bytes, 0, count);
  setInt16(bytes, 2, weight);
  setInt16(bytes, 4, isNegative ? negative : 0);
  setInt16(bytes, 6, scale);
  let at = first - lead;
  for (let group = 0; group < count; group++) {
    let value = 0;
    for (let i = 0; i < 4; i++, at++) {
      value = value * 10 + (at >= first && at < end ? digits.charCodeAt(at) - 48 : 0);
    }
    setInt16(bytes, 8 + group * 2, value);
  }
  return bytes;
}

function specialBytes(sign: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setInt16(bytes, 4, sign);
  // As PostgreSQL sends them: infinities show a scale of 32.
  if (sign !== notANumber) setInt16(bytes, 6, 0x20);
  return bytes;
}

function invalid(part: string): PgError {
  return badBinary(`invalid ${part} in external "numeric" value`);
}

function overflow(): PgError {
  return new PgError(sqlstate.numericValueOutOfRange, "value overflows numeric format");
}
