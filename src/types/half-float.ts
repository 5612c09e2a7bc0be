/** IEEE 754 half precision, which DataView does not have on every runtime yet. */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** The bits of the half that is nearest to `value`; of two as near, the even one. @throws PgError 22003 */
export function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Below 2^-14 all share the smallest exponent.
  const exponent = Math.max(size === 0 ? -14 : Math.floor(Math.log2(size)), -14);
  const units = evenRound((size / 2 ** exponent) * 1024);
  // Rounding up to the next power of two carries into the exponent by itself.
  const bits = (exponent + 14) * 1024 + units;
  if (bits >= 0x7c00)
    throw new PgError(sqlstate.numericValueOutOfRange, `"${value}" is out of range for type halfvec`);
  return sign | bits;
}

export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function evenRound(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor + (floor & 1);
  return rest > 0.5 ? floor + 1 : floor;
}
