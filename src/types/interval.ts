/** interval: microseconds, days and months, each with a sign of its own (timestamp.c, EncodeInterval, DecodeInterval). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { fractionMicroseconds } from "./calendar.ts";
import { type Codec, checkSize } from "./codec.ts";
import { badDateTime, maxLength } from "./date-text.ts";
import { type Interval, intervalText } from "./interval-text.ts";
import { getBigInt64, getInt32, setBigInt64, setInt32 } from "./layout.ts";
import type { IntervalStyle } from "./settings.ts";

const last64 = (1n << 63n) - 1n;
const last32 = 0x7fff_ffff;

export const intervalCodec: Codec = {
  encode(text, { intervalStyle }) {
    const { months, days, microseconds } = parseInterval(text, intervalStyle);
    const fits =
      BigInt.asIntN(64, microseconds) === microseconds && days === (days | 0) && months === (months | 0);
    if (!fits) throw overflow(text);
    const bytes = new Uint8Array(16);
    setBigInt64(bytes, 0, microseconds);
    setInt32(bytes, 8, days);
    setInt32(bytes, 12, months);
    return bytes;
  },
  decode(bytes, { intervalStyle }) {
    checkSize("interval", bytes, 16);
    const microseconds = getBigInt64(bytes, 0);
    const days = getInt32(bytes, 8);
    const months = getInt32(bytes, 12);
    // Since PostgreSQL 17.
    if (microseconds === last64 && days === last32 && months === last32) return "infinity";
    if (microseconds === -last64 - 1n && days === -last32 - 1 && months === -last32 - 1) return "-infinity";
    return intervalText({ months, days, microseconds }, intervalStyle);
  },
};

const isoText =
  /^P(?:([+-]?\d+)Y)?(?:([+-]?\d+)M)?(?:([+-]?\d+)W)?(?:([+-]?\d+)D)?(?:T(?:([+-]?\d+)H)?(?:([+-]?\d+)M)?(?:([+-]?)(\d+)(?:\.(\d+))?S)?)?$/i;

/** One of: years-months, hours:minutes:seconds, or a number and its unit. */
const fieldText =
  /\s*(?:([+-]?)(\d+)-(\d+)|([+-]?)(\d+):(\d\d)(?::(\d\d)(?:\.(\d*))?)?|([+-]?)(\d+)(?:\.(\d*))?(?:\s*([a-z]+))?)(?=\s|$)/iy;

const second = 1_000_000n;

function parseInterval(text: string, style: IntervalStyle): Interval {
  if (text.length > maxLength) throw badDateTime("interval", text);
  const word = text.trim();
  const lower = word.toLowerCase();
  if (lower === "infinity" || lower === "+infinity") {
    return { microseconds: last64, days: last32, months: last32 };
  }
  if (lower === "-infinity") {
    return { microseconds: -last64 - 1n, days: -last32 - 1, months: -last32 - 1 };
  }
  const iso = word.length > 1 ? isoText.exec(word) : null;
  if (iso) {
    const [, years, months, weeks, days, hours, minutes, sign, seconds, fraction = ""] = iso;
    return {
      months: Number(years ?? 0) * 12 + Number(months ?? 0),
      days: Number(weeks ?? 0) * 7 + Number(days ?? 0),
      microseconds:
        BigInt(hours ?? 0) * 3600n * second +
        BigInt(minutes ?? 0) * 60n * second +
        (sign === "-" ? -1n : 1n) * (BigInt(seconds ?? 0) * second + BigInt(fractionMicroseconds(fraction))),
    };
  }
  return parseFields(text, lower, style);
}

/** postgres, postgres_verbose and sql_standard, which share their fields. */
function parseFields(text: string, lower: string, style: IntervalStyle): Interval {
  const ago = /\sago$/.test(lower);
  const body = lower.replace(/^@\s*/, "").replace(/\s+ago$/, "");
  if (body === "") throw badDateTime("interval", text);
  const sums = { months: 0, days: 0, microseconds: 0n };
  // In the SQL standard one sign, before everything, is everything's.
  const isNegative = style === "sql_standard" && body.startsWith("-") && !/\s[+-]/.test(body);
  const seen = new Set<string>();
  const once = (...fields: string[]): void => {
    for (const field of fields) {
      if (seen.has(field)) throw badDateTime("interval", text);
      seen.add(field);
    }
  };
  for (let at = 0; at < body.length; ) {
    fieldText.lastIndex = at;
    const match = fieldText.exec(body);
    if (!match) throw badDateTime("interval", text);
    at = fieldText.lastIndex;
    const [, yearSign, years, yearMonths, clockSign, hours, minutes, seconds, clockFraction] = match;
    const [numberSign, number, fraction, name] = match.slice(9);
    const sign = isNegative || (yearSign ?? clockSign ?? numberSign) === "-" ? -1 : 1;
    if (years !== undefined) {
      once("year", "month");
      sums.months += sign * (Number(years) * 12 + Number(yearMonths));
    } else if (hours !== undefined) {
      once("hour", "minute", "second");
      if (Number(minutes) > 59 || Number(seconds ?? 0) > 60) throw overflow(text);
      sums.microseconds += BigInt(sign) * clockMicroseconds(hours, minutes, seconds, clockFraction);
    } else {
      // A number without a unit is days before a clock, as in the SQL standard, and seconds at the end.
      const bare = /^\s+[+-]?\d+:/.test(body.slice(at)) ? "day" : at === body.length ? "second" : "";
      const unit = name === undefined ? bare : unitOf(name);
      const [field, size] = units[unit ?? ""] ?? [];
      if (field === undefined || (fraction !== undefined && unit !== "second"))
        throw badDateTime("interval", text);
      once(unit as string);
      if (field === "microseconds") {
        const whole = BigInt(number as string) * BigInt(size as number);
        sums.microseconds += BigInt(sign) * (whole + BigInt(fractionMicroseconds(fraction ?? "")));
      } else sums[field] += sign * Number(number) * (size as number);
    }
  }
  const { months, days, microseconds } = sums;
  return ago ? { months: -months, days: -days, microseconds: -microseconds } : { months, days, microseconds };
}

function overflow(text: string): PgError {
  return new PgError(sqlstate.intervalFieldOverflow, `interval field value out of range: "${text}"`);
}

function clockMicroseconds(hours: string, minutes = "0", seconds = "0", fraction = ""): bigint {
  return (
    (BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds)) * second +
    BigInt(fractionMicroseconds(fraction))
  );
}

/** What a unit is counted in, and how many of that it is. */
const units: Readonly<Record<string, readonly ["months" | "days" | "microseconds", number]>> = {
  year: ["months", 12],
  month: ["months", 1],
  week: ["days", 7],
  day: ["days", 1],
  hour: ["microseconds", 3_600_000_000],
  minute: ["microseconds", 60_000_000],
  second: ["microseconds", 1_000_000],
  millisecond: ["microseconds", 1000],
  microsecond: ["microseconds", 1],
};

const unitNames =
  /^(?:(y|yrs?|years?)|(mons?|months?)|(w|weeks?)|(d|days?)|(h|hrs?|hours?)|(m|mins?|minutes?)|(s|secs?|seconds?)|(ms|msecs?|milliseconds?)|(us|usecs?|microseconds?))$/;

function unitOf(name: string): string | undefined {
  const found = unitNames.exec(name)?.findIndex((group, at) => at > 0 && group !== undefined);
  return found === undefined ? undefined : Object.keys(units)[found - 1];
}
