/** The answers to the statements of one request, as they come, in the JSON of /sql. */
import { type ClientRequest, rowCount } from "../client/mod.ts";
import { fatal, PgError, protocolError } from "../wire/error.ts";
import { type BackendMessage, decodeText, type FieldDescription } from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { jsonOfValue } from "./json-values.ts";
import { RequestError } from "./sql-error.ts";
import type { SqlRequest, SqlStatement } from "./sql-request.ts";

export interface SqlResultsOptions {
  readonly rawText: boolean;
  /** Bytes of all the JSON. */
  readonly maxBytes: number;
  /** Ends the connection: there is no other end to an answer that nobody wants. */
  readonly stop: () => void;
}

const encoder = new TextEncoder();

/** A request of a client: Parse, Bind, Describe and Execute for each statement, then Sync; a batch inside of BEGIN and COMMIT. */
export class SqlResults implements ClientRequest {
  readonly #done: PromiseWithResolvers<string> = Promise.withResolvers();
  readonly #request: SqlRequest;
  readonly #options: SqlResultsOptions;
  /** Statements that are answered, BEGIN and COMMIT among them. */
  #ended = 0;
  #fields: readonly FieldDescription[] | undefined;
  /** Each column's `"name":`, for rows that are objects. */
  #keys: readonly string[] = [];
  #rows: string[] = [];
  #results: string[] = [];
  #bytes = 0;
  #error: unknown;

  constructor(request: SqlRequest, options: SqlResultsOptions) {
    this.#request = request;
    this.#options = options;
  }

  /** The body of the answer. @throws PgError the first error; RequestError 507 */
  get done(): Promise<string> {
    return this.#done.promise;
  }

  message(message: BackendMessage): void {
    switch (message.type) {
      case "DataRow":
        return this.#row(message.values);
      case "RowDescription":
        return this.#describe(message.fields);
      case "CommandComplete":
        return this.#end(message.tag);
      case "EmptyQueryResponse":
        return this.#end("");
      case "CopyInResponse":
      case "CopyOutResponse":
      case "CopyBothResponse":
        return this.#stop(notOverHttp("COPY FROM STDIN and COPY TO STDOUT"));
      case "ParseComplete":
      case "BindComplete":
      case "NoData":
        return;
    }
    throw fatal(sqlstate.protocolViolation, `the server sent ${message.type} without being asked`);
  }

  failed(error: PgError): void {
    this.#error ??= error;
  }

  finished(): void {
    const { statements, batch } = this.#request;
    if (this.#error === undefined && this.#ended !== statements.length + (batch ? 2 : 0)) {
      this.#error = fatal(
        sqlstate.protocolViolation,
        `the server gave ${this.#ended} results for ${statements.length} statements`,
      );
    }
    if (this.#error !== undefined) this.#done.reject(this.#error);
    else this.#done.resolve(batch ? `{"results":[${this.#results.join(",")}]}` : (this.#results[0] ?? ""));
  }

  lost(error: PgError): void {
    this.#done.reject(this.#error ?? error);
  }

  /** The statement that is being answered; undefined for BEGIN and COMMIT. */
  get #statement(): SqlStatement | undefined {
    return this.#request.statements[this.#request.batch ? this.#ended - 1 : this.#ended];
  }

  #describe(fields: readonly FieldDescription[]): void {
    this.#fields = fields;
    this.#keys = this.#statement?.arrayMode ? [] : fields.map(({ name }) => `${JSON.stringify(name)}:`);
  }

  #row(values: readonly (Uint8Array | null)[]): void {
    if (this.#error !== undefined) return;
    const fields = this.#fields;
    if (fields?.length !== values.length) throw protocolError('unexpected field count in "D" message');
    let json = "";
    let multibyte = 0;
    for (const [at, value] of values.entries()) {
      const { typeOid } = fields[at] as FieldDescription;
      if (at > 0) json += ",";
      json += this.#keys[at] ?? "";
      if (value === null) {
        json += "null";
        continue;
      }
      let text: string;
      try {
        text = decodeText(value);
      } catch (error) {
        return this.#stop(PgError.from(error));
      }
      multibyte += value.length - text.length;
      json += this.#options.rawText ? JSON.stringify(text) : jsonOfValue(typeOid, text);
    }
    this.#rows.push(this.#statement?.arrayMode ? `[${json}]` : `{${json}}`);
    this.#count(json.length + multibyte + 3);
  }

  #end(tag: string): void {
    const statement = this.#statement;
    this.#ended++;
    const fields = this.#fields ?? [];
    const rows = this.#rows;
    this.#fields = undefined;
    this.#rows = [];
    if (!statement || this.#error !== undefined) return;
    const [command = ""] = tag.split(" ", 1);
    // It would be listening for as long as this request takes.
    if (command === "LISTEN") return this.#stop(notOverHttp("LISTEN"));
    const head = `{"fields":[${fields.map(jsonOfField).join(",")}],"rows":[`;
    const foot = `],"command":${JSON.stringify(command)},"rowCount":${rowCount(tag) ?? null},"rowAsArray":${statement.arrayMode}}`;
    this.#results.push(`${head}${rows.join(",")}${foot}`);
    this.#count(encoder.encode(head).length + foot.length + 1);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    const { maxBytes } = this.#options;
    if (this.#bytes > maxBytes) {
      this.#stop(new RequestError(507, `response is too large (max is ${maxBytes} bytes)`));
    }
  }

  #stop(error: unknown): void {
    this.#error ??= error;
    this.#rows = [];
    this.#results = [];
    this.#options.stop();
  }
}

function jsonOfField(field: FieldDescription): string {
  return JSON.stringify({
    name: field.name,
    dataTypeID: field.typeOid,
    tableID: field.tableOid,
    columnID: field.columnAttribute,
    dataTypeSize: field.typeSize,
    dataTypeModifier: field.typeModifier,
    format: "text",
  });
}

function notOverHttp(what: string): PgError {
  return new PgError(sqlstate.featureNotSupported, `${what} cannot be used over HTTP`, {
    hint: "Connect over a WebSocket or TCP.",
  });
}
