/** Rows as a request gathers them, held to their description. */
import { PgError, protocolError } from "../wire/error.ts";
import { decodeText, type FieldDescription } from "../wire/mod.ts";
import type { Row } from "./results.ts";

type Cells = readonly (Uint8Array | null)[];

export class Rows {
  #fields: readonly FieldDescription[] | undefined;
  #rows: Row[] = [];

  /** `fields`: what an earlier Describe told, for an Execute without one. */
  constructor(fields?: readonly FieldDescription[]) {
    this.#fields = fields;
  }

  /** Empty where no row can come. */
  get fields(): readonly FieldDescription[] {
    return this.#fields ?? [];
  }

  /** A RowDescription. */
  describe(fields: readonly FieldDescription[]): void {
    this.#fields = fields;
  }

  /**
   * A DataRow. Gives the error of a cell that is no text: the rows of this statement cannot be had, while the protocol
   * is intact. @throws PgError 08P01 for a row that is not as described
   */
  add(values: Cells): PgError | undefined {
    const fields = this.#fields;
    if (!fields)
      throw protocolError('server sent data ("D" message) without prior row description ("T" message)');
    if (values.length !== fields.length) throw protocolError('unexpected field count in "D" message');
    try {
      this.#rows.push(decodeRow(fields, values));
    } catch (error) {
      return PgError.from(error);
    }
  }

  /** The rows so far; the next ones begin anew. */
  take(): Row[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  /** The next statement's rows need a description of their own. */
  end(): void {
    this.#fields = undefined;
    this.#rows = [];
  }
}

function decodeRow(fields: readonly FieldDescription[], values: Cells): Row {
  return values.map((value, at) => {
    if (value === null) return null;
    // A copy, so that a small cell does not keep the whole chunk that it came in.
    return fields[at]?.format === 1 ? value.slice() : decodeText(value);
  });
}
