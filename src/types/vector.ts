/** pgvector's types: vector of single precision, halfvec of half precision, sparsevec of what is not zero. */
import { PgError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { badBinary, badText, type Codec, trailing } from "./codec.ts";
import { getFloat32, parseFloatText, setFloat32 } from "./float.ts";
import { singleText } from "./float-text.ts";
import { halfBits, halfValue } from "./half-float.ts";
import { setInt16, setInt32 } from "./layout.ts";

const maxDimensions = 16000;

interface Elements {
  readonly size: number;
  set(bytes: Uint8Array, at: number, value: number): void;
  get(bytes: Uint8Array, at: number): number;
}

const singles: Elements = { size: 4, set: setFloat32, get: getFloat32 };
const halves: Elements = {
  size: 2,
  set: (bytes, at, value) => setInt16(bytes, at, halfBits(value)),
  get: (bytes, at) => halfValue(((bytes[at] as number) << 8) | (bytes[at + 1] as number)),
};

export const vectorCodec: Codec = dense("vector", singles);
export const halfvecCodec: Codec = dense("halfvec", halves);

/** A count of dimensions, two bytes for later use, and the elements. */
function dense(type: string, { size, set, get }: Elements): Codec {
  return {
    encode(text) {
      const [, body] = /^\s*\[([^\]]*)\]\s*$/.exec(text) ?? [];
      if (body === undefined) throw badText(type, text);
      const parts = body.split(",");
      checkDimensions(type, /\S/.test(body) ? parts.length : 0);
      const bytes = new Uint8Array(4 + parts.length * size);
      setInt16(bytes, 0, parts.length);
      for (const [at, part] of parts.entries()) set(bytes, 4 + at * size, element(type, part, text));
      return bytes;
    },
    decode(bytes) {
      const reader = new Reader(bytes);
      const count = reader.int16();
      checkUnused(reader.int16());
      checkDimensions(type, count);
      const body = reader.bytes(count * size);
      if (reader.remaining > 0) throw trailing(type);
      let text = "[";
      for (let at = 0; at < body.length; at += size) {
        const value = get(body, at);
        checkFinite(type, value);
        text += (at > 0 ? "," : "") + singleText(value);
      }
      return `${text}]`;
    },
  };
}

const sparseText = /^\s*\{((?:\s*\d+\s*:[^,}]+(?:,|(?=\})))*)\s*\}\s*\/\s*(\d+)\s*$/;

/** Dimensions and places count from 0 in binary, from 1 in text. */
export const sparsevecCodec: Codec = {
  encode(text) {
    const [, body, dimensions] = sparseText.exec(text) ?? [];
    if (body === undefined) throw badText("sparsevec", text);
    const count = Number(dimensions);
    if (count < 1 || count > 1_000_000_000) throw dataError("sparsevec must have at least 1 dimension");
    const pairs = body.trim() === "" ? [] : body.split(",").map((part) => part.split(":"));
    const elements = pairs
      .map(([index, value = ""]): [number, number] => [Number(index), element("sparsevec", value, text)])
      .filter(([, value]) => value !== 0)
      .sort(([a], [b]) => a - b);
    if (elements.some(([index], at) => index < 1 || index > count || index === elements[at - 1]?.[0])) {
      throw dataError("sparsevec indices must be between 1 and the number of dimensions, each once");
    }
    const bytes = new Uint8Array(12 + elements.length * 8);
    setInt32(bytes, 0, count);
    setInt32(bytes, 4, elements.length);
    for (const [at, [index, value]] of elements.entries()) {
      setInt32(bytes, 12 + at * 4, index - 1);
      setFloat32(bytes, 12 + elements.length * 4 + at * 4, value);
    }
    return bytes;
  },
  decode(bytes) {
    const reader = new Reader(bytes);
    const dimensions = reader.int32();
    const count = reader.int32();
    checkUnused(reader.int32());
    if (dimensions < 1) throw dataError("sparsevec must have at least 1 dimension");
    if (count < 0 || count > dimensions)
      throw dataError("sparsevec cannot have more elements than dimensions");
    const indices = new Reader(reader.bytes(count * 4));
    const values = reader.bytes(count * 4);
    if (reader.remaining > 0) throw trailing("sparsevec");
    const texts: string[] = [];
    let last = -1;
    for (let at = 0; at < count; at++) {
      const index = indices.int32();
      const value = getFloat32(values, at * 4);
      if (index <= last || index >= dimensions)
        throw dataError("sparsevec indices must be in ascending order");
      checkFinite("sparsevec", value);
      if (value === 0) throw dataError("binary representation of sparsevec cannot contain zero values");
      texts.push(`${index + 1}:${singleText(value)}`);
      last = index;
    }
    return `{${texts.join(",")}}/${dimensions}`;
  },
};

function element(type: string, part: string, text: string): number {
  const value = parseFloatText("real", part, [type, text]);
  checkFinite(type, value);
  return value;
}

function checkDimensions(type: string, count: number): void {
  if (count < 1) throw dataError(`${type} must have at least 1 dimension`);
  if (count <= maxDimensions) return;
  const message = `${type} cannot have more than ${maxDimensions} dimensions`;
  throw new PgError(sqlstate.programLimitExceeded, message);
}

function checkUnused(value: number): void {
  if (value !== 0) throw badBinary(`expected unused to be 0, not ${value}`);
}

function checkFinite(type: string, value: number): void {
  if (Number.isNaN(value)) throw dataError(`NaN not allowed in ${type}`);
  if (!Number.isFinite(value)) throw dataError(`infinite value not allowed in ${type}`);
}

function dataError(message: string): PgError {
  return new PgError(sqlstate.dataException, message);
}
