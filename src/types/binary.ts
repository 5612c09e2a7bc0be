/**
 * Text to binary and back for the types that nearly every driver asks for in binary: booleans, integers, floats, text,
 * bytea, uuid and JSON (the *send and *recv functions of the PostgreSQL sources). A type that is not here is refused
 * with 0A000 rather than answered with wrong bytes.
 */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { decodeText } from "../wire/utf8.ts";
import { oid } from "./oid.ts";

interface Codec {
  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;
}

const encoder = new TextEncoder();

/** The binary form of a value in text form. @throws PgError 0A000, 22P02, 22003 */
export function encodeBinary(typeOid: number, text: string): Uint8Array {
  const codec = codecs.get(typeOid);
  if (!codec) {
    throw new PgError(sqlstate.featureNotSupported, `no binary output for type with OID ${typeOid}`, {
      hint: "Ask for this column in text format.",
    });
  }
  return codec.encode(text);
}

/** The text form of a value in binary form; undefined where the type has no codec here. @throws PgError 22P03 */
export function decodeBinary(typeOid: number, bytes: Uint8Array): string | undefined {
  return codecs.get(typeOid)?.decode(bytes);
}

const textCodec: Codec = { encode: (text) => encoder.encode(text), decode: (bytes) => decodeText(bytes) };

function fixed(
  type: string,
  size: number,
  write: (view: DataView, text: string) => void,
  read: (view: DataView) => string,
): Codec {
  return {
    encode(text) {
      const bytes = new Uint8Array(size);
      write(new DataView(bytes.buffer), text);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length !== size) throw badBinary(type);
      return read(new DataView(bytes.buffer, bytes.byteOffset, size));
    },
  };
}

/** Since PostgreSQL 16 in hexadecimal, octal and binary, too, and with underscores between digits. */
const integerText = /^\s*([+-]?)(\d+(?:_\d+)*|0x(?:_?[0-9a-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+)\s*$/i;

function integer(type: string, size: number, min: bigint, max: bigint): Codec {
  const parse = (text: string): bigint => {
    const [, sign, digits] = integerText.exec(text) ?? [];
    if (digits === undefined) throw badText(type, text);
    const magnitude = BigInt(digits.replaceAll("_", ""));
    const value = sign === "-" ? -magnitude : magnitude;
    if (value < min || value > max) {
      throw new PgError(sqlstate.numericValueOutOfRange, `value "${text}" is out of range for type ${type}`);
    }
    return value;
  };
  return fixed(
    type,
    size,
    (view, text) => {
      const value = BigInt.asUintN(size * 8, parse(text));
      if (size === 8) view.setBigUint64(0, value);
      else if (size === 4) view.setUint32(0, Number(value));
      else view.setUint16(0, Number(value));
    },
    (view) => {
      if (size === 8) return view.getBigInt64(0).toString();
      if (size === 4) return String(min < 0n ? view.getInt32(0) : view.getUint32(0));
      return String(view.getInt16(0));
    },
  );
}

function float(type: string, size: 4 | 8): Codec {
  const parse = (text: string): number => {
    const word = text.trim().toLowerCase();
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(word)) return inRange(word);
    if (word === "nan") return Number.NaN;
    if (/^\+?inf(inity)?$/.test(word)) return Number.POSITIVE_INFINITY;
    if (/^-inf(inity)?$/.test(word)) return Number.NEGATIVE_INFINITY;
    throw badText(type, text);
  };
  const inRange = (word: string): number => {
    const value = size === 4 ? Math.fround(Number(word)) : Number(word);
    // Too small is out of range as well: a zero has no other digit before its exponent.
    const lost = value === 0 && /[1-9]/.test(word.replace(/e.*/, ""));
    if (Number.isFinite(value) && !lost) return value;
    throw new PgError(sqlstate.numericValueOutOfRange, `"${word}" is out of range for type ${type}`);
  };
  return fixed(
    type,
    size,
    (view, text) => (size === 4 ? view.setFloat32(0, parse(text)) : view.setFloat64(0, parse(text))),
    (view) => (size === 4 ? floatText(view.getFloat32(0), true) : floatText(view.getFloat64(0), false)),
  );
}

/** The shortest text that reads back as the same value, in PostgreSQL's notation. */
function floatText(value: number, single: boolean): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (Object.is(value, -0)) return "-0";
  // PostgreSQL turns to an exponent of at least two digits below 1e-4 and from 1e15 (float4: 1e6) on.
  const shortest = single ? shortestSingle(value) : value;
  const [mantissa = "0", exponent = "0"] = shortest.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < (single ? 6 : 15)) return plain(mantissa, power);
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/**
 * The number of the fewest digits that is the same in single precision; of two as close, the even one. As in PostgreSQL,
 * one that lies midway between two is not taken, though it is read as the even one of them.
 */
