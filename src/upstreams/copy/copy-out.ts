/** COPY TO STDOUT: the rows of a SELECT, as they come. */
import {
  type CopyCell,
  type CopyOptions,
  type CopyQuery,
  type CopyRelation,
  type CopyStatement,
  createEncoder,
  readOptions,
} from "../../copy/mod.ts";
import type { Call, Cell, Column, CopyOutResult, RowsResult } from "../../session/mod.ts";
import { oid, readTypeSettings } from "../../types/mod.ts";
import { PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import {
  checkForced,
  checkForcedOfQuery,
  chooseColumns,
  findRelation,
  quoted,
  refuseAsSource,
} from "./relation.ts";
import { batches, type CopySession, run, textOf } from "./session.ts";
import { learnTypes } from "./types.ts";

/** What is sent: the rows, their columns, and how a row's cells are those of the columns. */
interface Source {
  readonly rows: RowsResult["rows"];
  readonly columns: readonly Column[];
  readonly options: CopyOptions;
}

export async function copyOut(
  session: CopySession,
  { source, options }: CopyStatement,
  call: Call,
): Promise<CopyOutResult> {
  const read = (): CopyOptions => readOptions(options, "to");
  const found =
    source.type === "relation"
      ? await ofRelation(session, source, read, call)
      : await ofQuery(session, source, read(), call);
  return encoded(session, found, call);
}

async function ofRelation(
  session: CopySession,
  source: CopyRelation,
  read: () => CopyOptions,
  call: Call,
): Promise<Source> {
  const relation = await findRelation(session, call, source);
  refuseAsSource(relation);
  const options = read();
  const columns = chooseColumns(relation, source.columns);
  checkForced("FORCE_QUOTE", options.forceQuote, relation, columns);
  // Some APIs have no rows without columns.
  const list = columns.length === 0 ? "null" : columns.map(({ name }) => quoted(name)).join(", ");
  const result = await run(session, call, `SELECT ${list} FROM ONLY ${relation.sql}`);
  if (result.type !== "rows") throw noRows();
  return {
    rows: result.rows,
    columns: columns.map(({ name, typeOid }) => ({ name, typeOid })),
    options,
  };
}

async function ofQuery(
  session: CopySession,
  { text, position: begin }: CopyQuery,
  options: CopyOptions,
  call: Call,
): Promise<Source> {
  try {
    // What an API says of its columns' types is enough for text only.
    const described =
      options.format === "binary"
        ? await session.describe?.({ sql: text, parameterTypes: [] }, call)
        : undefined;
    const result = await run(session, call, text);
    if (result.type !== "rows") throw noRows();
    const columns = described?.columns ?? result.columns;
    checkForcedOfQuery(
      options.forceQuote,
      columns.map(({ name }) => name),
    );
    return { rows: result.rows, columns, options };
  } catch (cause) {
    if (!(cause instanceof PgError) || cause.fields.position === undefined) throw cause;
    const { code, message, ...fields } = cause.fields;
    const position = cause.fields.position + begin - 1;
    throw new PgError(code, message, { ...fields, position });
  }
}

function noRows(): PgError {
  return new PgError(sqlstate.featureNotSupported, "COPY of a query without columns cannot be had here");
}

async function encoded(
  session: CopySession,
  { rows, columns, options }: Source,
  call: Call,
): Promise<CopyOutResult> {
  const binary = options.format === "binary";
  const encode = binary ? await binaryCells(session, columns, call) : undefined;
  const encoder = createEncoder(
    options,
    columns.map(({ name }) => name),
  );
  const width = columns.length;
  let count = 0;
  async function* data(): AsyncGenerator<string | Uint8Array> {
    // PostgreSQL sends the header of the binary format together with what comes next.
    let header = encoder.header;
    if (typeof header === "string") yield header;
    for await (const batch of batches(rows)) {
      for (const row of batch) {
        const cells = row.length === width ? row : row.slice(0, width);
        const chunk = encoder.row(encode ? encode(cells) : cells.map(textOf));
        count++;
        yield header instanceof Uint8Array ? joined(header, chunk) : chunk;
        header = undefined;
      }
    }
    const { trailer } = encoder;
    if (trailer) yield header instanceof Uint8Array ? joined(header, trailer) : trailer;
  }
  return {
    type: "copyOut",
    format: binary ? 1 : 0,
    columnFormats: columns.map(() => (binary ? 1 : 0)),
    data: data(),
    get tag() {
      return `COPY ${count}`;
    },
  };
}

async function binaryCells(
  session: CopySession,
  columns: readonly Column[],
  call: Call,
): Promise<(cells: readonly Cell[]) => CopyCell[]> {
  const typeOids = columns.map(({ typeOid = oid.text }) => typeOid);
  const types = await learnTypes(session, call, typeOids);
  const settings = readTypeSettings(call.client.parameters);
  const encoders = typeOids.map((typeOid) => types.encoder(typeOid, settings));
  return (cells) =>
    encoders.map((encode, at) => {
      const text = textOf(cells[at] ?? null);
      return text === null ? null : encode(text);
    });
}

function joined(first: Uint8Array, second: string | Uint8Array): Uint8Array {
  const bytes = second as Uint8Array;
  const all = new Uint8Array(first.length + bytes.length);
  all.set(first);
  all.set(bytes, first.length);
  return all;
}
