/** The request behind queries: gathers the results of its statements. */
import { fatal, PgError } from "../wire/error.ts";
import type { BackendMessage, FieldDescription } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { Request } from "./request.ts";
import type { QueryResult } from "./results.ts";
import { Rows } from "./rows.ts";

export interface ResultOptions {
  /** How many statements there are to answer, where that is known. */
  readonly count?: number | undefined;
  /** What is known of the columns from an earlier Describe. */
  readonly fields?: readonly FieldDescription[] | undefined;
  /** Gets each result as it is complete, in the place of the promise: also those before an error. */
  readonly onResult?: ((result: QueryResult) => void) | undefined;
}

export class ResultRequest implements Request {
  readonly #done: PromiseWithResolvers<QueryResult[]> = Promise.withResolvers();
  readonly #options: ResultOptions;
  readonly #rows: Rows;
  readonly #results: QueryResult[] = [];
  #ended = 0;
  #error: PgError | undefined;

  constructor(options: ResultOptions = {}) {
    this.#options = options;
    this.#rows = new Rows(options.fields);
  }

  /** The results; the first error, after ReadyForQuery. */
  get done(): Promise<QueryResult[]> {
    return this.#done.promise;
  }

  message(message: BackendMessage): void {
    switch (message.type) {
      case "DataRow":
        this.#error ??= this.#rows.add(message.values);
        return;
      case "RowDescription":
        return this.#rows.describe(message.fields);
      case "CommandComplete":
        return this.#end(message.tag, false);
      case "EmptyQueryResponse":
        return this.#end("", false);
      case "PortalSuspended":
        return this.#end("", true);
      case "CopyOutResponse":
        this.#error ??= new PgError(sqlstate.featureNotSupported, "COPY TO STDOUT needs copyOut()");
        return;
      case "ParseComplete":
      case "BindComplete":
      case "CloseComplete":
      case "ParameterDescription":
      case "NoData":
      case "CopyData":
      case "CopyDone":
        return;
    }
    throw unexpected(message);
  }

  failed(error: PgError): void {
    this.#error ??= error;
  }

  finished(): void {
    const { count } = this.#options;
    if (!this.#error && count !== undefined && this.#ended !== count) {
      const error = fatal(
        sqlstate.protocolViolation,
        `the server gave ${this.#ended} results for ${count} statements`,
      );
      this.#done.reject(error);
      throw error;
    }
    if (this.#error) this.#done.reject(this.#error);
    else this.#done.resolve(this.#results);
  }

  lost(error: PgError): void {
    this.#done.reject(this.#error ?? error);
  }

  #end(tag: string, suspended: boolean): void {
    this.#ended++;
    if (!this.#error) {
      const result = { fields: this.#rows.fields, rows: this.#rows.take(), tag, suspended };
      if (this.#options.onResult) this.#options.onResult(result);
      else this.#results.push(result);
    }
    this.#rows.end();
  }
}

/** A message that has no place in the answer to a request. */
export function unexpected({ type }: BackendMessage): PgError {
  return fatal(sqlstate.protocolViolation, `the server sent ${type} without being asked`);
}
