/** Reads dates and times of day in each DateStyle that PostgreSQL writes (DecodeDateTime, as far as that needs it). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { daysFromDate, fractionMicroseconds, isDate, monthNames, offsetSeconds } from "./calendar.ts";
import type { DateOrder } from "./settings.ts";

/** PostgreSQL's own limit is about this (MAXDATELEN and its kin). */
export const maxLength = 150;

/** What a text says, before a zone is applied to it. */
export interface DateTimeText {
  /** Since 2000-01-01. */
  readonly days: number;
  /** Since midnight; a whole day for 24:00:00. */
  readonly microseconds: number;
  /** The zone as it stands in the text: seconds east, or an abbreviation. */
  readonly zone: number | string | undefined;
}

const clock = String.raw`(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d*))?)?`;
const zone = String.raw`\s*(Z|[+-](?:\d{4}|\d{6}|\d{1,2}(?::\d\d(?::\d\d)?)?)|(?!(?:BC|AD)\b)[a-z]{3,})??`;
const tail = String.raw`(?:(?:\s+|T)${clock}${zone})?(?:\s+(BC|AD))?\s*$`;
const iso = new RegExp(String.raw`^\s*(\d{4,})-(\d{1,2})-(\d{1,2})${tail}`, "i");
/** SQL 12/31/1999 or 31/12/1999, German 31.12.1999, and Postgres dates 12-31-1999. */
const numeric = new RegExp(String.raw`^\s*(\d{1,2})([/.-])(\d{1,2})\2(\d{4,})${tail}`, "i");
/** Wed Dec 17 07:37:16 1997, or with the day before the month. */
const named = new RegExp(
  String.raw`^\s*[a-z]{3} (?:([a-z]{3}) (\d\d)|(\d\d) ([a-z]{3})) ${clock} (\d{4,})${zone}(?:\s+(BC))?\s*$`,
  "i",
);

/** @throws PgError 22007 for text that is no date, 22008 for a day or time that does not exist */
export function parseDateTime(type: string, text: string, order: DateOrder): DateTimeText {
  if (text.length > maxLength) throw badDateTime(type, text);
  const match = iso.exec(text);
  if (match) {
    const [, year, month, day, ...rest] = match;
    return assemble(text, Number(year), Number(month), Number(day), rest);
  }
  const numbers = numeric.exec(text);
  if (numbers) {
    const [, first, mark, second, year, ...rest] = numbers;
    const dayFirst = mark === "." || order === "DMY";
    const [month, day] = dayFirst ? [second, first] : [first, second];
    return assemble(text, Number(year), Number(month), Number(day), rest);
  }
  const names = named.exec(text);
  if (names) {
    const [, month1, day1, day2, month2, hours, minutes, seconds, fraction, year, ...rest] = names;
    const month = (month1 ?? month2 ?? "").toLowerCase();
    const number = monthNames.findIndex((name) => name.toLowerCase() === month) + 1;
    if (number === 0) throw badDateTime(type, text);
    const day = Number(day1 ?? day2);
    return assemble(text, Number(year), number, day, [hours, minutes, seconds, fraction, ...rest]);
  }
  throw badDateTime(type, text);
}

/** @param rest hours, minutes, seconds, fraction, zone, era: what the text has of them */
function assemble(
  text: string,
  shownYear: number,
  month: number,
  day: number,
  rest: readonly (string | undefined)[],
): DateTimeText {
  const [hours, minutes, seconds, fraction, zoneText, era] = rest;
  const year = era?.toUpperCase() === "BC" ? 1 - shownYear : shownYear;
  if (shownYear === 0 || !isDate(year, month, day)) throw fieldOverflow(text);
  return {
    days: daysFromDate(year, month, day),
    microseconds: microsecondsOfDay(text, hours, minutes, seconds, fraction),
    zone: zoneText === undefined ? undefined : zoneOf(zoneText, text),
  };
}

const timeOnly = new RegExp(String.raw`^\s*(?:T?${clock}${zone})\s*$`, "i");

/** A time of day, with or without a zone. */
export function parseTime(type: string, text: string): Omit<DateTimeText, "days"> {
  const match = text.length > maxLength ? null : timeOnly.exec(text);
  if (!match) throw badDateTime(type, text);
  const [, hours, minutes, seconds, fraction, zoneText] = match;
  return {
    microseconds: microsecondsOfDay(text, hours, minutes, seconds, fraction),
    zone: zoneText === undefined ? undefined : zoneOf(zoneText, text),
  };
}

function microsecondsOfDay(text: string, hours = "0", minutes = "0", seconds = "0", fraction = ""): number {
  const micros =
    (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1_000_000 +
    fractionMicroseconds(fraction);
  // A leap second is taken, and is the next minute's first.
  if (Number(minutes) > 59 || Number(seconds) > 60 || micros > 86_400_000_000) throw fieldOverflow(text);
  return micros;
}

function zoneOf(zoneText: string, text: string): number | string {
  if (/^[a-z]/i.test(zoneText)) return zoneText;
  const east = offsetSeconds(zoneText);
  if (east === undefined) {
    throw new PgError(
      sqlstate.invalidTimeZoneDisplacementValue,
      `time zone displacement out of range: "${text}"`,
    );
  }
  return east;
}

export function badDateTime(type: string, text: string): PgError {
  return new PgError(sqlstate.invalidDatetimeFormat, `invalid input syntax for type ${type}: "${text}"`);
}

function fieldOverflow(text: string): PgError {
  return new PgError(sqlstate.datetimeFieldOverflow, `date/time field value out of range: "${text}"`);
}
