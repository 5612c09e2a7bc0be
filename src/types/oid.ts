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

/** typlen of the built-in types of fixed length, by length; -2 is a C string. All others are -1. */
const typesBySize: Readonly<Record<string, readonly number[]>> = {
  1: [16, 18],
  2: [21],
  4: [
    23, 24, 26, 28, 29, 32, 269, 325, 700, 1082, 2202, 2203, 2204, 2205, 2206, 2276, 2278, 2279, 2280, 2281,
    2283, 2776, 3115, 3310, 3500, 3734, 3769, 3838, 4089, 4096, 4191, 5077, 5079,
  ],
  6: [27, 829],
  8: [20, 701, 774, 790, 1083, 1114, 1184, 3220, 5069],
  12: [1266],
  16: [600, 1033, 1186, 2950],
  24: [628, 718],
  32: [601, 603],
  64: [19],
  "-2": [705, 2275],
};

const sizes: ReadonlyMap<number, number> = new Map(
  Object.entries(typesBySize).flatMap(([size, oids]) =>
    oids.map((typeOid): [number, number] => [typeOid, Number(size)]),
  ),
);

/** typlen of a type; -1 where it is not known. */
export function typeSize(typeOid: number): number {
  return sizes.get(typeOid) ?? -1;
}
