// The CONTEXT of errors in COPY: the line, and what is in it, cut short as PostgreSQL does.

import { PgError } from "../wire/error.ts";

/** Bytes of a line or a value that are shown (PostgreSQL's MAX_COPY_DATA_DISPLAY). */
const shown = 100;

const encoder = new TextEncoder();

/** `COPY t, line 3: "1 2"`; without the text where that is not known (undefined). */
export function lineContext(relation: string, line: number, text?: string): string {
  return `COPY ${relation}, line ${line}${text === undefined ? "" : `: "${clip(text)}"`}`;
}

/** `COPY t, line 3, column b: "x"`; undefined: the value is not one to be shown. */
export function columnContext(
  relation: string,
  line: number,
  column: string,
  value: string | null | undefined,
): string {
  const what = value === undefined ? "" : value === null ? ": null input" : `: "${clip(value)}"`;
  return `COPY ${relation}, line ${line}, column ${column}${what}`;
}

/** The same error, which came about there. What it says about itself is further in; a position would be in other SQL. */
export function inContext(cause: unknown, context: string): PgError {
  const { code, message, position: _, ...fields } = PgError.from(cause).fields;
  const where = fields.where ? `${fields.where}\n${context}` : context;
  return new PgError(code, message, { ...fields, where }, { cause });
}

function clip(text: string): string {
  // No character has more than three bytes for each of its UTF-16 units.
  if (text.length * 3 <= shown) return text;
  // Whole characters only.
  const { read } = encoder.encodeInto(text, new Uint8Array(shown));
  return read === text.length ? text : `${text.slice(0, read)}...`;
}
