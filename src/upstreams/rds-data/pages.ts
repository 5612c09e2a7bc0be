/**
 * A result that is larger than the API gives at once (1 MiB): read by a cursor, some rows at a time. How many depends on
 * the largest row so far; where that was too many after all, the cursor goes back and takes fewer.
 */
import type { Row } from "../../session/mod.ts";
import type { ExecuteResponse, Field, SqlParameter } from "./api.ts";
import { resultOf } from "./description.ts";
import type { BoundText } from "./placeholders.ts";
import type { DataTransaction } from "./transaction.ts";

/** Rows that fit whatever they are: the API gives rows of up to 64 KB. */
const safeRows = 15;
const maxRows = 5_000;
/** Bytes of values to ask for: JSON's marks, and rows that are larger than those before, need the rest. */
const targetBytes = 256 * 1024;

let cursors = 0;

export class Pages {
  readonly #transaction: DataTransaction;
  readonly #name: string = `edgewire_${(cursors++).toString(36)}`;
  /** Bytes of the largest row so far. */
  #largest = 0;
  /** Rows so far. */
  #read = 0;
  #most: number = maxRows;

  constructor(transaction: DataTransaction) {
    this.#transaction = transaction;
  }

  /** Opens the cursor, and gives the first rows with their columns. */
  async open(
    text: BoundText,
    parameters: readonly SqlParameter[],
    signal: AbortSignal,
  ): Promise<ExecuteResponse> {
    const declare = `DECLARE ${this.#name} SCROLL CURSOR FOR `;
    resultOf(await this.#transaction.execute(declare + text.sql, parameters, signal), {
      sql: text.sql,
      position: (position) => text.position(position - declare.length),
    });
    return this.#fetch(signal);
  }

  /**
   * The rows, beginning with those of `open`. `ended` is called once: all were read, or no more are wanted, also of those
   * that nobody began to read (of which a generator would not be told).
   */
  rows(
    first: ExecuteResponse,
    read: (record: readonly Field[]) => Row,
    signal: AbortSignal,
    ended: (complete: boolean) => Promise<void>,
  ): AsyncIterableIterator<readonly Row[]> {
    let page: ExecuteResponse | undefined = first;
    let over = false;
    const end = async (complete: boolean): Promise<{ done: true; value: undefined }> => {
      if (!over) {
        over = true;
        await ended(complete);
      }
      return { done: true, value: undefined };
    };
    const next = async (): Promise<IteratorResult<readonly Row[]>> => {
      if (over) return { done: true, value: undefined };
      try {
        const { records = [] }: ExecuteResponse = page ?? (await this.#fetch(signal));
        page = undefined;
        return records.length === 0 ? await end(true) : { done: false, value: records.map(read) };
      } catch (error) {
        await end(false);
        throw error;
      }
    };
    const rows: AsyncIterableIterator<readonly Row[]> = {
      next,
      return: () => end(false),
      [Symbol.asyncIterator]: () => rows,
    };
    return rows;
  }

  /** Closes the cursor in a transaction that goes on. One that has failed, or is over, has closed it. */
  async close(): Promise<void> {
    await this.#transaction.run(`CLOSE ${this.#name}`, new AbortController().signal).catch(() => {});
  }

  async #fetch(signal: AbortSignal): Promise<ExecuteResponse> {
    for (;;) {
      const wanted = this.#largest === 0 ? safeRows : Math.floor(targetBytes / this.#largest);
      const count = Math.max(safeRows, Math.min(this.#most, wanted));
      const answer = await this.#transaction.execute(`FETCH ${count} FROM ${this.#name}`, [], signal);
      if (answer.type === "refused" && answer.refusal === "size" && count > safeRows) {
        this.#most = Math.floor(count / 4);
        // It may stand behind the last row.
        await this.#transaction.run(`MOVE ABSOLUTE ${this.#read} IN ${this.#name}`, signal);
        continue;
      }
      const result = resultOf(answer);
      const records = result.records ?? [];
      this.#read += records.length;
      for (const record of records) this.#largest = Math.max(this.#largest, sizeOf(record));
      return result;
    }
  }
}

function sizeOf(record: readonly Field[]): number {
  let size = 0;
  for (const field of record) {
    // The name of the member, and its marks.
    size += 24 + (field.stringValue?.length ?? field.blobValue?.length ?? 16);
    if (field.arrayValue) size += JSON.stringify(field.arrayValue).length;
  }
  return size;
}
