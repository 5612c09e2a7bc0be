/**
 * Queries over a connection (PostgreSQL documentation, 53.2.2 Simple Query, 53.2.3 Extended Query, 53.2.4 Pipelining).
 * Calls that are made without waiting for each other are pipelined.
 */
import { PgError } from "../wire/error.ts";
import {
  type BackendMessage,
  constantFrames,
  encodeFrontend,
  type FieldDescription,
} from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { Writer } from "../wire/writer.ts";
import type { Connection } from "./connection.ts";
import { decodeRow, type Request, ResultRequest } from "./request.ts";
import type { QueryResult, Value } from "./results.ts";

export interface StatementInput {
  readonly sql: string;
  /** Text as strings; bytes are sent in binary format. */
  readonly parameters?: readonly Value[] | undefined;
  /** Type OIDs of the parameters; 0, or missing, leaves the type to the server. */
  readonly parameterTypes?: readonly number[] | undefined;
  /** 0 text (default), 1 binary; one for all columns, or one for each. */
  readonly resultFormats?: readonly number[] | undefined;
}

/** Runs a text, which may hold several statements. @throws PgError, the first error */
export function query(connection: Connection, sql: string): Promise<QueryResult[]> {
  const request = new ResultRequest();
  connection.request((writer) => encodeFrontend(writer, { type: "Query", query: sql }), request);
  return request.done;
}

/** Runs one statement with parameters. */
export async function execute(connection: Connection, statement: StatementInput): Promise<QueryResult> {
  const [result] = await pipeline(connection, [statement]);
  return result as QueryResult;
}

/** Runs statements in one round trip and one implicit transaction: the first error undoes all of them. */
export function pipeline(
  connection: Connection,
  statements: readonly StatementInput[],
): Promise<QueryResult[]> {
  const request = new ResultRequest();
  connection.request((writer) => {
    for (const statement of statements) {
      parse(writer, "", statement);
      bind(writer, "", "", statement);
      encodeFrontend(writer, { type: "Describe", kind: "P", name: "" });
      encodeFrontend(writer, { type: "Execute", portal: "", maxRows: 0 });
    }
    writer.raw(constantFrames.sync);
  }, request);
  return request.done;
}

/** A statement that the server has parsed. */
export interface PreparedStatement {
  readonly name: string;
  readonly parameterTypes: readonly number[];
  /** Undefined where it returns no rows. */
  readonly fields: readonly FieldDescription[] | undefined;
  execute(parameters?: readonly Value[], resultFormats?: readonly number[]): Promise<QueryResult>;
  close(): Promise<void>;
}

/** Parses a statement under a name, and describes it without running it. */
export async function prepare(
  connection: Connection,
  name: string,
  statement: StatementInput,
): Promise<PreparedStatement> {
  const request = new DescribeRequest();
  connection.request((writer) => {
    parse(writer, name, statement);
    encodeFrontend(writer, { type: "Describe", kind: "S", name });
    writer.raw(constantFrames.sync);
  }, request);
  const { parameterTypes, fields } = await request.done;
  return {
    name,
    parameterTypes,
    fields,
    async execute(parameters = [], resultFormats = []) {
      const known = fields?.map((field, at) => ({
        ...field,
        format: resultFormats.length === 1 ? (resultFormats[0] as number) : (resultFormats[at] ?? 0),
      }));
      const run = new ResultRequest(known);
      connection.request((writer) => {
        bind(writer, "", name, { sql: "", parameters, resultFormats });
        encodeFrontend(writer, { type: "Execute", portal: "", maxRows: 0 });
        writer.raw(constantFrames.sync);
      }, run);
      const [result] = await run.done;
      return result as QueryResult;
    },
    async close() {
      const closed = new ResultRequest();
      connection.request((writer) => {
        encodeFrontend(writer, { type: "Close", kind: "S", name });
        writer.raw(constantFrames.sync);
      }, closed);
      await closed.done;
    },
  };
}

