/** The same as the oracle, by src/copy. */
import { loadParser } from "../../adapters/node/parser.ts";
import {
  type CopyColumn,
  type CopyDecoder,
  type CopyOptions,
  type CopyTarget,
  createDecoder,
  createEncoder,
  readCopyStatement,
  readOptions,
} from "../../src/copy/mod.ts";
import type { Parser } from "../../src/sql/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { type Told, told } from "./oracle.ts";

const parser: Parser = await loadParser();

export function optionsOf(copy: string): CopyOptions {
  const [parsed] = parser.parse(copy);
  if (!parsed) throw new Error(copy);
  const { options, direction } = readCopyStatement(parsed);
  return readOptions(options, direction);
}

export function decoderOf(copy: string, target: CopyTarget): CopyDecoder {
  return createDecoder(optionsOf(copy), target);
}

/** The error of a statement's options. */
export function refusal(copy: string): Told | undefined {
  return errorOf(() => void optionsOf(copy));
}

export function errorOf<Value>(work: () => Value): Value | Told {
  try {
    return work();
  } catch (error) {
    if (error instanceof PgError) return told(error.fields);
    throw error;
  }
}

export interface Table {
  readonly name: string;
  readonly columns: readonly CopyColumn[];
  /** For each column, what stands for its default. */
  readonly defaults: readonly string[];
}

/** The rows of data that is cut into parts of so many bytes. */
export function read(
  copy: string,
  data: Uint8Array,
  { name, columns, defaults }: Table,
  part: number = data.length,
  csvMarker = false,
): (string | null)[][] | Told {
  return errorOf(() => {
    const decoder = decoderOf(copy, { relation: name, columns, csvMarker });
    const rows: (string | null)[][] = [];
    const take = (found: ReturnType<typeof decoder.end>): void => {
      for (const { values, missing } of found) {
        if (missing) throw missing;
        rows.push(values.map((value, at) => (value === undefined ? (defaults[at] as string) : value)));
      }
    };
    for (let at = 0; at < data.length; at += Math.max(part, 1)) {
      take(decoder.push(data.slice(at, at + part)));
    }
    take(decoder.end());
    return rows;
  });
}

/** The chunks that rows are written as. */
export function write(
  copy: string,
  rows: readonly (readonly (string | null)[])[],
  columns: readonly string[],
): string[] {
  const encoder = createEncoder(optionsOf(copy), columns);
  const header = encoder.header === undefined ? [] : [encoder.header as string];
  return [...header, ...rows.map((row) => encoder.row(row) as string)];
}
