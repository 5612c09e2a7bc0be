/**
 * Values of the RDS Data API, and PostgreSQL's text form of them. The API has JSON's kinds of values; the column's type
 * tells what they were.
 */

import type { Cell, Parameter } from "../../session/mod.ts";
import { binaryDecoder, binaryEncoder, encodeBinary, oid, typeRow } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import type { ArrayValue, Field } from "./api.ts";

/**
 * Types that the API gives, and that come back to PostgreSQL's text from what it gives. All others are cast to text:
 * those it has no values for, and arrays, whose bounds and dimensions are not in its answers.
 */
const given: ReadonlySet<number> = new Set([
  oid.bool,
  oid.bytea,
  oid.name,
  oid.int8,
  oid.int2,
  oid.int4,
  oid.text,
  oid.json,
  oid.float4,
  oid.float8,
  oid.bpchar,
  oid.varchar,
  oid.date,
  oid.time,
  oid.timestamp,
  oid.timestamptz,
  oid.numeric,
  oid.uuid,
  oid.jsonb,
]);

export function isGiven(typeOid: number): boolean {
  return given.has(typeOid);
}

/** Types that are known by name: those above, and what clusters may give besides, with arrays of all of them. */
const named: readonly number[] = [
  ...given,
  oid.oid,
  oid.xml,
  oid.interval,
  oid.timetz,
  // inet, cidr, money, bit, varbit
  869,
  650,
  790,
  1560,
  1562,
  // arrays of bool, bytea, name, int2, int4, text, bpchar, varchar, int8, float4, float8, date, time, timestamp,
  // timestamptz, numeric, uuid, json, jsonb, inet, cidr, bit
  1000,
  1001,
  1003,
  1005,
  1007,
  1009,
  1014,
  1015,
  1016,
  1021,
  1022,
  1182,
  1183,
  1115,
  1185,
  1231,
  2951,
  199,
  3807,
  1041,
  651,
  1561,
];

let byName: Map<string, number> | undefined;

/** The OID of a type that the API names; 25 (text) for one that it does not know by heart, such as an enum. */
export function oidOfName(name: string | undefined): number {
  byName ??= new Map<string, number>([
    ...named.map((typeOid): [string, number] => [typeRow(typeOid)?.name ?? "", typeOid]),
    // Of columns that take their default from a sequence.
    ["serial", oid.int4],
    ["bigserial", oid.int8],
    ["smallserial", oid.int2],
  ]);
  return byName.get((name ?? "").toLowerCase()) ?? oid.text;
}

/** How the fields of a column become cells. */
export function cellReader(typeOid: number): (field: Field) => Cell {
  const element = typeRow(typeOid)?.element ?? 0;
  const scalar = scalarReader(typeOid);
  const ofArray = element === 0 ? scalar : scalarReader(element);
  return (field) => {
    if (field.isNull === true) return null;
    if (field.arrayValue !== undefined) return arrayText(field.arrayValue, ofArray);
    if (field.blobValue !== undefined) return `\\x${hexOf(field.blobValue)}`;
    const value = field.stringValue ?? field.longValue ?? field.doubleValue ?? field.booleanValue;
    return value === undefined ? null : scalar(value);
  };
}

type Scalar = string | number | boolean;

function scalarReader(typeOid: number): (value: Scalar) => string {
  switch (typeOid) {
    case oid.bool:
      return (value) => (value === true || value === "true" || value === "t" ? "t" : "f");
    case oid.numeric:
      return (value) => plainNumber(String(value));
    // In UTC, and without saying so.
    case oid.timestamptz:
      return canonical(typeOid, (text) =>
        /[+-]\d\d(:?\d\d)*$|Z$|infinity/i.test(text) ? text : `${text}+00`,
      );
    case oid.float4:
    case oid.float8:
    case oid.date:
    case oid.time:
    case oid.timestamp:
      return canonical(typeOid, (text) => text);
    default:
      return String;
  }
}

/** Through the binary form, to the text that PostgreSQL itself prints: .500 is .5, and a float4 has no digits too many. */
function canonical(typeOid: number, prepare: (text: string) => string): (value: Scalar) => string {
  const encode = binaryEncoder(typeOid);
  const decode = binaryDecoder(typeOid);
  return (value) => {
    // JavaScript's String() drops the sign of zero.
    const text = prepare(Object.is(value, -0) ? "-0" : String(value));
    try {
      return decode(encode(text));
    } catch (error) {
      if (error instanceof PgError) return text;
      throw error;
    }
  };
}

/** Java prints a numeric of many zeros as 1E-7. */
function plainNumber(text: string): string {
  const match = /^([+-]?)(\d+)(?:\.(\d*))?[eE]([+-]?\d+)$/.exec(text);
  if (!match) return text;
  const [, sign, whole = "", fraction = "", exponent] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  const minus = sign === "-" ? "-" : "";
  if (point >= digits.length) return `${minus}${digits.padEnd(point, "0")}`;
  if (point <= 0) return `${minus}0.${"0".repeat(-point)}${digits}`;
  return `${minus}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** An array literal: elements are quoted where PostgreSQL quotes them. */
function arrayText(array: ArrayValue, read: (value: Scalar) => string): string {
  if (array.arrayValues) return `{${array.arrayValues.map((inner) => arrayText(inner, read)).join(",")}}`;
  const values = array.stringValues ?? array.longValues ?? array.doubleValues ?? array.booleanValues ?? [];
  return `{${values.map((value) => (value === null ? "NULL" : quoted(read(value)))).join(",")}}`;
}

function quoted(text: string): string {
  if (text !== "" && !/[{}",\\\s]/.test(text) && !/^null$/i.test(text)) return text;
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function hexOf(base64: string): string {
  let hex = "";
  for (const character of atob(base64)) hex += character.charCodeAt(0).toString(16).padStart(2, "0");
  return hex;
}

/** A parameter for the API, which the statement casts to its type; arrays too, for the API takes none. */
export function fieldOf(value: Parameter, typeOid: number, at: number): Field {
  if (value === null) return { isNull: true };
  if (value instanceof Uint8Array) {
    throw new PgError(
      sqlstate.featureNotSupported,
      `parameter $${at + 1} has a binary form that is not known here`,
      {
        hint: "Send it as text.",
      },
    );
  }
  // Half the size of its hexadecimal digits.
  if (typeOid === oid.bytea) return { blobValue: base64Of(encodeBinary(oid.bytea, value)) };
  return { stringValue: value };
}

function base64Of(bytes: Uint8Array): string {
  let characters = "";
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}
