/**
 * Queries over a connection (PostgreSQL documentation, 53.2.2 Simple Query, 53.2.3 Extended Query, 53.2.4 Pipelining).
 * Calls that are made without waiting for each other are pipelined, each with a Sync of its own.
 */
import { constantFrames, encodeFrontend } from "../wire/mod.ts";
import type { Writer } from "../wire/writer.ts";
import type { Connection } from "./connection.ts";
import { ResultRequest } from "./result-request.ts";
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

/**
 * Runs a text, which may hold several statements. `onResult` gets each result as soon as it is complete; the promise
 * then holds none.
 * @throws PgError, the first error
 */
export function query(
  connection: Connection,
  sql: string,
  onResult?: (result: QueryResult) => void,
): Promise<QueryResult[]> {
  const request = new ResultRequest({ onResult });
  connection.request((writer) => encodeFrontend(writer, { type: "Query", query: sql }), request);
  return request.done;
}

/** Runs one statement with parameters. @throws PgError */
export async function execute(connection: Connection, statement: StatementInput): Promise<QueryResult> {
  const [result] = await pipeline(connection, [statement]);
  return result as QueryResult;
}

/**
 * Runs statements in one round trip and one implicit transaction: the first error undoes all of them, and is thrown.
 */
export function pipeline(
  connection: Connection,
  statements: readonly StatementInput[],
): Promise<QueryResult[]> {
  const request = new ResultRequest({ count: statements.length });
  connection.request(
    (writer) => {
      for (const statement of statements) {
        writeParse(writer, "", statement);
        writeBind(writer, "", "", statement);
        encodeFrontend(writer, { type: "Describe", kind: "P", name: "" });
        encodeFrontend(writer, { type: "Execute", portal: "", maxRows: 0 });
      }
      writer.raw(constantFrames.sync);
    },
    request,
    { sync: true },
  );
  return request.done;
}

export function writeParse(writer: Writer, name: string, { sql, parameterTypes }: StatementInput): void {
  encodeFrontend(writer, {
    type: "Parse",
    statement: name,
    query: sql,
    parameterTypes: [...(parameterTypes ?? [])],
  });
}

export function writeBind(
  writer: Writer,
  portal: string,
  name: string,
  { parameters = [], resultFormats = [] }: Pick<StatementInput, "parameters" | "resultFormats">,
): void {
  const binary = parameters.some((value) => value instanceof Uint8Array);
  encodeFrontend(writer, {
    type: "Bind",
    portal,
    statement: name,
    parameterFormats: binary ? parameters.map((value) => (value instanceof Uint8Array ? 1 : 0)) : [],
    parameters,
    resultFormats: [...resultFormats],
  });
}
