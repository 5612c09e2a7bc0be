/** Random values of each built-in type, as texts that PostgreSQL reads. */
import type { Random } from "./random.ts";

export type Generator = (random: Random) => string;

const int =
  (bits: number): Generator =>
  (random) =>
    String(random.bigint(bits));
const unsigned =
  (bits: number): Generator =>
  (random) =>
    String(BigInt.asUintN(bits, random.bigint(bits)));

function float(random: Random): string {
  const value = random.chance(0.5)
    ? (random.bits() - 2 ** 31) / 10 ** random.int(0, 20)
    : new DataView(random.bytes(8).buffer).getFloat64(0);
  return special(random) ?? String(value);
}

function single(random: Random): string {
  const value = random.chance(0.5)
    ? (random.bits() - 2 ** 31) / 10 ** random.int(0, 20)
    : new DataView(random.bytes(4).buffer).getFloat32(0);
  return special(random) ?? String(Math.fround(value));
}

function special(random: Random): string | undefined {
  return random.chance(0.05) ? random.pick(["NaN", "Infinity", "-Infinity", "-0", "0"]) : undefined;
}

function coordinate(random: Random): string {
  return random.chance(0.5) ? String(random.int(-100, 100)) : float(random);
}

function numeric(random: Random): string {
  const sign = random.pick(["", "-", "+"]);
  const size = random.pick([2, 6, 20, 70]);
  switch (random.int(0, 9)) {
    case 0:
      return random.pick([
        "NaN",
        "Infinity",
        "-Infinity",
        "inf",
        "0",
        "-0",
        "0.000",
        "-0.00",
        "1e1000",
        "1e-1000",
      ]);
    case 1:
      return `${sign}${random.int(0, 9)}${random.digits(0, size)}e${random.int(-60, 60)}`;
    case 2:
      return `${sign}.${random.int(0, 9)}${random.digits(0, size)}`;
    case 3:
      return `${sign}${random.int(0, 9)}${random.digits(0, size)}`;
    case 4:
      return `${sign}0.${"0".repeat(random.int(0, 30))}${random.int(0, 9)}${random.digits(0, size)}`;
    case 5:
      return `${sign}${random.int(1, 9)}${"0".repeat(random.int(0, 30))}.${"0".repeat(random.int(0, 30))}`;
    default:
      return `${sign}${random.digits(1, size)}.${random.digits(0, size)}`;
  }
}

const pad = (value: number, length = 2): string => String(value).padStart(length, "0");

/** @param last the last year */
function day(random: Random, last: number): string {
  const year = random.pick([
    random.int(1900, 2100),
    random.int(1, 9999),
    random.int(1, last),
    random.int(1, 4713),
  ]);
  const bc = year <= 4713 && random.chance(0.1);
  return `${pad(year, 4)}-${pad(random.int(1, 12))}-${pad(random.int(1, 28))}${bc ? " BC" : ""}`;
}

function clock(random: Random): string {
  const time = `${pad(random.int(0, 23))}:${pad(random.int(0, 59))}:${pad(random.int(0, 59))}`;
  return random.chance(0.5) ? time : `${time}.${random.digits(1, 6)}`;
}

export function offset(random: Random): string {
  const hours = `${random.pick(["+", "-"])}${pad(random.int(0, 15))}`;
  if (random.chance(0.5)) return hours;
  return random.chance(0.7)
    ? `${hours}:${pad(random.int(0, 59))}`
    : `${hours}:${pad(random.int(0, 59))}:${pad(random.int(1, 59))}`;
}

function timestamp(random: Random, zone = ""): string {
  if (random.chance(0.02)) return random.pick(["infinity", "-infinity"]);
  const [date, bc = ""] = day(random, 294275).split(/(?= )/);
  return `${date} ${clock(random)}${zone}${bc}`;
}

function interval(random: Random): string {
  if (random.chance(0.03)) return random.pick(["infinity", "-infinity", "0"]);
  const sign = (): string => random.pick(["", "", "-"]);
  const size = (): number => random.pick([random.int(0, 3), random.int(0, 100), random.int(0, 100_000)]);
  const parts = [
    `${sign()}${size()} years`,
    `${sign()}${size()} mons`,
    `${sign()}${size()} days`,
    `${sign()}${size()}:${pad(random.int(0, 59))}:${pad(random.int(0, 59))}${random.pick(["", `.${random.digits(1, 6)}`])}`,
  ].filter(() => random.chance(0.6));
  return parts.length === 0 ? "1 sec" : parts.join(" ");
}

function inet(random: Random): string {
  if (random.chance(0.5)) {
    const address = Array.from({ length: 4 }, () => random.int(0, 255)).join(".");
    return random.chance(0.5) ? address : `${address}/${random.int(0, 32)}`;
  }
  const words = Array.from({ length: 8 }, () => (random.chance(0.6) ? "0" : random.hex(random.int(1, 4))));
  if (random.chance(0.2)) words.fill("0", 0, random.int(4, 7));
  if (random.chance(0.1)) words[5] = "ffff";
  return random.chance(0.5) ? words.join(":") : `${words.join(":")}/${random.int(0, 128)}`;
}

