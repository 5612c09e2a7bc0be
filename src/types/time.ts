/** time and timetz: microseconds since midnight, and seconds west of Greenwich (date.c). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { clockText, offsetText } from "./calendar.ts";
import { type Codec, checkSize, unsupported } from "./codec.ts";
import { parseTime } from "./date-text.ts";
import { getInt32, getSmallInt64, int64Bytes, setInt32, setInt64 } from "./layout.ts";
import { fixedZone } from "./time-zone.ts";

const dayMicroseconds = 86_400_000_000;
const zoneLimit = 16 * 3600;

export const timeCodec: Codec = {
  encode(text) {
    const { microseconds, zone } = parseTime("time", text);
    // Read, and left alone.
    if (typeof zone === "string") zoneOffset(zone, "UTC", text);
    return int64Bytes(microseconds);
  },
  decode(bytes) {
    checkSize("time", bytes, 8);
    return timeText(bytes);
  },
};

export const timetzCodec: Codec = {
  encode(text, { timeZone }) {
    const { microseconds, zone } = parseTime("time with time zone", text);
    const east = typeof zone === "number" ? zone : zoneOffset(zone, timeZone, text);
    const bytes = new Uint8Array(12);
    setInt64(bytes, 0, microseconds);
    setInt32(bytes, 8, -east);
    return bytes;
  },
  decode(bytes) {
    checkSize("time with time zone", bytes, 12);
    const time = timeText(bytes);
    const west = getInt32(bytes, 8);
    if (west <= -zoneLimit || west >= zoneLimit) {
      throw new PgError(sqlstate.invalidTimeZoneDisplacementValue, "time zone displacement out of range");
    }
    return time + offsetText(-west);
  },
};

function timeText(bytes: Uint8Array): string {
  const microseconds = getSmallInt64(bytes, 0);
  if (microseconds === undefined || microseconds < 0 || microseconds > dayMicroseconds) {
    throw new PgError(sqlstate.datetimeFieldOverflow, "time out of range");
  }
  return clockText(microseconds);
}

/** PostgreSQL prints a number; a name's offset would be that of today. */
function zoneOffset(zone: string | undefined, session: string, text: string): number {
  const name = zone?.toUpperCase() === "Z" ? "UTC" : (zone ?? session);
  const fixed = fixedZone(name);
  if (fixed) return fixed.east;
  throw unsupported(`the time zone "${name}" of "${text}" has no offset without a date`);
}
