/** Reads range literals, `[1,5)`, and multirange literals, `{[1,5),[7,9)}` (PostgreSQL documentation, 8.17.5). */
import { PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";

/** A range's bounds as texts; null is no bound. */
export interface RangeText {
  readonly lower: string | null;
  readonly upper: string | null;
  readonly lowerInclusive: boolean;
  readonly upperInclusive: boolean;
}

/** Undefined is the empty range. @throws PgError 22P02 */
export function parseRange(text: string): RangeText | undefined {
  if (/^\s*empty\s*$/i.test(text)) return undefined;
  const start = text.search(/\S/);
  const { range, end } = rangeAt(text, start);
  if (/\S/.test(text.slice(end))) throw malformed("range", text, "Junk after right parenthesis or bracket.");
  return range;
}

/** @throws PgError 22P02 */
export function parseMultirange(text: string): (RangeText | undefined)[] {
  const [, body] = /^\s*\{([\s\S]*)\}\s*$/.exec(text) ?? [];
  if (body === undefined) throw malformed("multirange", text, "Missing left brace.");
  const ranges: (RangeText | undefined)[] = [];
  if (/^\s*$/.test(body)) return ranges;
  for (let at = 0; ; at++) {
    const empty = /\s*empty\s*/iy;
    empty.lastIndex = at;
    if (empty.test(body)) {
      ranges.push(undefined);
      at = empty.lastIndex;
    } else {
      while (/\s/.test(body[at] ?? "")) at++;
      if (!/[[(]/.test(body[at] ?? "")) throw malformed("multirange", text, "Expected range start.");
      const { range, end } = rangeAt(body, at, text);
      ranges.push(range);
      at = end;
      while (/\s/.test(body[at] ?? "")) at++;
    }
    if (at === body.length) return ranges;
    if (body[at] !== ",") throw malformed("multirange", text, "Expected comma or end of multirange.");
  }
}

function rangeAt(text: string, start: number, whole = text): { range: RangeText; end: number } {
  const open = text[start];
  if (open !== "[" && open !== "(") throw malformed("range", whole, "Missing left parenthesis or bracket.");
  const lower = boundAt(text, start + 1, whole);
  if (text[lower.end] !== ",") throw malformed("range", whole, "Missing comma after lower bound.");
  const upper = boundAt(text, lower.end + 1, whole);
  const close = text[upper.end];
  if (close === ",") throw malformed("range", whole, "Too many commas.");
  const range = {
    lower: lower.value,
    upper: upper.value,
    lowerInclusive: open === "[",
    upperInclusive: close === "]",
  };
  return { range, end: upper.end + 1 };
}

function boundAt(text: string, start: number, whole: string): { value: string | null; end: number } {
  let value = "";
  let isQuoted = false;
  let at = start;
  for (; isQuoted || !/[,)\]]/.test(text[at] ?? ""); at++) {
    const char = text[at];
    if (char === undefined) throw malformed("range", whole, "Unexpected end of input.");
    if (char === "\\") {
      at++;
      if (at === text.length) throw malformed("range", whole, "Unexpected end of input.");
      value += text[at];
    } else if (char !== '"') value += char;
    else if (isQuoted && text[at + 1] === '"') value += text[++at];
    else isQuoted = !isQuoted;
  }
  return { value: at === start ? null : value, end: at };
}

function malformed(type: string, text: string, detail: string): PgError {
  return new PgError(sqlstate.invalidTextRepresentation, `malformed ${type} literal: "${text}"`, { detail });
}
