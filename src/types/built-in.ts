/** The codec of each type with a fixed OID, by its name in pg_type. Arrays follow from their elements. */

import { anyArrayCodec, vectorCodec } from "./array.ts";
import { bitCodec } from "./bit.ts";
import { boolCodec } from "./boolean.ts";
import { byteaCodec } from "./bytea.ts";
import { type Codec, unsupported } from "./codec.ts";
import { dateCodec, timestampCodec, timestamptzCodec } from "./date-time.ts";
import { float4Codec, float8Codec } from "./float.ts";
import {
  boxCodec,
  circleCodec,
  lineCodec,
  lsegCodec,
  pathCodec,
  pointCodec,
  polygonCodec,
} from "./geometric.ts";
import { lsnCodec, snapshotCodec, tidCodec } from "./identifiers.ts";
import { int2Codec, int4Codec, int8Codec, objectName, oidCodec, unsigned32, xid8Codec } from "./integer.ts";
import { intervalCodec } from "./interval.ts";
import { macaddr8Codec, macaddrCodec } from "./mac-address.ts";
import { moneyCodec } from "./money.ts";
import { cidrCodec, inetCodec } from "./network.ts";
import { numericCodec } from "./numeric.ts";
import { oid } from "./oid.ts";
import { multirangeCodec, rangeCodec } from "./range.ts";
import { rangeOrder } from "./range-order.ts";
import { anonymousRecordCodec } from "./record.ts";
import { charCodec, jsonbCodec, jsonCodec, nameCodec, textCodec, versioned, voidCodec } from "./text.ts";
import { tsqueryCodec } from "./text-query.ts";
import { tsvectorCodec } from "./text-search.ts";
import { timeCodec, timetzCodec } from "./time.ts";
import { uuidCodec } from "./uuid.ts";

/** Subtypes of the built-in ranges; a multirange has its range's. */
const ranges: readonly (readonly [name: string, subtype: number, codec: Codec])[] = [
  ["int4", oid.int4, int4Codec],
  ["int8", oid.int8, int8Codec],
  ["num", oid.numeric, numericCodec],
  ["date", oid.date, dateCodec],
  ["ts", oid.timestamp, timestampCodec],
  ["tstz", oid.timestamptz, timestamptzCodec],
];

const objectNames =
  "regproc regprocedure regoper regoperator regclass regtype regconfig regdictionary regnamespace regrole regcollation";

/** @param codecOf finds the codecs of values that name their own type */
export function builtInCodecs(codecOf: (typeOid: number) => Codec): ReadonlyMap<string, Codec> {
  const untyped = (type: string) => (): never => {
    throw unsupported(
      `no binary output for type ${type}: its text does not tell the types of its values`,
      textHint,
    );
  };
  return new Map<string, Codec>([
    ["bool", boolCodec],
    ["bytea", byteaCodec],
    ["char", charCodec],
    ["name", nameCodec],
    ["int8", int8Codec],
    ["int2", int2Codec],
    ["int2vector", vectorCodec("int2vector", oid.int2, int2Codec)],
    ["int4", int4Codec],
    ["oid", oidCodec],
    ["tid", tidCodec],
    ["xid", unsigned32("xid")],
    ["cid", unsigned32("cid")],
    ["oidvector", vectorCodec("oidvector", oid.oid, oidCodec)],
    ["json", jsonCodec],
    ["point", pointCodec],
    ["lseg", lsegCodec],
    ["path", pathCodec],
    ["box", boxCodec],
    ["polygon", polygonCodec],
    ["line", lineCodec],
    ["cidr", cidrCodec],
    ["float4", float4Codec],
    ["float8", float8Codec],
    ["circle", circleCodec],
    ["macaddr8", macaddr8Codec],
    ["money", moneyCodec],
    ["macaddr", macaddrCodec],
    ["inet", inetCodec],
    ["date", dateCodec],
    ["time", timeCodec],
    ["timestamp", timestampCodec],
    ["timestamptz", timestamptzCodec],
    ["interval", intervalCodec],
    ["timetz", timetzCodec],
    ["bit", bitCodec],
    ["varbit", bitCodec],
    ["numeric", numericCodec],
    ["record", anonymousRecordCodec(codecOf, untyped("record"))],
    ["anyarray", anyArrayCodec(codecOf, untyped("anyarray"))],
    ["void", voidCodec],
    ["uuid", uuidCodec],
    ["txid_snapshot", snapshotCodec],
    ["pg_lsn", lsnCodec],
    ["tsvector", tsvectorCodec],
    ["tsquery", tsqueryCodec],
    ["jsonb", jsonbCodec],
    ["jsonpath", versioned("jsonpath")],
    ["pg_snapshot", snapshotCodec],
    ["xid8", xid8Codec],
    ...["text", "varchar", "bpchar", "unknown", "xml", "refcursor", "cstring", "pg_node_tree"].map(
      (name): [string, Codec] => [name, textCodec],
    ),
    ...objectNames.split(" ").map((name): [string, Codec] => [name, objectName(name)]),
    ...ranges.flatMap(([name, subtype, codec]): [string, Codec][] => {
      const bounds = { codec, order: rangeOrder(subtype, true) };
      return [
        [`${name}range`, rangeCodec(bounds)],
        [`${name}multirange`, multirangeCodec(bounds)],
      ];
    }),
  ]);
}

export const textHint = "Ask for this column in text format.";
