// Errors and notices as psql shows them (libpq's PQerrorMessage at default verbosity): the line of the query with a caret
// under the place, DETAIL, HINT, and CONTEXT for errors.
import type { ErrorFields } from "../../src/wire/mod.ts";
import { characterWidth, displayWidth } from "./display-width.ts";

export function printError(fields: ErrorFields, sql: string): string {
  const lines = [`${severity(fields)}:  ${fields.message}`];
  if (fields.position !== undefined) lines.push(...position(sql, fields.position));
  else if (fields.internalPosition !== undefined && fields.internalQuery !== undefined) {
    lines.push(...position(fields.internalQuery, fields.internalPosition));
  }
  lines.push(...additions(fields));
  if (fields.internalQuery !== undefined) lines.push(`QUERY:  ${fields.internalQuery}`);
  if (fields.where !== undefined) lines.push(`CONTEXT:  ${fields.where}`);
  return lines.join("\n");
}

export function printNotice(fields: ErrorFields): string {
  return [`${severity(fields)}:  ${fields.message}`, ...additions(fields)].join("\n");
}

function severity(fields: ErrorFields): string {
  return fields.localizedSeverity ?? fields.severity;
}

function additions({ detail, hint }: ErrorFields): string[] {
  const lines: string[] = [];
  if (detail !== undefined) lines.push(`DETAIL:  ${detail}`);
  if (hint !== undefined) lines.push(`HINT:  ${hint}`);
  return lines;
}

/** Columns of the query's line that are shown, and how many of them behind the place at least. */
const shownColumns = 60;
const behindPlace = 10;

/** The line of the query, cut where it is long, and the caret. `place` counts characters from 1. */
function position(sql: string, place: number): string[] {
  const characters = [...sql];
  const at = place - 1;
  if (at < 0 || at > characters.length) return [];
  let number = 1;
  let begin = 0;
  for (let i = 0; i < at; i++) {
    if (characters[i] === "\n" || (characters[i] === "\r" && characters[i + 1] !== "\n")) {
      number++;
      begin = i + 1;
    }
  }
  let end = begin;
  while (end < characters.length && characters[end] !== "\n" && characters[end] !== "\r") end++;
  const columns = (from: number, to: number): number => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += characterWidth(characters[i] ?? " ");
    return sum;
  };
  let cutBefore = "";
  let cutBehind = "";
  if (columns(begin, end) > shownColumns) {
    const full = end;
    if (columns(begin, at) + behindPlace <= shownColumns) {
      while (columns(begin, end) > shownColumns) end--;
    } else {
      while (columns(at, end) > behindPlace) end--;
      const from = begin;
      while (columns(begin, end) > shownColumns) begin++;
      if (begin > from) cutBefore = "...";
    }
    if (end < full) cutBehind = "...";
  }
  const prefix = `LINE ${number}: ${cutBefore}`;
  const shown = characters.slice(begin, end).join("").replaceAll("\t", " ");
  return [`${prefix}${shown}${cutBehind}`, `${" ".repeat(displayWidth(prefix) + columns(begin, at))}^`];
}