/** A network: what is behind its bits is zero. */
function cidr(random: Random): string {
  const bytes = random.bytes(random.pick([4, 16]));
  const bits = random.int(0, bytes.length * 8);
  for (let at = 0; at < bytes.length; at++) {
    const kept = Math.min(Math.max(bits - at * 8, 0), 8);
    bytes[at] = (bytes[at] as number) & (0xff00 >> kept);
  }
  if (bytes.length === 4) return `${bytes.join(".")}/${bits}`;
  const words = Array.from({ length: 8 }, (_, at) =>
    ((bytes[at * 2] as number) * 256 + (bytes[at * 2 + 1] as number)).toString(16),
  );
  return `${words.join(":")}/${bits}`;
}

const point: Generator = (random) => `(${coordinate(random)},${coordinate(random)})`;
const points: Generator = (random) => random.list(1, 6, () => point(random)).join(",");

function json(random: Random, depth = 0): string {
  const kind = random.int(0, depth > 3 ? 4 : 7);
  const space = random.pick(["", " ", "\n"]);
  if (kind === 0) return random.pick(["true", "false", "null"]);
  if (kind <= 2) return jsonNumber(random);
  if (kind <= 4) return jsonString(random);
  if (kind === 5) return `[${space}${random.list(0, 4, () => json(random, depth + 1)).join(`,${space}`)}]`;
  const member = (): string => `${jsonString(random)}${space}:${json(random, depth + 1)}${space}`;
  return `{${space}${random.list(0, 5, member).join(",")}}`;
}

function jsonNumber(random: Random): string {
  const whole = random.chance(0.3) ? "0" : `${random.int(1, 9)}${random.digits(0, 20)}`;
  const fraction = random.chance(0.5) ? "" : `.${random.digits(1, 20)}`;
  const exponent = random.chance(0.7)
    ? ""
    : `${random.pick(["e", "E"])}${random.pick(["", "+", "-"])}${random.int(0, 40)}`;
  return `${random.pick(["", "-"])}${whole}${fraction}${exponent}`;
}

function jsonString(random: Random): string {
  const text = JSON.stringify(random.text(0, 6));
  return random.chance(0.2) ? text.replace("a", "\\u0061").replace("b", "\\/").replace("c", "\\b") : text;
}

const lexeme: Generator = (random) => `'${random.text(1, 6).replace(/['\\]/g, "$&$&")}'`;

function tsvector(random: Random): string {
  const place = (): string =>
    `${random.pick([random.int(1, 20), random.int(1, 20000)])}${random.pick(["", "A", "B", "C", "D"])}`;
  return random
    .list(0, 6, () => {
      const places = random.list(0, 4, place);
      return lexeme(random) + (places.length === 0 ? "" : `:${places.join(",")}`);
    })
    .join(" ");
}

function tsquery(random: Random, depth = 0): string {
  const kind = random.int(0, depth > 4 ? 1 : 6);
  const inner = (): string => tsquery(random, depth + 1);
  if (kind <= 1)
    return lexeme(random) + (random.chance(0.7) ? "" : `:${random.pick(["*", "A", "bc", "*D", "ABCD"])}`);
  if (kind === 2) return `!${inner()}`;
  if (kind === 3) return `(${inner()})`;
  return `${inner()} ${random.pick(["&", "|", "<->", "<2>", "<0>", "<16384>"])} ${inner()}`;
}

/** A range of two values, which may be in any order: PostgreSQL leaves out what is none. */
const range =
  (bound: Generator): Generator =>
  (random) => {
    if (random.chance(0.05)) return "empty";
    const value = (): string => (random.chance(0.1) ? "" : `"${bound(random)}"`);
    const first = value();
    const second = random.chance(0.05) ? first : value();
    return `${random.pick(["[", "("])}${first},${second}${random.pick(["]", ")"])}`;
  };

const multirange =
  (bound: Generator): Generator =>
  (random) =>
    `{${random.list(0, 5, () => range(bound)(random)).join(",")}}`;

const smallInt: Generator = (random) => (random.chance(0.02) ? int(32)(random) : String(random.int(-20, 20)));
const smallNumeric: Generator = (random) =>
  random.chance(0.1) ? numeric(random) : (random.int(-40, 40) / 4).toFixed(random.int(0, 3));
const nearDay: Generator = (random) =>
  random.chance(0.05)
    ? random.pick(["infinity", "-infinity"])
    : `2024-${pad(random.int(1, 12))}-${pad(random.int(1, 28))}`;
const nearTime: Generator = (random) => `${nearDay(random)} ${clock(random)}`.replace(/(infinity).*/, "$1");

