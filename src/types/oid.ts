/**
 * Type OIDs and sizes of the built-in types that the session itself needs (pg_type.dat of the PostgreSQL sources; the
 * numbers are fixed for all versions).
 */

export const oid = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  json: 114,
  xml: 142,
  float4: 700,
  float8: 701,
  unknown: 705,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
} as const;

/** Bytes of a value, for RowDescription: -1 for types of variable length, -2 for C strings. */
const sizes: ReadonlyMap<number, number> = new Map<number, number>([
  [oid.bool, 1],
  [oid.char, 1],
  [oid.name, 64],
  [oid.int8, 8],
  [oid.int2, 2],
  [oid.int4, 4],
  [oid.oid, 4],
  [oid.float4, 4],
  [oid.float8, 8],
  [oid.unknown, -2],
  [oid.date, 4],
  [oid.time, 8],
  [oid.timestamp, 8],
  [oid.timestamptz, 8],
  [oid.interval, 16],
  [oid.uuid, 16],
]);

/** typlen of a type; -1 where it is not known. */
export function typeSize(typeOid: number): number {
  return sizes.get(typeOid) ?? -1;
}
