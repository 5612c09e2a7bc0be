/** tsvector: sorted lexemes, each with its places and their weights (tsvector.c, tsvector_parser.c). */
import { PgError } from "../wire/error.ts";
import { Reader } from "../wire/reader.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { compareUtf8 } from "./byte-order.ts";
import { type Codec, trailing } from "./codec.ts";
import { concatenated, setInt16, setInt32 } from "./layout.ts";
import { lexemeText, readLexeme, space } from "./lexeme.ts";
import { textBytes } from "./text.ts";

const maxLexeme = 2046;
/** What PostgreSQL has memory for. */
const maxEntries = 0xfffffff;
const maxPlaces = 256;
/** What a place is at most: farther words count as here. */
const lastPlace = 0x3fff;
const weights = "DCBA";

interface Entry {
  lexeme: string;
  /** Place, and its weight in the two bits above it. */
  places: number[];
}

export const tsvectorCodec: Codec = {
  encode(text) {
    const entries = unique(parseEntries(text));
    const parts: Uint8Array[] = [new Uint8Array(4)];
    setInt32(parts[0] as Uint8Array, 0, entries.length);
    for (const { lexeme, places } of entries) {
      const tail = new Uint8Array(3 + places.length * 2);
      setInt16(tail, 1, places.length);
      for (const [at, place] of places.entries()) setInt16(tail, 3 + at * 2, place);
      parts.push(textBytes(lexeme), tail);
    }
    return concatenated(parts);
  },
  decode(bytes) {
    const reader = new Reader(bytes);
    const count = reader.int32();
    if (count < 0 || count > maxEntries) throw invalid("invalid size of tsvector");
    const entries: Entry[] = [];
    for (let at = 0; at < count; at++) entries.push(readEntry(reader));
    if (reader.remaining > 0) throw trailing("tsvector");
    const isSorted = entries.every(
      ({ lexeme }, at) => at === 0 || compareUtf8((entries[at - 1] as Entry).lexeme, lexeme) < 0,
    );
    if (!isSorted) entries.sort((a, b) => compareUtf8(a.lexeme, b.lexeme));
    return entries.map(entryText).join(" ");
  },
};

function readEntry(reader: Reader): Entry {
  const lexeme = reader.cstring();
  const count = reader.uint16();
  if (textBytes(lexeme).length > maxLexeme + 1) throw invalid("invalid tsvector: lexeme too long");
  if (lexeme === "") throw invalid("invalid tsvector: empty lexeme");
  if (count > maxPlaces) throw invalid("unexpected number of tsvector positions");
  const places: number[] = [];
  for (let at = 0; at < count; at++) {
    const place = reader.uint16();
    if (at > 0 && (place & lastPlace) <= ((places[at - 1] as number) & lastPlace)) {
      throw invalid("position information is misordered");
    }
    places.push(place);
  }
  return { lexeme, places };
}

function entryText({ lexeme, places }: Entry): string {
  const text = lexemeText(lexeme);
  if (places.length === 0) return text;
  const shown = places.map((place) => `${place & lastPlace}${place >> 14 ? weights[place >> 14] : ""}`);
  return `${text}:${shown.join(",")}`;
}

const placeList = /:(\d+[abcd*]*(?:,\d+[abcd*]*)*)(?=[ \t\n\r\v\f]|$)/iy;

function parseEntries(text: string): Entry[] {
  const entries: Entry[] = [];
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    const read = readLexeme(text, at, "tsvector", false);
    const { lexeme } = read;
    const { length } = textBytes(lexeme);
    if (length > maxLexeme) {
      const message = `word is too long (${length} bytes, max ${maxLexeme} bytes)`;
      throw new PgError(sqlstate.programLimitExceeded, message);
    }
    at = read.end;
    placeList.lastIndex = at;
    const list = text[at] === ":" ? placeList.exec(text) : undefined;
    if (list === null) throw syntaxError("tsvector", text);
    if (list) at = placeList.lastIndex;
    entries.push({
      lexeme,
      places: list ? (list[1] as string).split(",").map((item) => place(item, text)) : [],
    });
  }
  return entries;
}

function place(item: string, text: string): number {
  const number = Math.min(Number.parseInt(item, 10), lastPlace);
  if (number === 0) throw new PgError(sqlstate.syntaxError, `wrong position info in tsvector: "${text}"`);
  const letter = item.replace(/^\d+/, "").toUpperCase().replace("*", "A");
  if (letter.length > 1) throw syntaxError("tsvector", text);
  return number | (Math.max(weights.indexOf(letter || "D"), 0) << 14);
}

/** Each lexeme once, with the places of all its kind; of a place named twice the higher weight. */
function unique(entries: readonly Entry[]): Entry[] {
  const known = new Map<string, Entry>();
  for (const { lexeme, places } of entries) {
    const entry = known.get(lexeme);
    if (entry) entry.places.push(...places);
    else known.set(lexeme, { lexeme, places: [...places] });
  }
  for (const entry of known.values()) entry.places = uniquePlaces(entry.places);
  return [...known.values()].sort((a, b) => compareUtf8(a.lexeme, b.lexeme));
}

function uniquePlaces(places: readonly number[]): number[] {
  const sorted = [...places].sort((a, b) => (a & lastPlace) - (b & lastPlace));
  const unique = sorted.slice(0, 1);
  for (const place of sorted.slice(1)) {
    const last = unique.at(-1) as number;
    if ((place & lastPlace) === (last & lastPlace)) {
      unique[unique.length - 1] = Math.max(place, last);
      continue;
    }
    unique.push(place);
    // Nothing is looked at behind the last place there is, not even another weight for it.
    if (unique.length === maxPlaces || (place & lastPlace) === lastPlace) break;
  }
  return unique;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && space.test(text[at] as string)) at++;
  return at;
}

function syntaxError(type: string, text: string): PgError {
  return new PgError(sqlstate.syntaxError, `syntax error in ${type}: "${text}"`);
}

function invalid(message: string): PgError {
  return new PgError(sqlstate.internalError, message);
}
