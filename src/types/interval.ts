/** interval: microseconds, days and months, each with a sign of its own (timestamp.c, EncodeInterval, DecodeInterval). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { fractionMicroseconds } from "./calendar.ts";
import { type Codec, checkSize } from "./codec.ts";
import { badDateTime } from "./date-text.ts";
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
    if (!fits)
      throw new PgError(sqlstate.intervalFieldOverflow, `interval field value out of range: "${text}"`);
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
  /\s*(?:([+-]?)(\d+)-(\d+)|([+-]?)(\d+):(\d\d)(?::(\d\d)(?:\.(\d*))?)?|([+-]?)(\d+)(?:\.(\d*))?(?:\s*([a-z]+))?)(?=[\s+-]|$)/iy;

const second = 1_000_000n;

function parseInterval(text: string, style: IntervalStyle): Interval {
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
  let months = 0;
  let days = 0;
  let microseconds = 0n;
  let hasBare = false;
  // In the SQL standard one sign, before everything, is everything's.
  const isNegative = style === "sql_standard" && body.startsWith("-") && !/\s[+-]/.test(body);
  for (let at = 0; at < body.length; ) {
    fieldText.lastIndex = at;
    const match = fieldText.exec(body);
    if (!match) throw badDateTime("interval", text);
    at = fieldText.lastIndex;
    const [, yearSign, years, yearMonths, clockSign, hours, minutes, seconds, clockFraction] = match;
    const [numberSign, number, fraction, unit] = match.slice(9);
    const sign = isNegative || (yearSign ?? clockSign ?? numberSign) === "-" ? -1 : 1;
    if (years !== undefined) months += sign * (Number(years) * 12 + Number(yearMonths));
    else if (hours !== undefined) {
      microseconds += BigInt(sign) * clockMicroseconds(hours, minutes, seconds, clockFraction);
    } else {
      // In the SQL standard's form the number of days has no unit: a clock follows it.
      const named = unit ?? (/^\s+[+-]?\d+:/.test(body.slice(at)) ? "day" : "sec");
      if (unit === undefined && hasBare) throw badDateTime("interval", text);
      hasBare ||= unit === undefined;
      const size = units[named] ?? units[named.replace(/s$/, "")];
      const value = BigInt(sign) * BigInt(number as string);
      if (size === undefined) throw badDateTime("interval", text);
      if (fraction !== undefined && (typeof size !== "bigint" || size !== second))
        throw badDateTime("interval", text);
      if (typeof size === "bigint") {
        microseconds += value * size + BigInt(sign * fractionMicroseconds(fraction ?? ""));
      } else if (size.months) months += Number(value) * size.months;
      else days += Number(value) * (size.days ?? 1);
    }
  }
  return ago ? { months: -months, days: -days, microseconds: -microseconds } : { months, days, microseconds };
}

function clockMicroseconds(hours: string, minutes = "0", seconds = "0", fraction = ""): bigint {
  return (
    (BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds)) * second +
    BigInt(fractionMicroseconds(fraction))
  );
}

const units: Readonly<Record<string, bigint | { months?: number; days?: number }>> = {
  year: { months: 12 },
  yr: { months: 12 },
  y: { months: 12 },
  mon: { months: 1 },
  month: { months: 1 },
  week: { days: 7 },
  w: { days: 7 },
  day: { days: 1 },
  d: { days: 1 },
  hour: 3600n * second,
  hr: 3600n * second,
  h: 3600n * second,
  minute: 60n * second,
  min: 60n * second,
  m: 60n * second,
  second,
  sec: second,
  s: second,
  millisecond: 1000n,
  msec: 1000n,
  ms: 1000n,
  microsecond: 1n,
  usec: 1n,
  us: 1n,
};
