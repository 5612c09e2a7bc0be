/**
 * Results on the wire: RowDescription, and DataRows streamed from what an upstream gives, in the formats that the
 * client asked for (PostgreSQL documentation, 53.2.2 Simple Query; 53.2.3 Extended Query).
 */
import {
  type BuiltInTypes,
  builtInTypes,
  defaultSettings,
  type TypeSettings,
  typeSize,
} from "../types/mod.ts";
import { PgError } from "../wire/error.ts";
import { type FieldDescription, writeDataRow, writeRowDescription } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { Writer } from "../wire/writer.ts";
import { guard, isPromise, type RunningCall } from "./call.ts";
import type { Output } from "./output.ts";
import type { Cell, Column, Row, RowsResult } from "./upstream.ts";

const textOid = 25;

export function describeColumns(
  writer: Writer,
  columns: readonly Column[],
  formats: readonly number[] = [],
): void {
  writeRowDescription(
    writer,
    columns.map((column, at) => fieldDescription(column, formatOf(formats, at))),
  );
}

function fieldDescription(column: Column, format: number): FieldDescription {
  const typeOid = column.typeOid ?? textOid;
  return {
    name: column.name,
    tableOid: column.tableOid ?? 0,
    columnAttribute: column.attribute ?? 0,
    typeOid,
    typeSize: column.typeSize ?? typeSize(typeOid),
    // -1 and not 0: JDBC tools derive numeric's scale from it and would show 1.0000…
    typeModifier: column.typeModifier ?? -1,
    format,
  };
}

/** The format of one column or parameter: none given means text, one stands for all. */
export function formatOf(formats: readonly number[], at: number): number {
  return formats.length === 1 ? (formats[0] as number) : (formats[at] ?? 0);
}

export function checkFormat(format: number): void {
  if (format === 0 || format === 1) return;
  throw new PgError(sqlstate.invalidParameterValue, `unsupported format code: ${format}`);
}

/** Refuses result formats that do not fit the columns, with PostgreSQL's text. */
export function checkResultFormats(formats: readonly number[], columns: number): void {
  if (formats.length <= 1 || formats.length === columns) return;
  throw new PgError(
    sqlstate.protocolViolation,
    `bind message has ${formats.length} result formats but query has ${columns} columns`,
  );
}

/** How a client's values become binary. */
export interface Conversion {
  readonly types: BuiltInTypes;
  /** Those under which the upstream has written the text. */
  readonly settings: () => TypeSettings;
}

const builtIn: Conversion = { types: builtInTypes, settings: () => defaultSettings };

/** A result's rows, taken some at a time: a portal keeps it between two Executes. */
export class RowCursor {
  readonly #columns: readonly Column[];
  readonly #binary: readonly boolean[] | undefined;
  readonly #conversion: Conversion;
  /** Of the binary columns, made when a value of theirs comes. */
  readonly #encoders: ((text: string) => Uint8Array)[] = [];
  #batch: Iterator<Row> | undefined;
  #batches: AsyncIterator<readonly Row[]> | undefined;
  #done = false;

  constructor(result: RowsResult, formats: readonly number[], conversion: Conversion = builtIn) {
    this.#columns = result.columns;
    this.#conversion = conversion;
    const { types } = conversion;
    // What is text in binary can be sent as it is.
    const binary = result.columns.map(
      ({ typeOid = textOid }, at) => formatOf(formats, at) === 1 && types.find(typeOid)?.isText !== true,
    );
    this.#binary = binary.includes(true) ? binary : undefined;
    if (Symbol.asyncIterator in result.rows) this.#batches = result.rows[Symbol.asyncIterator]();
    else this.#batch = result.rows[Symbol.iterator]();
  }

