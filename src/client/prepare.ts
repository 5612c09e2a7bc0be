/** Prepared statements: parsed and described once, run many times (PostgreSQL documentation, 53.2.3 Extended Query). */
import type { PgError } from "../wire/error.ts";
import { type BackendMessage, constantFrames, encodeFrontend, type FieldDescription } from "../wire/mod.ts";
import type { Connection } from "./connection.ts";
import { type StatementInput, writeBind, writeParse } from "./query.ts";
import type { Request } from "./request.ts";
import { ResultRequest, unexpected } from "./result-request.ts";
import type { QueryResult, Value } from "./results.ts";

/** A statement that the server has parsed. */
export interface PreparedStatement {
  readonly name: string;
  readonly parameterTypes: readonly number[];
  /** Undefined where it returns no rows. Formats are text here: they are chosen by each run. */
  readonly fields: readonly FieldDescription[] | undefined;
  /** Runs it. @throws PgError */
  execute(parameters?: readonly Value[], resultFormats?: readonly number[]): Promise<QueryResult>;
  /** Drops it on the server. */
  close(): Promise<void>;
}

/**
 * Parses a statement under a name, and describes it without running it. The unnamed one ("") lasts until the next query
 * of this connection.
 * @throws PgError: 42P05 if there is one of the name
 */
export async function prepare(
  connection: Connection,
  name: string,
  statement: Pick<StatementInput, "sql" | "parameterTypes">,
): Promise<PreparedStatement> {
  const request = new DescribeRequest();
  connection.request(
    (writer) => {
      writeParse(writer, name, statement);
      encodeFrontend(writer, { type: "Describe", kind: "S", name });
      writer.raw(constantFrames.sync);
    },
    request,
    { sync: true },
  );
  const { parameterTypes, fields } = await request.done;
  return {
    name,
    parameterTypes,
    fields,
    async execute(parameters = [], resultFormats = []) {
      const run = new ResultRequest({ count: 1, fields: fields && inFormats(fields, resultFormats) });
      connection.request(
        (writer) => {
          writeBind(writer, "", name, { parameters, resultFormats });
          encodeFrontend(writer, { type: "Execute", portal: "", maxRows: 0 });
          writer.raw(constantFrames.sync);
        },
        run,
        { sync: true },
      );
      const [result] = await run.done;
      return result as QueryResult;
    },
    async close() {
      const closed = new ResultRequest();
      connection.request(
        (writer) => {
          encodeFrontend(writer, { type: "Close", kind: "S", name });
          writer.raw(constantFrames.sync);
        },
        closed,
        { sync: true },
      );
      await closed.done;
    },
  };
}

/** The fields as Describe of a portal with these formats would tell them. */
function inFormats(fields: readonly FieldDescription[], formats: readonly number[]): FieldDescription[] {
  return fields.map((field, at) => ({
    ...field,
    format: (formats.length === 1 ? formats[0] : formats[at]) ?? 0,
  }));
}

interface Described {
  readonly parameterTypes: readonly number[];
  readonly fields: readonly FieldDescription[] | undefined;
}

/** Parse and Describe of a statement. */
class DescribeRequest implements Request {
  readonly #done: PromiseWithResolvers<Described> = Promise.withResolvers();
  #parameterTypes: readonly number[] = [];
  #fields: readonly FieldDescription[] | undefined;
  #error: PgError | undefined;

  get done(): Promise<Described> {
    return this.#done.promise;
  }

  message(message: BackendMessage): void {
    switch (message.type) {
      case "ParameterDescription":
        this.#parameterTypes = message.parameterTypes;
        return;
      case "RowDescription":
        this.#fields = message.fields;
        return;
      case "ParseComplete":
      case "NoData":
        return;
    }
    throw unexpected(message);
  }

  failed(error: PgError): void {
    this.#error ??= error;
  }

  finished(): void {
    if (this.#error) this.#done.reject(this.#error);
    else this.#done.resolve({ parameterTypes: this.#parameterTypes, fields: this.#fields });
  }

  lost(error: PgError): void {
    this.#done.reject(this.#error ?? error);
  }
}
