/** hstore: keys and values, `"a"=>"1", "b"=>NULL` (contrib/hstore). */
import { PgError, protocolError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { compareBytes } from "./byte-order.ts";
import { type Codec, trailing } from "./codec.ts";
import { setInt32, sizedValues } from "./layout.ts";
import { readText, textBytes } from "./text.ts";

type Pair = readonly [key: Uint8Array, value: Uint8Array | null];

export const hstoreCodec: Codec = {
  encode(text) {
    const pairs = unique(parsePairs(text));
    const header = new Uint8Array(4);
    setInt32(header, 0, pairs.length);
    return sizedValues(header, pairs.flat());
  },
  decode(bytes) {
    const reader = new Reader(bytes);
    const count = reader.uint32();
    if (count * 8 > reader.remaining) throw protocolError("insufficient data left in message");
    const pairs: Pair[] = [];
    for (let at = 0; at < count; at++) {
      const key = reader.sized();
      if (key === null)
        throw new PgError(sqlstate.nullValueNotAllowed, "null value not allowed for hstore key");
      pairs.push([key, reader.sized()]);
    }
    if (reader.remaining > 0) throw trailing("hstore");
    return unique(pairs)
      .map(([key, value]) => `${quoted(key)}=>${value === null ? "NULL" : quoted(value)}`)
      .join(", ");
  },
};

function quoted(bytes: Uint8Array): string {
  return `"${readText(bytes).replace(/["\\]/g, "\\$&")}"`;
}

/** Sorted by the length of the key, then by its bytes; of equal keys the first stays. */
function unique(pairs: readonly Pair[]): Pair[] {
  const sorted = [...pairs].sort(([a], [b]) => a.length - b.length || compareBytes(a, b));
  return sorted.filter(([key], at) => at === 0 || compareBytes(key, (sorted[at - 1] as Pair)[0]) !== 0);
}

const quotedWord = String.raw`"((?:[^"\\]|\\[\s\S])*)"`;
const pair = new RegExp(
  String.raw`\s*(?:${quotedWord}|((?:[^\s"\\=,]|\\[\s\S])(?:[^\s\\=]|\\[\s\S])*))\s*=>\s*` +
    String.raw`(?:${quotedWord}|((?:[^\s"\\,]|\\[\s\S])(?:[^\s\\,]|\\[\s\S])*))\s*(,|$)`,
  "y",
);

function parsePairs(text: string): Pair[] {
  const pairs: Pair[] = [];
  let comma = "";
  for (let at = 0; comma !== "" || /\S/.test(text.slice(at)); ) {
    pair.lastIndex = at;
    const match = pair.exec(text);
    if (!match) {
      const message = `syntax error in hstore, near "${text[at] ?? ""}" at position ${at}`;
      throw new PgError(sqlstate.syntaxError, message);
    }
    at = pair.lastIndex;
    const [, quotedKey, key, quotedValue, value = "", mark = ""] = match;
    comma = mark;
    const isNull = quotedValue === undefined && value.toLowerCase() === "null";
    pairs.push([unescaped(quotedKey ?? key ?? ""), isNull ? null : unescaped(quotedValue ?? value)]);
  }
  return pairs;
}

function unescaped(text: string): Uint8Array {
  return textBytes(text.replace(/\\([\s\S])/g, "$1"));
}
