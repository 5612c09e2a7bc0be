/** What both directions of COPY share: the tag, the first error, and the refusal of what is no such COPY. */
import { PgError } from "../wire/error.ts";
import type { BackendMessage } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { Request } from "./request.ts";
import { unexpected } from "./result-request.ts";

export abstract class CopyRequest implements Request {
  readonly #done: PromiseWithResolvers<string> = Promise.withResolvers();
  readonly #sql: string;
  #tag = "";
  #copied = false;
  #copying = false;
  protected error: PgError | undefined;

  constructor(sql: string) {
    this.#sql = sql;
    // Awaited at the end, not from the beginning.
    this.#done.promise.catch(() => {});
  }

  /** The command tag, after ReadyForQuery. */
  get done(): Promise<string> {
    return this.#done.promise;
  }

  /** A COPY of the expected direction has begun. */
  protected copying(): void {
    this.#copied = true;
    this.#copying = true;
  }

  /** Messages that are not about the data. */
  protected other(message: BackendMessage): void {
    switch (message.type) {
      case "CommandComplete":
        // Other statements may stand around it, such as BEGIN or SET.
        if (this.#copying) this.#tag = message.tag;
        this.#copying = false;
        return;
      case "CopyOutResponse":
        this.error ??= this.notCopy();
        return;
      case "EmptyQueryResponse":
      case "RowDescription":
      case "DataRow":
      case "CopyData":
      case "CopyDone":
        return;
    }
    throw unexpected(message);
  }

  protected notCopy(): PgError {
    return new PgError(
      sqlstate.wrongObjectType,
      `not a COPY of the expected direction: ${this.#sql.slice(0, 100)}`,
    );
  }

  abstract message(message: BackendMessage): void | Promise<void>;

  failed(error: PgError): void {
    this.error ??= error;
  }

  finished(): void {
    if (!this.#copied) this.error ??= this.notCopy();
    if (this.error) this.#done.reject(this.error);
    else this.#done.resolve(this.#tag);
  }

  lost(error: PgError): void {
    this.error ??= error;
    this.#done.reject(this.error);
  }
}
