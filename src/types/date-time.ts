/** date, timestamp, timestamptz: days and microseconds since 2000-01-01 (date.c, timestamp.c, EncodeDateTime). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import {
  clockText,
  dateFromDays,
  dayName,
  daysFromDate,
  era,
  isDate,
  monthNames,
  offsetText,
  pad2,
  yearText,
} from "./calendar.ts";
import { type Codec, checkSize, unsupported } from "./codec.ts";
import { parseDateTime } from "./date-text.ts";
import { getBigInt64, getInt32, getSmallInt64, int64Bytes, setBigInt64, setInt32 } from "./layout.ts";
import type { TypeSettings } from "./settings.ts";
import { fixedZone, offsetAt, offsetOfAbbreviation, offsetOfLocal } from "./time-zone.ts";

const dayMicroseconds = 86_400_000_000;
/** As far from 2000 as microseconds fit a double exactly. */
const smallDays = 104_000;
/** 4714-11-24 BC, the first Julian day; dates end in 5874897, timestamps in 294276. */
const firstDay = -2_451_545;
const endOfDates = 2_145_031_949;
const endOfTimestamps = 106_751_983;
const lastDate = 0x7fff_ffff;
const lastTimestamp = (1n << 63n) - 1n;

export const dateCodec: Codec = {
  encode(text, { dateOrder }) {
    const bytes = new Uint8Array(4);
    setInt32(bytes, 0, dateNumber(text, dateOrder));
    return bytes;
  },
  decode(bytes, settings) {
    checkSize("date", bytes, 4);
    const days = getInt32(bytes, 0);
    if (days === lastDate) return "infinity";
    if (days === -lastDate - 1) return "-infinity";
    if (days < firstDay || days >= endOfDates) {
      throw new PgError(sqlstate.datetimeFieldOverflow, "date out of range");
    }
    return dateText(days, settings);
  },
};

function dateNumber(text: string, order: TypeSettings["dateOrder"]): number {
  const special = specialText(text);
  if (special) return special === "infinity" ? lastDate : -lastDate - 1;
  const days = isoDays(text);
  const parsed = text.length === 10 && days !== undefined ? days : parseDateTime("date", text, order).days;
  if (parsed < firstDay || parsed >= endOfDates) {
    throw new PgError(sqlstate.datetimeFieldOverflow, `date out of range: "${text}"`);
  }
  return parsed;
}

export const timestampCodec: Codec = {
  encode(text, settings) {
    // A zone in the text is not looked at, as PostgreSQL does not.
    return timestampBytes("timestamp", text, settings, noZone);
  },
  decode(bytes, settings) {
    const instant = readTimestamp("timestamp", bytes);
    return typeof instant === "string" ? instant : dateTimeText(instant, settings, "");
  },
};

export const timestamptzCodec: Codec = {
  encode(text, settings) {
    return timestampBytes("timestamp with time zone", text, settings, eastOf);
  },
  decode(bytes, settings) {
    const instant = readTimestamp("timestamp with time zone", bytes);
    if (typeof instant === "string") return instant;
    const { dateStyle, timeZone } = settings;
    const fixed = fixedZone(timeZone);
    const east = fixed?.east ?? offsetAt(timeZone, instant.days * 86400 + instant.microseconds / 1e6);
    const local = moved(instant, east);
    if (dateStyle === "ISO") return dateTimeText(local, settings, offsetText(east));
    if (fixed) return dateTimeText(local, settings, ` ${fixed.abbreviation}`);
    throw unsupported(
      `no text for a timestamp with time zone in DateStyle ${dateStyle}: the abbreviations of time zone "${timeZone}" are not known here`,
      "SET DateStyle TO ISO.",
    );
  },
};

/** Microseconds since 2000-01-01, as days and the rest. */
interface Timestamp {
  readonly days: number;
  readonly microseconds: number;
}

/** Seconds east of the zone in a text, or of the session's. */
function eastOf(
  local: Timestamp,
  zone: number | string | undefined,
  text: string,
  { timeZone }: TypeSettings,
): number {
  if (typeof zone === "number") return zone;
  const seconds = local.days * 86400 + Math.floor(local.microseconds / 1e6);
  if (zone === undefined) return offsetOfLocal(timeZone, seconds);
  return offsetOfName(zone, timeZone, seconds, text);
}

function offsetOfName(name: string, zone: string, local: number, text: string): number {
  const east = offsetOfAbbreviation(name, zone, local);
  if (east !== undefined) return east;
  throw unsupported(
    `time zone "${name}" in "${text}" is not known here`,
    "SET DateStyle TO ISO, which writes time zones as numbers.",
  );
}

/** Numbers and names of zones are read, and left alone. */
const noZone: EastOf = (_, zone, text) => {
  if (typeof zone === "string") offsetOfName(zone, "UTC", 0, text);
  return 0;
};

type EastOf = (
  local: Timestamp,
  zone: number | string | undefined,
  text: string,
  settings: TypeSettings,
) => number;

