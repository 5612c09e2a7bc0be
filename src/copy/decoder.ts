/**
 * The data of COPY FROM as rows: bytes in, cut anywhere, rows out, as they are complete. Nothing is held but the line or
 * the row that is still open, whose size is limited.
 */
import type { PgError } from "../wire/error.ts";
import { binaryRows } from "./binary.ts";
import { inContext, lineContext } from "./context.ts";
import { type Field, splitCsv, splitText } from "./fields.ts";
import { bad, type Line, Lines } from "./lines.ts";
import type { CopyOptions } from "./options.ts";

export interface CopyColumn {
  readonly name: string;
  /** Something stands there where the data has the marker of the default. */
  readonly hasDefault?: boolean | undefined;
  /** The text of a value in binary form. Without it the bytes are text, as those of text types are. */
  readonly fromBinary?: ((bytes: Uint8Array) => string) | undefined;
}

export interface CopyTarget {
  /** As errors name it, without a schema. */
  readonly relation: string;
  readonly columns: readonly CopyColumn[];
  /** Bytes of a line, or of a row in binary; 16 MiB if not given. */
  readonly maxLine?: number | undefined;
  /** `\.` ends CSV data, as it did before PostgreSQL 18. */
  readonly csvMarker?: boolean | undefined;
}

export interface CopyRow {
  /** The number of its line, from 1; of its row in binary. */
  readonly line: number;
  /** The line itself; undefined in binary. */
  readonly text: string | undefined;
  /** For each column; undefined is the column's default. */
  readonly values: readonly Field[];
  /** The line ends before all columns have a value: what is wrong with the values that it has comes first. */
  readonly missing?: PgError | undefined;
}

export interface CopyDecoder {
  /** The line, or row, that is read now: for the context of errors from elsewhere. */
  readonly line: number;
  /**
   * The rows that end in these bytes, which have to stay as they are until all were taken.
   * @throws PgError with its context, behind the rows that come before it
   */
  push(chunk: Uint8Array): Iterable<CopyRow>;
  /** The last row, where it has no line end. @throws PgError as `push` */
  end(): Iterable<CopyRow>;
}

const defaultMaxLine = 16 * 1024 * 1024;

export function createDecoder(options: CopyOptions, target: CopyTarget): CopyDecoder {
  const maxLine = target.maxLine ?? defaultMaxLine;
  if (options.format === "binary") return binaryRows({ ...target, maxLine });
  const csv = options.format === "csv";
  const { relation } = target;
  const lines = new Lines({
    relation,
    maxLine,
    csv: csv ? options : undefined,
    csvMarker: csv && target.csvMarker === true,
  });
  const rowOf = rowReader(options, target);
  let header = options.header;
  function* rows(complete: boolean): Generator<CopyRow> {
    for (let line = lines.next(complete); line; line = lines.next(complete)) {
      if (header !== false) {
        if (header === "match") checkHeader(line, options, target);
        header = false;
        continue;
      }
      yield rowOf(line);
    }
  }
  return {
    get line() {
      return lines.number;
    },
    push(chunk) {
      lines.push(chunk);
      return rows(false);
    },
    end: () => rows(true),
  };
}

function rowReader(options: CopyOptions, { relation, columns }: CopyTarget): (line: Line) => CopyRow {
  const split = options.format === "csv" ? splitCsv : splitText;
  const forced = forcedNulls(options, columns);
  const count = columns.length;
  return ({ text, number }) => {
    try {
      if (count === 0) {
        if (text !== "") throw bad("extra data after last expected column");
        return { line: number, text, values: [] };
      }
      const values = split(text, options, count);
      if (options.default !== undefined) refuseDefaults(values, columns);
      if (values.length > count) throw bad("extra data after last expected column");
      forced?.(values);
      if (values.length === count) return { line: number, text, values };
      const missing = bad(`missing data for column "${columns[values.length]?.name}"`);
      const context = lineContext(relation, number, text);
      return { line: number, text, values, missing: inContext(missing, context) };
    } catch (error) {
      throw inContext(error, lineContext(relation, number, text));
    }
  };
}

function refuseDefaults(values: readonly Field[], columns: readonly CopyColumn[]): void {
  for (const [at, value] of values.entries()) {
    const column = columns[at];
    if (value !== undefined || !column || column.hasDefault === true) continue;
    throw bad("unexpected default marker in COPY data", {
      detail: `Column "${column.name}" has no default value.`,
    });
  }
}

/** FORCE_NOT_NULL and FORCE_NULL. */
function forcedNulls(
  { forceNotNull, forceNull, null: marker }: CopyOptions,
  columns: readonly CopyColumn[],
): ((values: Field[]) => void) | undefined {
  if (forceNotNull.length === 0 && forceNull.length === 0) return undefined;
  const flags = (names: readonly string[] | "*"): boolean[] =>
    columns.map(({ name }) => names === "*" || names.includes(name));
  const notNull = flags(forceNotNull);
  const isNull = flags(forceNull);
  return (values) => {
    for (const [at, value] of values.entries()) {
      if (value === null && notNull[at]) values[at] = marker;
      else if (value === marker && isNull[at]) values[at] = null;
    }
  };
}

/** HEADER MATCH. */
function checkHeader({ text, number }: Line, options: CopyOptions, { relation, columns }: CopyTarget): void {
  try {
    const split = options.format === "csv" ? splitCsv : splitText;
    const names = split(text, { ...options, default: undefined }, columns.length);
    if (names.length !== columns.length) {
      throw bad(`wrong number of fields in header line: got ${names.length}, expected ${columns.length}`);
    }
    for (const [at, column] of columns.entries()) {
      const name = names[at];
      if (name === column.name) continue;
      const got = name === null ? `null value ("${options.null}")` : `"${name}"`;
      throw bad(`column name mismatch in header line field ${at + 1}: got ${got}, expected "${column.name}"`);
    }
  } catch (error) {
    throw inContext(error, lineContext(relation, number, text));
  }
}
