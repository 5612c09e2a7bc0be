/**
 * What a time zone's clocks show. The rules come from Intl, which has the same database on every runtime; only ISO text
 * in UTC, the usual case of a gateway, needs none.
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { offsetText } from "./calendar.ts";

/** Seconds between 1970-01-01 and 2000-01-01, where PostgreSQL counts from. */
const epochSeconds = 946_684_800;
const secondsPerDay = 86_400;
/** In 400 years the calendar repeats itself, weekdays included; Intl knows no more than some 270,000 years. */
const secondsPer400Years = 146_097 * secondsPerDay;

/** A zone that never changes its clocks. */
interface FixedZone {
  readonly east: number;
  readonly abbreviation: string;
}

const utcNames = /^(etc\/)?(utc|uct|universal|zulu)$/i;
const gmtNames = /^(etc\/)?(gmt|gmt[+-]?0|greenwich)$/i;

/** PostgreSQL's own forms: `<+03>-03` for SET TIME ZONE 3, and POSIX's `EST5`, where west counts up. */
const posixZone = /^(?:<([^>]+)>|([a-z]{3,}))([+-]?)(\d{1,2})(?::(\d\d))?(?::(\d\d))?$/i;

let lastName = "UTC";
let lastFixed: FixedZone | undefined = { east: 0, abbreviation: "UTC" };

/** The offset and the name of a zone without rules; undefined for all others. */
export function fixedZone(name: string): FixedZone | undefined {
  // Asked for each value of a column, and always the same.
  if (name !== lastName) {
    lastFixed = readFixedZone(name);
    lastName = name;
  }
  return lastFixed;
}

function readFixedZone(name: string): FixedZone | undefined {
  if (utcNames.test(name)) return { east: 0, abbreviation: "UTC" };
  if (gmtNames.test(name)) return { east: 0, abbreviation: "GMT" };
  const etc = /^etc\/gmt([+-])(\d{1,2})$/i.exec(name);
  if (etc) {
    const east = Number(etc[2]) * (etc[1] === "+" ? -3600 : 3600);
    return Math.abs(east) <= 14 * 3600 ? { east, abbreviation: offsetText(east) } : undefined;
  }
  const [, quoted, plain, sign, hours, minutes = "0", seconds = "0"] = posixZone.exec(name) ?? [];
  const abbreviation = quoted ?? plain?.toUpperCase();
  if (abbreviation === undefined) return undefined;
  const west = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return { east: sign === "-" ? west : -west, abbreviation };
}

/** Seconds east of Greenwich at an instant, in seconds since 2000-01-01 UTC. @throws PgError 22023 for an unknown zone */
export function offsetAt(zone: string, instant: number): number {
  const fixed = fixedZone(zone);
  if (fixed) return fixed.east;
  let seconds = Math.floor(instant) + epochSeconds;
  // From 2400 on the rules of today hold for ever.
  const future = Math.floor((seconds - 13_569_465_600) / secondsPer400Years);
  if (future > 0) seconds -= future * secondsPer400Years;
  const text = formatterOf(zone).format(seconds * 1000);
  const [, sign, hours, minutes, rest = "0"] = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text) ?? [];
  if (hours === undefined) return 0;
  const size = Number(hours) * 3600 + Number(minutes) * 60 + Number(rest);
  return sign === "-" ? -size : size;
}

/** The offsets that a zone's clocks may have had when they showed `local` seconds; none in a gap, two in an overlap. */
function offsetsAtLocal(zone: string, local: number): { before: number; after: number; valid: number[] } {
  const before = offsetAt(zone, local - secondsPerDay - offsetAt(zone, local - secondsPerDay));
  const after = offsetAt(zone, local + secondsPerDay - offsetAt(zone, local + secondsPerDay));
  const valid = (before === after ? [before] : [before, after]).filter(
    (east) => offsetAt(zone, local - east) === east,
  );
  return { before, after, valid };
}

/**
 * The offset of local time, as PostgreSQL chooses it: where clocks were put forward and there is no such time, the one
 * before; where they were put back and there are two, the one after.
 */
export function offsetOfLocal(zone: string, local: number): number {
  const fixed = fixedZone(zone);
  if (fixed) return fixed.east;
  const { before, valid } = offsetsAtLocal(zone, local);
  return valid.at(-1) ?? before;
}

// Hours east. Only names that no other zone of the database shares with another offset in the same place.
const abbreviations =
  "UTC 0,GMT 0,WET 0,WEST 1,BST 1,CET 1,CEST 2,EET 2,EEST 3,MSK 3,EST -5,EDT -4,CST -6,CDT -5,MST -7,MDT -6,PST -8," +
  "PDT -7,AKST -9,AKDT -8,HST -10,AST -4,ADT -3,NST -3.5,NDT -2.5,IST 5.5,JST 9,KST 9,AEST 10,AEDT 11,ACST 9.5," +
  "ACDT 10.5,AWST 8,NZST 12,NZDT 13,SAST 2,CAT 2,EAT 3,WAT 1,PKT 5,HKT 8,SGT 8,WIB 7,IDT 3";

/**
 * The offset that a zone's abbreviation stands for in a server's text: one of those that the session's zone had at that
 * time, for nothing else would the server have printed. Undefined where that cannot be told.
 */
export function offsetOfAbbreviation(abbreviation: string, zone: string, local: number): number | undefined {
  const name = abbreviation.toUpperCase();
  if (name === "UTC" || name === "GMT" || name === "Z") return 0;
  const fixed = fixedZone(zone);
  if (fixed) return fixed.abbreviation === name ? fixed.east : undefined;
  const hours = Number(new RegExp(`\\b${name} (-?[\\d.]+)`).exec(abbreviations)?.[1] ?? Number.NaN);
  return offsetsAtLocal(zone, local).valid.find((east) => east === hours * 3600);
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(zone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(zone);
  if (!formatter) {
    try {
      formatter = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    } catch {
      throw new PgError(sqlstate.invalidParameterValue, `time zone "${zone}" not recognized`);
    }
    // Names come from settings, which a client may change at will.
    if (formatters.size >= 100) formatters.clear();
    formatters.set(zone, formatter);
  }
  return formatter;
}
