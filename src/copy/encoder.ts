/** Rows as the data of COPY TO, one chunk for each, as PostgreSQL sends them. */
import { binaryHeader, binaryRow, binaryTrailer } from "./binary.ts";
import type { CopyOptions } from "./options.ts";

/** A value's text, bytes in its binary form, or null. */
export type CopyCell = string | Uint8Array | null;

export interface CopyEncoder {
  /** What comes before the first row: the names of the columns, or of the binary format its header. */
  readonly header: string | Uint8Array | undefined;
  row(cells: readonly CopyCell[]): string | Uint8Array;
  /** What comes behind the last row. */
  readonly trailer: Uint8Array | undefined;
}

/** @param columns their names; cells are bytes for the format `binary`, else text */
export function createEncoder(options: CopyOptions, columns: readonly string[]): CopyEncoder {
  if (options.format === "binary") {
    return {
      header: binaryHeader,
      row: (cells) => binaryRow(cells as (Uint8Array | null)[]),
      trailer: binaryTrailer,
    };
  }
  const row = options.format === "csv" ? csvRow(options, columns) : textRow(options);
  const names = options.format === "csv" ? csvRow({ ...options, forceQuote: [] }, columns) : row;
  return { header: options.header === false ? undefined : names(columns), row, trailer: undefined };
}

type RowWriter = (cells: readonly CopyCell[]) => string;

const letters: Readonly<Record<string, string>> = {
  "\b": "b",
  "\f": "f",
  "\n": "n",
  "\r": "r",
  "\t": "t",
  "\v": "v",
};

function textRow({ delimiter, null: marker }: CopyOptions): RowWriter {
  const special = new RegExp(`[\\b\\f\\n\\r\\t\\v${classMember("\\")}${classMember(delimiter)}]`);
  const all = new RegExp(special, "g");
  const written = (character: string): string => `\\${letters[character] ?? character}`;
  return (cells) => {
    let row = "";
    for (let at = 0; at < cells.length; at++) {
      if (at > 0) row += delimiter;
      const cell = cells[at] as string | null;
      if (cell === null) row += marker;
      else row += special.test(cell) ? cell.replace(all, written) : cell;
    }
    return `${row}\n`;
  };
}

function csvRow(options: CopyOptions, columns: readonly string[]): RowWriter {
  const { delimiter, null: marker, quote, forceQuote } = options;
  const quoted = new RegExp(`[\\r\\n${classMember(delimiter)}${classMember(quote)}]`);
  const escaped = new RegExp(`[${classMember(quote)}${classMember(options.escape)}]`, "g");
  const forced = columns.map((name) => forceQuote === "*" || forceQuote.includes(name));
  // Alone on its line it would end the data for a reader that is older than PostgreSQL 18.
  const endMark = columns.length === 1 ? "\\." : undefined;
  return (cells) => {
    let row = "";
    for (let at = 0; at < cells.length; at++) {
      if (at > 0) row += delimiter;
      const cell = cells[at] as string | null;
      if (cell === null) row += marker;
      else if (forced[at] || cell === marker || cell === endMark || quoted.test(cell)) {
        row += quote + cell.replace(escaped, (character) => options.escape + character) + quote;
      } else row += cell;
    }
    return `${row}\n`;
  };
}

/** A character as a member of a class in a regular expression. */
function classMember(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