/**
 * A statement's rows in batches through a portal: the server is asked for the next batch when the last one was taken.
 * The connection is taken until the iteration ends.
 */
export async function* rows(
  connection: Connection,
  statement: StatementInput,
  batch = 1_000,
): AsyncGenerator<Value[][], void, void> {
  const request = new PortalRequest();
  connection.request(
    (writer) => {
      parse(writer, "", statement);
      bind(writer, "", "", statement);
      encodeFrontend(writer, { type: "Describe", kind: "P", name: "" });
      encodeFrontend(writer, { type: "Execute", portal: "", maxRows: batch });
      writer.raw(constantFrames.flush);
    },
    request,
    true,
  );
  try {
    for (;;) {
      const { rows, last } = await request.batch();
      if (rows.length > 0) yield rows;
      if (last) return;
      await connection.more((writer) => {
        encodeFrontend(writer, { type: "Execute", portal: "", maxRows: batch });
        writer.raw(constantFrames.flush);
      });
    }
  } finally {
    if (!connection.closed) await connection.more((writer) => writer.raw(constantFrames.sync));
    await request.over;
  }
}

export function parse(writer: Writer, name: string, { sql, parameterTypes }: StatementInput): void {
  encodeFrontend(writer, {
    type: "Parse",
    statement: name,
    query: sql,
    parameterTypes: [...(parameterTypes ?? [])],
  });
}

export function bind(writer: Writer, portal: string, name: string, input: StatementInput): void {
  const parameters = input.parameters ?? [];
  const binary = parameters.some((value) => value instanceof Uint8Array);
  encodeFrontend(writer, {
    type: "Bind",
    portal,
    statement: name,
    parameterFormats: binary ? parameters.map((value) => (value instanceof Uint8Array ? 1 : 0)) : [],
    parameters: [...parameters],
    resultFormats: [...(input.resultFormats ?? [])],
  });
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
    if (message.type === "ParameterDescription") this.#parameterTypes = message.parameterTypes;
    if (message.type === "RowDescription") this.#fields = message.fields;
  }

  failed(error: PgError): void {
    this.#error ??= error;
  }

  finished(): void {
    if (this.#error) this.#done.reject(this.#error);
    else this.#done.resolve({ parameterTypes: this.#parameterTypes, fields: this.#fields });
  }

  lost(error: PgError): void {
    this.#done.reject(error);
  }
}

interface Batch {
  readonly rows: Value[][];
  readonly last: boolean;
}

/** Executes of one portal. */
class PortalRequest implements Request {
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  #batch: PromiseWithResolvers<Batch> = Promise.withResolvers();
  #fields: readonly FieldDescription[] = [];
  #rows: Value[][] = [];

  /** Settles at ReadyForQuery. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** The rows of the Execute that is under way. */
  async batch(): Promise<Batch> {
    const batch = await this.#batch.promise;
    this.#batch = Promise.withResolvers();
    return batch;
  }

  message(message: BackendMessage): void {
    switch (message.type) {
      case "RowDescription":
        this.#fields = message.fields;
        return;
      case "DataRow":
        this.#rows.push(decodeRow(this.#fields, message.values));
        return;
      case "PortalSuspended":
      case "CommandComplete":
      case "EmptyQueryResponse":
        this.#batch.resolve({ rows: this.#rows, last: message.type !== "PortalSuspended" });
        this.#rows = [];
    }
  }

  failed(error: PgError): void {
    // The error may come when nobody asks for a batch: it is not unhandled then, the iteration is over.
    this.#batch.promise.catch(() => {});
    this.#batch.reject(error);
  }

  finished(): void {
    this.#over.resolve();
  }

  lost(error: PgError): void {
    this.failed(error);
    this.#over.resolve();
  }
}

/** A COPY statement that turned out not to be one. */
export function notCopy(sql: string): PgError {
  return new PgError(sqlstate.wrongObjectType, `not a COPY of the expected direction: ${sql.slice(0, 100)}`);
}
