/**
 * One statement through the tunnel, in the extended protocol: the rows are handed on as they come, in the format that
 * the client asked for, and the server is kept waiting while nobody takes them.
 */
import type { ClientRequest } from "../../client/mod.ts";
import type { Column, Row } from "../../session/upstream.ts";
import { type PgError, protocolError } from "../../wire/error.ts";
import type { BackendMessage, FieldDescription } from "../../wire/mod.ts";

/** Bytes of rows before the first ones are handed on: until then a short result may be complete. */
const firstRows = 8 * 1024;

/** Bytes of rows that may wait for the client. */
const highWater = 256 * 1024;

export class RowsRequest implements ClientRequest {
  readonly #begun: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  #columns: readonly Column[] | undefined;
  #rows: Row[] = [];
  #waiting = 0;
  #size = 0;
  #count = 0;
  #error: PgError | undefined;
  #ended = false;
  #abandoned = false;
  #unbounded = false;
  #wake: (() => void) | undefined;
  #taken: (() => void) | undefined;
  /** Of the command tag; "" for a portal that is not at its end. */
  tag = "";
  /** There may be more rows in the portal. */
  suspended = false;

  constructor(columns?: readonly Column[]) {
    this.#columns = columns;
    this.#begun.promise.catch(() => {});
  }

  /** Settles when the first rows are there, or all of it is. @throws PgError an error that came before the description */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** Settles when the server is through with it, well or not. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get error(): PgError | undefined {
    return this.#error;
  }

  /** All rows are there, and there will be no others. */
  get complete(): boolean {
    return this.#ended && !this.suspended && this.#error === undefined;
  }

  /** Undefined where it returns no rows. */
  get columns(): readonly Column[] | undefined {
    return this.#columns;
  }

  /** Bytes of a row on average, so far. */
  get rowSize(): number {
    return this.#count === 0 ? 0 : this.#size / this.#count;
  }

  /** The rows that are there, all at once: only of a request that has ended. */
  all(): Row[] {
    return this.#take();
  }

  /** The next rows; undefined at the end. @throws PgError */
  async next(): Promise<Row[] | undefined> {
    while (this.#rows.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#rows.length > 0) return this.#take();
    if (this.#error) throw this.#error;
    return undefined;
  }

  /** No more rows are wanted; what still comes is dropped. */
  abandon(): void {
    this.#abandoned = true;
    this.#take();
  }

  /** Another statement waits behind this one: what is left of it is taken at once. */
  unbind(): void {
    this.#unbounded = true;
    this.#taken?.();
  }

  message(message: BackendMessage): void | Promise<void> {
    switch (message.type) {
      case "DataRow":
        return this.#add(message.values);
      case "RowDescription":
        this.#columns = message.fields.map(columnOf);
        return;
      case "CommandComplete":
        this.tag = message.tag;
        return;
      case "PortalSuspended":
        this.suspended = true;
        return;
      case "CopyOutResponse":
        this.#error ??= protocolError("the server began a COPY that was not asked for");
        return;
    }
  }

  failed(error: PgError): void {
    this.#error ??= error;
  }

  finished(): void {
    this.#end();
  }

  lost(error: PgError): void {
    this.#error ??= error;
    this.#end();
  }

  #add(values: readonly (Uint8Array | null)[]): void | Promise<void> {
    const columns = this.#columns;
    if (columns?.length !== values.length) throw protocolError('unexpected field count in "D" message');
    if (this.#abandoned || this.#error) return;
    const { row, size } = copied(values);
    this.#rows.push(row);
    this.#count++;
    this.#size += size;
    this.#waiting += size;
    this.#wake?.();
    if (this.#size >= firstRows) this.#begun.resolve();
    if (this.#waiting < highWater || this.#unbounded) return;
    return new Promise((resolve) => {
      this.#taken = resolve;
    });
  }

  #take(): Row[] {
    const rows = this.#rows;
    this.#rows = [];
    this.#waiting = 0;
    this.#taken?.();
    return rows;
  }

  #end(): void {
    this.#ended = true;
    // An error behind the description comes behind the rows, if there are any: a client gets both.
    if (this.#error && !this.#columns) this.#begun.reject(this.#error);
    else this.#begun.resolve();
    this.#wake?.();
    this.#over.resolve();
  }
}

/** The row in memory of its own, so that it does not keep the whole chunk that it came in. */
function copied(values: readonly (Uint8Array | null)[]): { row: Row; size: number } {
  let size = 0;
  for (const value of values) size += value?.length ?? 0;
  const bytes = new Uint8Array(size);
  let at = 0;
  const row = values.map((value) => {
    if (value === null) return null;
    bytes.set(value, at);
    at += value.length;
    return bytes.subarray(at - value.length, at);
  });
  // What a row of nothing takes.
  return { row, size: size + 16 };
}

export function columnOf(field: FieldDescription): Column {
  return {
    name: field.name,
    typeOid: field.typeOid,
    typeSize: field.typeSize,
    typeModifier: field.typeModifier,
    tableOid: field.tableOid,
    attribute: field.columnAttribute,
  };
}
