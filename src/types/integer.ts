/** int2, int4, int8, and the types that are integers in all but name: oid, xid, cid, xid8, reg*. */
import { badText, type Codec, checkSize, outOfRange, unsupported } from "./codec.ts";
import {
  getBigInt64,
  getInt16,
  getInt32,
  getSmallInt64,
  int64Bytes,
  setBigInt64,
  setInt16,
  setInt32,
} from "./layout.ts";

/** Since PostgreSQL 16 in hexadecimal, octal and binary, too, and with underscores between digits. */
const integerText = /^\s*([+-]?)(\d+(?:_\d+)*|0x(?:_?[0-9a-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+)\s*$/i;

/** The number of a text of plain digits, NaN for all other texts and those that a double may not hold. */
export function plainInteger(text: string): number {
  const length = text.length;
  const negative = text.charCodeAt(0) === 45;
  let at = negative ? 1 : 0;
  if (at === length || length > 15) return Number.NaN;
  let value = 0;
  for (; at < length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

/** The number of a text in any notation of the input functions. */
function anyInteger(type: string, text: string): bigint {
  const [, sign, digits] = integerText.exec(text) ?? [];
  if (digits === undefined) throw badText(type, text);
  const magnitude = BigInt(digits.replaceAll("_", ""));
  return sign === "-" ? -magnitude : magnitude;
}

function small(type: string, text: string, min: number, max: number): number {
  const plain = plainInteger(text);
  if (plain >= min && plain <= max) return plain;
  const value = anyInteger(type, text);
  if (value < min || value > max) throw outOfRange(type, text);
  return Number(value);
}

export const int2Codec: Codec = {
  encode(text) {
    const bytes = new Uint8Array(2);
    setInt16(bytes, 0, small("smallint", text, -0x8000, 0x7fff));
    return bytes;
  },
  decode(bytes) {
    checkSize("smallint", bytes, 2);
    return String(getInt16(bytes, 0));
  },
};

export const int4Codec: Codec = {
  encode(text) {
    const bytes = new Uint8Array(4);
    setInt32(bytes, 0, small("integer", text, -0x8000_0000, 0x7fff_ffff));
    return bytes;
  },
  decode(bytes) {
    checkSize("integer", bytes, 4);
    return String(getInt32(bytes, 0));
  },
};

/** An int64 in any notation. */
export function bigint(type: string, text: string): bigint {
  const value = anyInteger(type, text);
  if (value < -(1n << 63n) || value >= 1n << 63n) throw outOfRange(type, text);
  return value;
}

export const int8Codec: Codec = {
  encode(text) {
    const plain = plainInteger(text);
    if (!Number.isNaN(plain)) return int64Bytes(plain);
    const bytes = new Uint8Array(8);
    setBigInt64(bytes, 0, bigint("bigint", text));
    return bytes;
  },
  decode(bytes) {
    checkSize("bigint", bytes, 8);
    return String(getSmallInt64(bytes, 0) ?? getBigInt64(bytes, 0));
  },
};

/** As strtoul reads it: a negative number wraps, and 0x and a leading 0 change the base. */
function unsignedText(type: string, text: string, bits: number): bigint {
  const [, sign, digits] = /^\s*([+-]?)(0x[0-9a-f]+|\d+)\s*$/i.exec(text) ?? [];
  if (digits === undefined) throw badText(type, text);
  if (/^0[0-7]*[89]/.test(digits)) throw badText(type, text);
  const magnitude = BigInt(/^0\d/.test(digits) ? `0o${digits}` : digits);
  const value = sign === "-" ? -magnitude : magnitude;
  // Of a negative number, an oid may be any that fits 32 bits with its sign.
  if (magnitude >= 1n << BigInt(bits) || (bits === 32 && value < -(1n << 31n))) throw outOfRange(type, text);
  return BigInt.asUintN(bits, value);
}

/** oid, xid, cid. */
export function unsigned32(type: string): Codec {
  return {
    encode(text) {
      const plain = plainInteger(text);
      const isPlain = plain >= 0 && plain <= 0xffff_ffff && text.charCodeAt(0) !== 48;
      const bytes = new Uint8Array(4);
      setInt32(bytes, 0, isPlain ? plain : Number(unsignedText(type, text, 32)));
      return bytes;
    },
    decode(bytes) {
      checkSize(type, bytes, 4);
      return String(getInt32(bytes, 0) >>> 0);
    },
  };
}

export const oidCodec: Codec = unsigned32("oid");

/** regclass, regtype and their kin: OIDs that the server prints as names, which only its catalogs know. */
export function objectName(type: string): Codec {
  return {
    encode(text) {
      const bytes = new Uint8Array(4);
      if (text === "-") return bytes;
      if (/^\d+$/.test(text)) {
        setInt32(bytes, 0, Number(unsignedText("oid", text, 32)));
        return bytes;
      }
      throw unsupported(
        `no binary output for the ${type} "${text}": its OID is not known here`,
        `Ask for this column in text format, or cast it to oid.`,
      );
    },
    decode(bytes) {
      checkSize(type, bytes, 4);
      // The number is what the input functions take as well as a name; zero is a dash.
      const number = getInt32(bytes, 0) >>> 0;
      return number === 0 ? "-" : String(number);
    },
  };
}

export const xid8Codec: Codec = {
  encode(text) {
    const bytes = new Uint8Array(8);
    setBigInt64(bytes, 0, unsignedText("xid8", text, 64));
    return bytes;
  },
  decode(bytes) {
    checkSize("xid8", bytes, 8);
    return BigInt.asUintN(64, getBigInt64(bytes, 0)).toString();
  },
};