function shortestSingle(value: number): number {
  const [lower, upper] = neighbours(value).map((next) => (value + next) / 2);
  const same = (number: number): boolean =>
    Math.fround(number) === value && number !== lower && number !== upper;
  for (let digits = 1; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (!same(rounded)) continue;
    const [mantissa = "", exponent] = value.toExponential(digits).split("e");
    const isTie = mantissa.endsWith("5") && Number(`${mantissa}e${exponent}`) === value;
    const below = Number(`${mantissa.slice(0, -1)}e${exponent}`);
    return isTie && /[02468]\.?.$/.test(mantissa) && same(below) ? below : rounded;
  }
  return Number(value.toPrecision(9));
}

/** The next numbers of single precision on both sides. */
function neighbours(value: number): number[] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  return [bits - 1, bits + 1].map((next) => {
    view.setUint32(0, next);
    return view.getFloat32(0);
  });
}

function plain(mantissa: string, power: number): string {
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace("-", "").replace(".", "");
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, "0");
  const fraction = digits.slice(power + 1);
  return fraction === "" ? sign + whole : `${sign}${whole}.${fraction}`;
}

const boolCodec: Codec = fixed(
  "boolean",
  1,
  (view, text) => {
    const word = text.trim().toLowerCase();
    if (/^(t|tr|tru|true|y|ye|yes|on|1)$/.test(word)) view.setUint8(0, 1);
    else if (!/^(f|fa|fal|fals|false|n|no|of|off|0)$/.test(word)) throw badText("boolean", text);
  },
  (view) => (view.getUint8(0) === 0 ? "f" : "t"),
);

const byteaCodec: Codec = {
  encode: (text) => (text.startsWith("\\x") ? hexBytes(text.slice(2)) : escapedBytes(text)),
  decode: (bytes) => `\\x${toHex(bytes)}`,
};

/** Pairs of digits, with white space between them. */
function hexBytes(text: string): Uint8Array {
  const pairs = (text.match(/[ \n\t\r]+|[\s\S]{1,2}/g) ?? []).filter((pair) => /[^ \n\t\r]/.test(pair));
  for (const pair of pairs) {
    const wrong = /[^0-9a-f]/i.exec(pair);
    if (wrong) {
      throw new PgError(sqlstate.invalidParameterValue, `invalid hexadecimal digit: "${wrong[0]}"`);
    }
    if (pair.length === 1) {
      throw new PgError(sqlstate.invalidParameterValue, "invalid hexadecimal data: odd number of digits");
    }
  }
  return fromHex(pairs.join(""));
}

/** The older form: bytes as they are, a backslash doubled, any byte as three octal digits. */
function escapedBytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const [part] of text.matchAll(/\\[0-3][0-7]{2}|\\\\|[^\\]+|\\/g)) {
    if (part === "\\\\") bytes.push(0x5c);
    else if (part === "\\")
      throw new PgError(sqlstate.invalidTextRepresentation, "invalid input syntax for type bytea");
    else if (part.startsWith("\\")) bytes.push(Number.parseInt(part.slice(1), 8));
    else for (const byte of encoder.encode(part)) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

const uuidCodec: Codec = {
  encode(text) {
    const digits = /^\{(.*)\}$/.exec(text)?.[1] ?? text;
    if (!/^([0-9a-f]{4}-?){7}[0-9a-f]{4}$/i.test(digits)) throw badText("uuid", text);
    return fromHex(digits.replaceAll("-", ""));
  },
  decode(bytes) {
    if (bytes.length !== 16) throw badBinary("uuid");
    return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
};

/** jsonb's binary form is a version byte, 1, and the text. */
const jsonbCodec: Codec = {
  encode(text) {
    const json = encoder.encode(text);
    const bytes = new Uint8Array(json.length + 1);
    bytes[0] = 1;
    bytes.set(json, 1);
    return bytes;
  },
  decode(bytes) {
    if (bytes[0] !== 1) {
      throw new PgError(sqlstate.internalError, `unsupported jsonb version number ${bytes[0] ?? 0}`);
    }
    return textCodec.decode(bytes.subarray(1));
  },
};

const codecs: ReadonlyMap<number, Codec> = new Map<number, Codec>([
  [oid.bool, boolCodec],
  [oid.bytea, byteaCodec],
  [oid.int2, integer("smallint", 2, -0x8000n, 0x7fffn)],
  [oid.int4, integer("integer", 4, -0x8000_0000n, 0x7fff_ffffn)],
  [oid.int8, integer("bigint", 8, -(1n << 63n), (1n << 63n) - 1n)],
  [oid.oid, integer("oid", 4, 0n, 0xffff_ffffn)],
  [oid.float4, float("real", 4)],
  [oid.float8, float("double precision", 8)],
  [oid.uuid, uuidCodec],
  [oid.jsonb, jsonbCodec],
  ...[oid.text, oid.varchar, oid.bpchar, oid.name, oid.unknown, oid.json, oid.xml].map(
    (typeOid): [number, Codec] => [typeOid, textCodec],
  ),
]);

function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function badText(type: string, text: string): PgError {
  return new PgError(sqlstate.invalidTextRepresentation, `invalid input syntax for type ${type}: "${text}"`);
}

function badBinary(type: string): PgError {
  return new PgError(sqlstate.invalidBinaryRepresentation, `incorrect binary data format for type ${type}`);
}