export const generators: Readonly<Record<string, Generator>> = {
  bool: (random) => random.pick(["t", "f", "yes", "off", "1", "0", " true"]),
  '"char"': (random) =>
    random.chance(0.5)
      ? random.text(0, 2)
      : `\\${random.pick(["", "0", "1", "2", "3"])}${random.digits(0, 2)}`,
  name: (random) => random.text(0, random.pick([5, 20, 70])),
  int2: int(16),
  int4: int(32),
  int8: int(64),
  oid: unsigned(32),
  xid: unsigned(32),
  cid: unsigned(32),
  xid8: unsigned(64),
  regproc: (random) => String(random.int(20000, 4000000000)),
  regtype: (random) => random.pick(["-", String(random.int(20000, 4000000000))]),
  float4: single,
  float8: float,
  numeric,
  money: (random) => {
    const cents = random.bigint(64);
    return `${cents / 100n}.${pad(Number((cents < 0n ? -cents : cents) % 100n))}`.replace(
      /^(?=\d)/,
      random.pick(["", "$"]),
    );
  },
  text: (random) => random.text(0, 40),
  varchar: (random) => random.text(),
  bpchar: (random) => random.text(),
  bytea: (random) => `\\x${random.hex(random.int(0, 30) * 2)}`,
  date: (random) => (random.chance(0.02) ? random.pick(["infinity", "-infinity"]) : day(random, 5874896)),
  time: (random) => (random.chance(0.02) ? "24:00:00" : clock(random)),
  timetz: (random) => clock(random) + offset(random),
  timestamp: (random) => timestamp(random),
  timestamptz: (random) => timestamp(random, offset(random)),
  interval,
  uuid: (random) => random.hex(32).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
  json: (random) => json(random),
  jsonb: (random) => json(random),
  jsonpath: (random) =>
    random.pick([
      "$.a",
      "$[*] ? (@.b > 1)",
      'lax $."x y".size()',
      "strict $.a[0 to last]",
      '$ ? (@ like_regex "^a")',
    ]) + random.pick(["", ".type()"]),
  xml: (random) => `<a b="${random.int(0, 99)}">${random.text(0, 9).replace(/[<&]/g, "")}</a>`,
  inet,
  cidr,
  macaddr: (random) => random.hex(12).replace(/..(?=.)/g, random.pick(["$&:", "$&-", "$&"])),
  macaddr8: (random) =>
    random.hex(random.pick([12, 16])).replace(/..(?=.)/g, random.pick(["$&:", "$&-", "$&"])),
  "bit varying": (random) => random.list(0, 70, () => random.int(0, 1)).join(""),
  point,
  lseg: (random) => `[${point(random)},${point(random)}]`,
  path: (random) => (random.chance(0.5) ? `[${points(random)}]` : `(${points(random)})`),
  box: (random) => `${point(random)},${point(random)}`,
  polygon: (random) => `(${points(random)})`,
  line: (random) => `{${coordinate(random)},${coordinate(random)},${coordinate(random)}}`,
  circle: (random) => `<${point(random)},${coordinate(random).replace("-", "")}>`,
  pg_lsn: (random) => `${random.bits().toString(16).toUpperCase()}/${random.bits().toString(16)}`,
  tid: (random) => `(${random.bits()},${random.int(0, 65535)})`,
  pg_snapshot: (random) => {
    let id = random.int(1, 1000);
    const ids = [id, ...random.list(0, 4, () => (id += random.int(0, 3)))];
    return `${ids[0]}:${id + 1 + random.int(0, 3)}:${ids.slice(1).join(",")}`;
  },
  int2vector: (random) => random.list(0, 6, () => int(16)(random)).join(" "),
  oidvector: (random) => random.list(0, 6, () => unsigned(32)(random)).join(" "),
  tsvector,
  tsquery: (random) => tsquery(random),
  int4range: range(smallInt),
  int8range: range(smallInt),
  numrange: range(smallNumeric),
  daterange: range(nearDay),
  tsrange: range(nearTime),
  tstzrange: range((random) => nearTime(random).replace(/\d$/, "$&+02")),
  int4multirange: multirange(smallInt),
  int8multirange: multirange(smallInt),
  nummultirange: multirange(smallNumeric),
  datemultirange: multirange(nearDay),
  tsmultirange: multirange(nearTime),
  tstzmultirange: multirange(nearTime),
};

/** Arrays of `element`: up to four dimensions, lower bounds, NULLs, in quotes or not. */
export const arrayOf =
  (element: Generator, delimiter = ","): Generator =>
  (random) => {
    if (random.chance(0.05)) return "{}";
    const sizes = random.list(1, random.pick([1, 1, 1, 2, 4]), () => random.int(1, 3));
    const item = (): string => {
      if (random.chance(0.1)) return random.pick(["NULL", "null"]);
      const text = element(random);
      const plain = /^[\w.:+-]+$/.test(text) && !/^null$/i.test(text);
      return plain && random.chance(0.5) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
    };
    const write = (depth: number): string => {
      const parts = Array.from({ length: sizes[depth] as number }, () =>
        depth === sizes.length - 1 ? item() : write(depth + 1),
      );
      return `{${parts.join(delimiter)}}`;
    };
    if (random.chance(0.8)) return write(0);
    const bounds = sizes.map((size) => {
      const lower = random.int(-3, 3);
      return `[${lower}:${lower + size - 1}]`;
    });
    return `${bounds.join("")}=${write(0)}`;
  };
