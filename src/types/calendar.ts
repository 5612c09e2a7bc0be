/** The proleptic Gregorian calendar in days since 2000-01-01. Years are astronomical: 0 is 1 BC. */

export interface CalendarDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Between 0000-03-01, where the count of leap days is simple, and 2000-01-01. */
const daysToEpoch = 730425;
const daysIn400Years = 146097;

export function daysFromDate(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1;
  const cycle = Math.floor(shifted / 400);
  const yearOfCycle = shifted - cycle * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfCycle = yearOfCycle * 365 + (yearOfCycle >> 2) - Math.floor(yearOfCycle / 100) + dayOfYear;
  return cycle * daysIn400Years + dayOfCycle - daysToEpoch;
}

export function dateFromDays(days: number): CalendarDate {
  const shifted = days + daysToEpoch;
  const cycle = Math.floor(shifted / daysIn400Years);
  const dayOfCycle = shifted - cycle * daysIn400Years;
  const yearOfCycle = Math.floor(
    (dayOfCycle -
      Math.floor(dayOfCycle / 1460) +
      Math.floor(dayOfCycle / 36524) -
      Math.floor(dayOfCycle / 146096)) /
      365,
  );
  const dayOfYear = dayOfCycle - (365 * yearOfCycle + (yearOfCycle >> 2) - Math.floor(yearOfCycle / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

const monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether the calendar has such a day. */
export function isDate(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 && isLeap ? 29 : (monthLengths[month - 1] as number));
}

export const monthNames: readonly string[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

const dayNames = "Sun Mon Tue Wed Thu Fri Sat".split(" ");

/** Three letters. */
export function dayName(days: number): string {
  // 2000-01-01 was a Saturday.
  return dayNames[(((days + 6) % 7) + 7) % 7] as string;
}

/** Two digits at least. */
export function pad2(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** Years before 1 are counted backwards, behind a BC that ends the text. */
export function yearText(year: number): string {
  const shown = year > 0 ? year : 1 - year;
  return shown >= 1000 ? String(shown) : String(shown).padStart(4, "0");
}

export function era(year: number): string {
  return year > 0 ? "" : " BC";
}

const microsecondsPerSecond = 1_000_000;

/** `04:05:06.789` of the microseconds of a day, 24:00:00 included. */
export function clockText(microseconds: number): string {
  const seconds = Math.floor(microseconds / microsecondsPerSecond);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const clock = `${pad2(hours)}:${pad2(minutes - hours * 60)}:${pad2(seconds - minutes * 60)}`;
  return clock + fractionText(microseconds - seconds * microsecondsPerSecond);
}

/** `.789` of microseconds below a second; nothing for none. */
export function fractionText(microseconds: number): string {
  if (microseconds === 0) return "";
  return `.${String(microseconds).padStart(6, "0").replace(/0+$/, "")}`;
}

/** The microseconds of a fraction's digits, rounded as rint does. */
export function fractionMicroseconds(digits: string): number {
  if (digits.length <= 6) return Number(digits.padEnd(6, "0"));
  const value = Number(`0.${digits}`) * microsecondsPerSecond;
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor + (floor & 1);
  return rest > 0.5 ? floor + 1 : floor;
}

/** `+05`, `-03:30`, `+00:19:32`: seconds east of Greenwich. */
export function offsetText(east: number): string {
  const size = Math.abs(east);
  const hours = Math.floor(size / 3600);
  const minutes = Math.floor(size / 60) % 60;
  const seconds = size % 60;
  let text = (east < 0 ? "-" : "+") + pad2(hours);
  if (minutes > 0 || seconds > 0) text += `:${pad2(minutes)}`;
  if (seconds > 0) text += `:${pad2(seconds)}`;
  return text;
}

/** Seconds east of `+05`, `-0330`, `+00:19:32`; undefined where PostgreSQL takes none so far away. */
export function offsetSeconds(text: string): number | undefined {
  const [, sign, hours, minutes = "0", seconds = "0"] =
    /^([+-])(\d{1,2}):?(\d\d)?:?(\d\d)?$/.exec(text) ?? [];
  if (hours === undefined || Number(hours) > 15 || Number(minutes) > 59 || Number(seconds) > 59)
    return undefined;
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return sign === "-" ? -size : size;
}
