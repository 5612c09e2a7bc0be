/**
 * One exchange with the server: messages sent, and what takes their answers up to ReadyForQuery. Requests are sent one
 * behind the other without waiting (pipelining) unless one needs the connection for itself.
 */
import type { BackendMessage } from "../wire/mod.ts";
import { PgError } from "../wire/error.ts";
import { decodeText } from "../wire/utf8.ts";
import type { QueryResult, Value } from "./results.ts";
import type { FieldDescription } from "../wire/mod.ts";

export interface Request {
  /** Takes an answer; ErrorResponse and ReadyForQuery come by `failed` and `finished`. A promise is back-pressure. */
  message(message: BackendMessage): void | Promise<void>;
  failed(error: PgError): void;
  /** ReadyForQuery came: the request is over. */
  finished(): void;
  /** The connection was lost. */
  lost(error: PgError): void;
}

/** Gathers the results of one or more statements; the first error is the outcome, after ReadyForQuery. */
export class ResultRequest implements Request {
  readonly results: QueryResult[] = [];
  readonly #done: PromiseWithResolvers<QueryResult[]> = Promise.withResolvers();
  #fields: FieldDescription[] = [];
  #rows: Value[][] = [];
  #error: PgError | undefined;

  /** `fields`: what is known of the columns from an earlier Describe. */
  constructor(fields: readonly FieldDescription[] = []) {
    this.#fields = [...fields];
  }

  get done(): Promise<QueryResult[]> {
    return this.#done.promise;
  }

  message(message: BackendMessage): void {
    switch (message.type) {
      case "RowDescription":
        this.#fields = message.fields;
        return;
      case "DataRow":
        this.#rows.push(decodeRow(this.#fields, message.values));
        return;
      case "CommandComplete":
        return this.#end(message.tag, false);
      case "EmptyQueryResponse":
        return this.#end("", false);
      case "PortalSuspended":
        return this.#end("", true);
    }
  }

  failed(error: PgError): void {
    this.#error ??= error;
  }

  finished(): void {
    if (this.#error) this.#done.reject(this.#error);
    else this.#done.resolve(this.results);
  }

  lost(error: PgError): void {
    this.#done.reject(this.#error ?? error);
  }

  #end(tag: string, suspended: boolean): void {
    this.results.push({ fields: tag === "" && !suspended ? [] : this.#fields, rows: this.#rows, tag, suspended });
    this.#fields = [];
    this.#rows = [];
  }
}

/** A row in the formats of its fields. */
export function decodeRow(
  fields: readonly FieldDescription[],
  values: readonly (Uint8Array | null)[],
): Value[] {
  return values.map((value, at) => {
    if (value === null) return null;
    // A copy, so that a small cell does not keep the chunk that it came in.
    return fields[at]?.format === 1 ? value.slice() : decodeText(value);
  });
}
