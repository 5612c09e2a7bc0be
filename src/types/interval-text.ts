/** Writes intervals in each IntervalStyle (EncodeInterval). */
import { fractionText, pad2 } from "./calendar.ts";
import type { IntervalStyle } from "./settings.ts";

export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly microseconds: bigint;
}

/** An interval's parts; those of the months, and those of the time, share a sign. */
interface Parts {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  /** Without signs. */
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
  readonly fraction: number;
  /** Of the time: -1, 0 or 1. */
  readonly timeSign: number;
}

export function intervalText(interval: Interval, style: IntervalStyle): string {
  const size = interval.microseconds < 0n ? -interval.microseconds : interval.microseconds;
  const seconds = Number(size / 1_000_000n);
  const parts: Parts = {
    years: Math.trunc(interval.months / 12),
    months: interval.months % 12,
    days: interval.days,
    hours: Math.floor(seconds / 3600),
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
    fraction: Number(size % 1_000_000n),
    timeSign: interval.microseconds < 0n ? -1 : interval.microseconds > 0n ? 1 : 0,
  };
  switch (style) {
    case "postgres":
      return postgres(parts);
    case "postgres_verbose":
      return verbose(parts);
    case "sql_standard":
      return sqlStandard(parts);
    case "iso_8601":
      return iso8601(parts);
  }
}

/** `1 year 2 mons -3 days +04:05:06`: a sign before what follows something negative. */
function postgres({ years, months, days, timeSign, ...time }: Parts): string {
  const words: string[] = [];
  let afterNegative = false;
  for (const [value, unit] of [
    [years, "year"],
    [months, "mon"],
    [days, "day"],
  ] as const) {
    if (value === 0) continue;
    words.push(`${afterNegative && value > 0 ? "+" : ""}${value} ${unit}${value === 1 ? "" : "s"}`);
    afterNegative = value < 0;
  }
  if (words.length === 0 || timeSign !== 0) {
    words.push((timeSign < 0 ? "-" : afterNegative ? "+" : "") + pad2(time.hours) + clockTail(time));
  }
  return words.join(" ");
}

function clockTail({ minutes, seconds, fraction }: Pick<Parts, "minutes" | "seconds" | "fraction">): string {
  return `:${pad2(minutes)}:${pad2(seconds)}${fractionText(fraction)}`;
}

/** `@ 1 year 2 mons 3 days 4 hours 5 mins 6 secs ago`: the first value's sign is said at the end, and turns all others. */
function verbose({ years, months, days, hours, minutes, seconds, fraction, timeSign }: Parts): string {
  const words: string[] = [];
  let ago = false;
  for (const [value, unit] of [
    [years, "year"],
    [months, "mon"],
    [days, "day"],
    [hours * timeSign, "hour"],
    [minutes * timeSign, "min"],
  ] as const) {
    if (value === 0) continue;
    if (words.length === 0) ago = value < 0;
    const shown = ago ? -value : value;
    words.push(`${shown} ${unit}${shown === 1 ? "" : "s"}`);
  }
  if (seconds !== 0 || fraction !== 0) {
    if (words.length === 0) ago = timeSign < 0;
    const minus = words.length > 0 && timeSign < 0 !== ago ? "-" : "";
    const plural = seconds !== 1 || fraction !== 0 ? "s" : "";
    words.push(`${minus}${seconds}${fractionText(fraction)} sec${plural}`);
  }
  return `@ ${words.length === 0 ? "0" : words.join(" ")}${ago ? " ago" : ""}`;
}

/** `1-2`, `3 4:05:06`; with all signs where the standard has no form for the value. */
function sqlStandard({ years, months, days, hours, timeSign, ...time }: Parts): string {
  const signs = [years, months, days, timeSign].filter((value) => value !== 0).map(Math.sign);
  if (signs.length === 0) return "0";
  const isNegative = signs.includes(-1);
  const hasMonths = years !== 0 || months !== 0;
  const hasTime = days !== 0 || timeSign !== 0;
  const clock = `${hours}${clockTail(time)}`;
  const yearMonth = `${Math.abs(years)}-${Math.abs(months)}`;
  if ((isNegative && signs.includes(1)) || (hasMonths && hasTime)) {
    const sign = (negative: boolean): string => (negative ? "-" : "+");
    const day = `${sign(days < 0)}${Math.abs(days)}`;
    return `${sign(years < 0 || months < 0)}${yearMonth} ${day} ${sign(timeSign < 0)}${clock}`;
  }
  const minus = isNegative ? "-" : "";
  if (hasMonths) return minus + yearMonth;
  return days === 0 ? minus + clock : `${minus}${Math.abs(days)} ${clock}`;
}

/** `P1Y2M3DT4H5M6S`. */
function iso8601({ years, months, days, hours, minutes, seconds, fraction, timeSign }: Parts): string {
  let text = "";
  if (years !== 0) text += `${years}Y`;
  if (months !== 0) text += `${months}M`;
  if (days !== 0) text += `${days}D`;
  if (timeSign !== 0) text += "T";
  const minus = timeSign < 0 ? "-" : "";
  if (hours !== 0) text += `${minus}${hours}H`;
  if (minutes !== 0) text += `${minus}${minutes}M`;
  if (seconds !== 0 || fraction !== 0) text += `${minus}${seconds}${fractionText(fraction)}S`;
  return text === "" ? "PT0S" : `P${text}`;
}