function timestampBytes(type: string, text: string, settings: TypeSettings, east: EastOf): Uint8Array {
  const special = specialText(text);
  if (special) {
    const bytes = new Uint8Array(8);
    setBigInt64(bytes, 0, special === "infinity" ? lastTimestamp : -lastTimestamp - 1n);
    return bytes;
  }
  const parsed = isoTimestamp(text) ?? parseDateTime(type, text, settings.dateOrder);
  const zoned = east(parsed, parsed.zone, text, settings);
  const { days, microseconds } = zoned === 0 ? parsed : moved(parsed, -zoned);
  if (days > -smallDays && days < smallDays) return int64Bytes(days * dayMicroseconds + microseconds);
  const value = BigInt(days) * BigInt(dayMicroseconds) + BigInt(microseconds);
  if (days < firstDay || value >= BigInt(endOfTimestamps) * BigInt(dayMicroseconds)) {
    throw new PgError(sqlstate.datetimeFieldOverflow, `timestamp out of range: "${text}"`);
  }
  const bytes = new Uint8Array(8);
  setBigInt64(bytes, 0, value);
  return bytes;
}

function readTimestamp(type: string, bytes: Uint8Array): Timestamp | string {
  checkSize(type, bytes, 8);
  const small = getSmallInt64(bytes, 0);
  if (small !== undefined) {
    const days = Math.floor(small / dayMicroseconds);
    return { days, microseconds: small - days * dayMicroseconds };
  }
  const value = getBigInt64(bytes, 0);
  if (value === lastTimestamp) return "infinity";
  if (value === -lastTimestamp - 1n) return "-infinity";
  const perDay = BigInt(dayMicroseconds);
  const rest = ((value % perDay) + perDay) % perDay;
  const days = Number((value - rest) / perDay);
  if (days < firstDay || days >= endOfTimestamps) {
    throw new PgError(sqlstate.datetimeFieldOverflow, "timestamp out of range");
  }
  return { days, microseconds: Number(rest) };
}

function moved({ days, microseconds }: Timestamp, seconds: number): Timestamp {
  const sum = microseconds + seconds * 1_000_000;
  const carry = Math.floor(sum / dayMicroseconds);
  return { days: days + carry, microseconds: sum - carry * dayMicroseconds };
}

function specialText(text: string): "infinity" | "-infinity" | undefined {
  const first = text.charCodeAt(0);
  if (first >= 48 && first <= 57) return undefined;
  const word = text.trim().toLowerCase();
  if (word === "infinity" || word === "+infinity") return "infinity";
  return word === "-infinity" ? word : undefined;
}

/** Two digits; NaN if they are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

/** The day of a text that begins with 1999-12-31. */
function isoDays(text: string): number | undefined {
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return undefined;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  return year > 0 && isDate(year, month, day) ? daysFromDate(year, month, day) : undefined;
}

/** The text that a server sends by far most often, `1999-12-31 23:59:59.123456+00`; undefined for any other. */
function isoTimestamp(text: string): (Timestamp & { zone: number | undefined }) | undefined {
  const length = text.length;
  if (length < 19 || text.charCodeAt(10) !== 32) return undefined;
  if (text.charCodeAt(13) !== 58 || text.charCodeAt(16) !== 58) return undefined;
  const days = isoDays(text);
  const hours = twoDigits(text, 11);
  const minutes = twoDigits(text, 14);
  const seconds = twoDigits(text, 17);
  if (days === undefined || !(hours < 24 && minutes < 60 && seconds < 60)) return undefined;
  let microseconds = (hours * 3600 + minutes * 60 + seconds) * 1_000_000;
  let at = 19;
  if (text.charCodeAt(at) === 46) {
    let unit = 100_000;
    for (at++; at < length && unit >= 1; at++, unit /= 10) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) break;
      microseconds += digit * unit;
    }
  }
  if (at === length) return { days, microseconds, zone: undefined };
  const sign = text.charCodeAt(at);
  if (length !== at + 3 || (sign !== 43 && sign !== 45)) return undefined;
  const east = twoDigits(text, at + 1);
  if (!(east < 16)) return undefined;
  return { days, microseconds, zone: (sign === 45 ? -east : east) * 3600 };
}

function dateText(days: number, { dateStyle, dateOrder }: TypeSettings): string {
  const { year, month, day } = dateFromDays(days);
  const [shown, mm, dd] = [yearText(year), pad2(month), pad2(day)];
  const dayFirst = dateOrder === "DMY";
  switch (dateStyle) {
    case "ISO":
      return `${shown}-${mm}-${dd}${era(year)}`;
    case "SQL":
      return `${dayFirst ? `${dd}/${mm}` : `${mm}/${dd}`}/${shown}${era(year)}`;
    case "German":
      return `${dd}.${mm}.${shown}${era(year)}`;
    case "Postgres":
      return `${dayFirst ? `${dd}-${mm}` : `${mm}-${dd}`}-${shown}${era(year)}`;
  }
}

/** @param zone what stands behind the time, a space before it included */
function dateTimeText({ days, microseconds }: Timestamp, settings: TypeSettings, zone: string): string {
  const { year, month, day } = dateFromDays(days);
  const time = clockText(microseconds);
  const [shown, mm, dd] = [yearText(year), pad2(month), pad2(day)];
  const dayFirst = settings.dateOrder === "DMY";
  switch (settings.dateStyle) {
    case "ISO":
      return `${shown}-${mm}-${dd} ${time}${zone}${era(year)}`;
    case "SQL":
      return `${dayFirst ? `${dd}/${mm}` : `${mm}/${dd}`}/${shown} ${time}${zone}${era(year)}`;
    case "German":
      return `${dd}.${mm}.${shown} ${time}${zone}${era(year)}`;
    case "Postgres": {
      const name = monthNames[month - 1];
      const date = dayFirst ? `${dd} ${name}` : `${name} ${dd}`;
      return `${dayName(days)} ${date} ${time} ${shown}${zone}${era(year)}`;
    }
  }
}
