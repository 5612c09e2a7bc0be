/** point, lseg, box, path, polygon, line, circle: double precision coordinates and a frame of brackets (geo_ops.c). */
import { PgError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { badBinary, badText, type Codec, checkSize, trailing } from "./codec.ts";
import { getFloat64, parseFloatText, setFloat64 } from "./float.ts";
import { doubleText } from "./float-text.ts";
import { setInt32 } from "./layout.ts";
import type { TypeSettings } from "./settings.ts";

const number = String.raw`\s*([^\s,()<>{}[\]]+)\s*`;
const point = String.raw`\s*\(${number},${number}\)\s*`;

/** A type with a fixed count of numbers. */
function shape(
  type: string,
  pattern: string,
  write: (numbers: readonly string[]) => string,
  check: (numbers: number[], fail: (detail?: string) => PgError) => void = () => {},
): Codec {
  const text = new RegExp(`^${pattern}$`);
  const size = (pattern.match(/\(\[\^/g) ?? []).length;
  return {
    encode(value) {
      const match = text.exec(value);
      if (!match) throw badText(type, value);
      const numbers = match.slice(1).map((part) => parseFloatText("double precision", part, [type, value]));
      check(numbers, (detail) =>
        detail === undefined ? badText(type, value) : new PgError(sqlstate.invalidTextRepresentation, detail),
      );
      return floats(new Uint8Array(0), numbers);
    },
    decode(bytes, settings) {
      checkSize(type, bytes, size * 8);
      const numbers = readFloats(bytes);
      check(numbers, (detail) => badBinary(detail ?? `invalid radius in external "${type}" value`));
      return write(numbers.map((value) => doubleText(value, settings.extraFloatDigits)));
    },
  };
}

export const pointCodec: Codec = shape("point", `(?:${point})`, ([x, y]) => `(${x},${y})`);

export const lsegCodec: Codec = shape(
  "lseg",
  String.raw`\s*\[${point},${point}\]\s*`,
  ([a, b, c, d]) => `[(${a},${b}),(${c},${d})]`,
);

/** The upper right corner comes first, whichever two a client gives. */
export const boxCodec: Codec = shape(
  "box",
  `(?:${point},${point})`,
  ([a, b, c, d]) => `(${a},${b}),(${c},${d})`,
  (corners) => {
    for (const axis of [0, 1]) {
      const [high = 0, low = 0] = [corners[axis], corners[axis + 2]];
      // NaN is above all numbers.
      if (Number.isNaN(low) ? Number.isNaN(high) : !(high < low)) continue;
      [corners[axis], corners[axis + 2]] = [low, high];
    }
  },
);

export const lineCodec: Codec = shape(
  "line",
  String.raw`\s*\{${number},${number},${number}\}\s*`,
  ([a, b, c]) => `{${a},${b},${c}}`,
  ([a = 0, b = 0], fail) => {
    // Nothing smaller than this is told from zero.
    if (Math.abs(a) > 1e-6 || Math.abs(b) > 1e-6 || Number.isNaN(a) || Number.isNaN(b)) return;
    throw fail("invalid line specification: A and B cannot both be zero");
  },
);

export const circleCodec: Codec = shape(
  "circle",
  String.raw`\s*<${point},${number}>\s*`,
  ([x, y, radius]) => `<(${x},${y}),${radius}>`,
  ([, , radius = 0], fail) => {
    if (radius < 0) throw fail();
  },
);

/** What PostgreSQL has memory for. */
const maxPoints = 0x7fffffc;
const points = new RegExp(`^${point}(?:,${point})*$`);

/** Open in square brackets, closed in round ones. */
export const pathCodec: Codec = {
  encode(text) {
    const trimmed = text.trim();
    const isClosed = trimmed.startsWith("(");
    const numbers = pointsOf("path", text, trimmed, isClosed ? "()" : "[]");
    const header = new Uint8Array(5);
    header[0] = isClosed ? 1 : 0;
    setInt32(header, 1, numbers.length / 2);
    return floats(header, numbers);
  },
  decode(bytes, settings) {
    const reader = new Reader(bytes);
    const isClosed = reader.byte() !== 0;
    const text = readPoints("path", reader, settings);
    return isClosed ? `(${text})` : `[${text}]`;
  },
};

export const polygonCodec: Codec = {
  encode(text) {
    const numbers = pointsOf("polygon", text, text.trim(), "()");
    const header = new Uint8Array(4);
    setInt32(header, 0, numbers.length / 2);
    return floats(header, numbers);
  },
  decode: (bytes, settings) => `(${readPoints("polygon", new Reader(bytes), settings)})`,
};

function pointsOf(type: string, text: string, trimmed: string, brackets: string): number[] {
  const inner = trimmed.slice(1, -1);
  if (trimmed[0] !== brackets[0] || trimmed.at(-1) !== brackets[1] || !points.test(inner)) {
    throw badText(type, text);
  }
  return (inner.match(/[^\s,()]+/g) ?? []).map((part) =>
    parseFloatText("double precision", part, [type, text]),
  );
}

function readPoints(type: string, reader: Reader, { extraFloatDigits }: TypeSettings): string {
  const count = reader.int32();
  if (count <= 0 || count > maxPoints)
    throw badBinary(`invalid number of points in external "${type}" value`);
  const numbers = readFloats(reader.bytes(count * 16)).map((value) => doubleText(value, extraFloatDigits));
  if (reader.remaining > 0) throw trailing(type);
  const texts: string[] = [];
  for (let at = 0; at < numbers.length; at += 2) texts.push(`(${numbers[at]},${numbers[at + 1]})`);
  return texts.join(",");
}

function floats(header: Uint8Array, numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(header.length + numbers.length * 8);
  bytes.set(header);
  for (const [at, value] of numbers.entries()) setFloat64(bytes, header.length + at * 8, value);
  return bytes;
}

function readFloats(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let at = 0; at < bytes.length; at += 8) numbers.push(getFloat64(bytes, at));
  return numbers;
}