  /**
   * Sends up to `limit` rows (0: all), and gives their number. The rows leave as they come: the output is flushed past
   * its high-water mark, and before each wait for the upstream.
   */
  send(output: Output, limit: number, call: RunningCall): number | Promise<number> {
    let count = 0;
    // What is there already needs no waiting, as long as the output has room.
    while (this.#batch && !this.#done && !output.full && (limit === 0 || count < limit)) {
      const next = this.#batch.next();
      if (next.done) {
        this.#batch = undefined;
        this.#done = this.#batches === undefined;
      } else {
        this.#write(output.writer, next.value);
        count++;
      }
    }
    return this.#done || (limit > 0 && count >= limit) ? count : this.#sendAsync(output, limit, call, count);
  }

  async #sendAsync(output: Output, limit: number, call: RunningCall, sent: number): Promise<number> {
    let count = sent;
    while (!this.#done && (limit === 0 || count < limit)) {
      if (output.full) {
        const flushed = output.flush();
        if (flushed) await call.race(flushed);
        call.check();
      }
      const next = this.#batch?.next();
      if (!next || next.done) {
        if (!(await this.#nextBatch(output, call))) break;
        continue;
      }
      this.#write(output.writer, next.value);
      count++;
    }
    return count;
  }

  /** Takes up to `limit` rows for another result. */
  async *take(limit: number, call: RunningCall): AsyncGenerator<Row[]> {
    let left = limit;
    while (left > 0 && !this.#done) {
      const rows: Row[] = [];
      for (; this.#batch && rows.length < left; ) {
        const next = this.#batch.next();
        if (next.done) this.#batch = undefined;
        else rows.push(next.value);
      }
      left -= rows.length;
      if (rows.length > 0) yield rows;
      else if (left > 0) await this.#another(call);
    }
  }

  /** Sends all rows; where that fails, the upstream is told that no more are wanted. */
  sendAll(output: Output, call: RunningCall): number | Promise<number> {
    return guard(
      () => this.send(output, 0, call),
      (error) => {
        this.close();
        throw error;
      },
    );
  }

  /** Lets the upstream know that no more rows are wanted. */
  close(): void {
    this.#done = true;
    this.#batch?.return?.();
    // The upstream may be in the middle of a batch; its own failure to stop is nobody's answer any more.
    this.#batches?.return?.().catch(() => {});
  }

  async #nextBatch(output: Output, call: RunningCall): Promise<boolean> {
    // A full transport holds the upstream back: what was sent goes before what is asked for.
    const full = this.#batches && output.flush();
    if (full) await call.race(full);
    return this.#another(call);
  }

  async #another(call: RunningCall): Promise<boolean> {
    if (!this.#batches) {
      this.#done = true;
      return false;
    }
    const batch = await call.race(this.#batches.next());
    this.#done = batch.done === true;
    this.#batch = batch.done ? undefined : batch.value[Symbol.iterator]();
    return !this.#done;
  }

  #write(writer: Writer, row: Row): void {
    if (row.length !== this.#columns.length) {
      throw new PgError(
        sqlstate.internalError,
        `the upstream gave a row of ${row.length} cells for ${this.#columns.length} columns`,
      );
    }
    writeDataRow(writer, this.#binary ? this.#toBinary(row, this.#binary) : row);
  }

  #toBinary(row: Row, binary: readonly boolean[]): Cell[] {
    return row.map((cell, at) => (binary[at] && typeof cell === "string" ? this.#encoder(at)(cell) : cell));
  }

  #encoder(at: number): (text: string) => Uint8Array {
    let encoder = this.#encoders[at];
    if (!encoder) {
      const { types, settings } = this.#conversion;
      encoder = types.encoder(this.#columns[at]?.typeOid ?? textOid, settings());
      this.#encoders[at] = encoder;
    }
    return encoder;
  }
}

/** Awaits an upstream's answer only if it is a promise, and not longer than the call lives. */
export function settle<Value>(value: Value | PromiseLike<Value>, call: RunningCall): Value | Promise<Value> {
  return isPromise(value) ? call.race(value) : value;
}
