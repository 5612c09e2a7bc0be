/** Portals: results that are fetched a part at a time (PostgreSQL documentation, 53.2.3 Extended Query). */
import { PgError } from "../wire/error.ts";
import { type BackendMessage, constantFrames, encodeFrontend, type FieldDescription } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { Connection } from "./connection.ts";
import { type StatementInput, writeBind, writeParse } from "./query.ts";
import type { Request } from "./request.ts";
import { ResultRequest, unexpected } from "./result-request.ts";
import type { QueryResult, Row } from "./results.ts";
import { Rows } from "./rows.ts";

/** A result that stands ready on the server, inside of a transaction. */
export interface Portal {
  readonly name: string;
  readonly fields: readonly FieldDescription[];
  /** The next rows; `suspended` tells whether there may be more. `maxRows` 0: all. @throws PgError 34000 if it is gone */
  fetch(maxRows: number): Promise<QueryResult>;
  close(): Promise<void>;
}

/**
 * Opens a named portal, so that several can be read by turns. It lives until the end of the transaction, so outside of
 * one it is gone at once.
 * @throws PgError: 42P03 if there is one of the name
 */
export async function openPortal(
  connection: Connection,
  name: string,
  statement: StatementInput,
): Promise<Portal> {
  const opened = new ResultRequest({ count: 0 });
  let fields: readonly FieldDescription[] = [];
  connection.request(
    (writer) => {
      writeParse(writer, "", statement);
      writeBind(writer, name, "", statement);
      encodeFrontend(writer, { type: "Describe", kind: "P", name });
      writer.raw(constantFrames.sync);
    },
    forwarding(opened, (message) => {
      if (message.type === "RowDescription") fields = message.fields;
    }),
    { sync: true },
  );
  await opened.done;
  return {
    name,
    fields,
    async fetch(maxRows) {
      const request = new ResultRequest({ count: 1, fields });
      connection.request(
        (writer) => {
          encodeFrontend(writer, { type: "Execute", portal: name, maxRows });
          writer.raw(constantFrames.sync);
        },
        request,
        { sync: true },
      );
      const [result] = await request.done;
      return result as QueryResult;
    },
    async close() {
      const request = new ResultRequest({ count: 0 });
      connection.request(
        (writer) => {
          encodeFrontend(writer, { type: "Close", kind: "P", name });
          writer.raw(constantFrames.sync);
        },
        request,
        { sync: true },
      );
      await request.done;
    },
  };
}

function forwarding(request: Request, seen: (message: BackendMessage) => void): Request {
  return {
    message(message) {
      seen(message);
      return request.message(message);
    },
    failed: (error) => request.failed(error),
    finished: () => request.finished(),
    lost: (error) => request.lost(error),
  };
}

/**
 * A statement's rows in batches: the server is asked for the next batch when the last one was taken. The connection is
 * the iteration's until it ends, and other calls wait for it: one that is awaited inside of the loop waits for ever.
 * @throws PgError
 */
export async function* rows(
  connection: Connection,
  statement: StatementInput,
  batch = 1_000,
): AsyncGenerator<Row[], void, void> {
  if (!(Number.isInteger(batch) && batch > 0 && batch <= 0x7fffffff)) {
    throw new PgError(sqlstate.invalidParameterValue, `a batch has 1 or more rows, not ${batch}`);
  }
  const request = new BatchRequest();
  connection.request(
    (writer) => {
      writeParse(writer, "", statement);
      writeBind(writer, "", "", statement);
      encodeFrontend(writer, { type: "Describe", kind: "P", name: "" });
      encodeFrontend(writer, { type: "Execute", portal: "", maxRows: batch });
      writer.raw(constantFrames.flush);
    },
    request,
    { exclusive: true },
  );
  try {
    for (;;) {
      const { rows, last } = await request.batch();
      if (rows.length > 0) yield rows;
      if (last) break;
      await connection.more((writer) => {
        encodeFrontend(writer, { type: "Execute", portal: "", maxRows: batch });
        writer.raw(constantFrames.flush);
      });
    }
  } finally {
    // Also after an error, which the server skips from, and when the rest is not wanted.
    if (!request.ended) {
      request.synced = true;
      await connection.more((writer) => writer.raw(constantFrames.sync));
    }
    await request.over;
  }
  // What Sync brings: a deferred constraint, say.
  if (request.error) throw request.error;
}

interface Batch {
  readonly rows: Row[];
  readonly last: boolean;
}

/** Executes of the unnamed portal. */
class BatchRequest implements Request {
  readonly #over: PromiseWithResolvers<void> = Promise.withResolvers();
  #batch: PromiseWithResolvers<Batch> = Promise.withResolvers();
  readonly #rows: Rows = new Rows();
  error: PgError | undefined;
  /** Sync was sent. */
  synced = false;
  /** No Sync is to be sent any more. */
  ended = false;

  constructor() {
    // The error may come while nobody waits for a batch: it is kept.
    this.#batch.promise.catch(() => {});
  }

  /** Settles when the request is over, well or not. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** The rows of the Execute that is under way. */
  async batch(): Promise<Batch> {
    const batch = await this.#batch.promise;
    this.#batch = Promise.withResolvers();
    this.#batch.promise.catch(() => {});
    if (this.error) this.#batch.reject(this.error);
    return batch;
  }

  message(message: BackendMessage): void {
    switch (message.type) {
      case "DataRow": {
        const error = this.#rows.add(message.values);
        if (error) this.failed(error);
        return;
      }
      case "RowDescription":
        return this.#rows.describe(message.fields);
      case "PortalSuspended":
      case "CommandComplete":
      case "EmptyQueryResponse":
        this.#batch.resolve({ rows: this.#rows.take(), last: message.type !== "PortalSuspended" });
        return;
      case "CopyOutResponse":
        return this.failed(new PgError(sqlstate.featureNotSupported, "COPY TO STDOUT needs copyOut()"));
      case "ParseComplete":
      case "BindComplete":
      case "NoData":
      case "CopyData":
      case "CopyDone":
        return;
    }
    throw unexpected(message);
  }

  failed(error: PgError): void {
    this.error ??= error;
    this.#batch.reject(this.error);
  }

  finished(): void {
    this.ended = true;
    this.#over.resolve();
    if (this.synced) return;
    const error = unexpected({ type: "ReadyForQuery", status: "I" });
    this.failed(error);
    throw error;
  }

  lost(error: PgError): void {
    this.ended = true;
    this.failed(error);
    this.#over.resolve();
  }
}
