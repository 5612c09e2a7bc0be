/** Errors of /sql as Neon's proxy answers them: one JSON object with the fields of an ErrorResponse, null where there is none. */
import type { ErrorFields } from "../wire/error.ts";

/** What is wrong with a request itself, or with its answer: no error of a database. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The JSON of an error; numbers are text, as in the protocol. */
export function jsonOfError(fields: Partial<ErrorFields> & { readonly message: string }): string {
  return JSON.stringify({
    message: fields.message,
    code: fields.code ?? null,
    detail: fields.detail ?? null,
    hint: fields.hint ?? null,
    position: fields.position?.toString() ?? null,
    internalPosition: fields.internalPosition?.toString() ?? null,
    internalQuery: fields.internalQuery ?? null,
    severity: fields.localizedSeverity ?? fields.severity ?? null,
    where: fields.where ?? null,
    table: fields.table ?? null,
    column: fields.column ?? null,
    schema: fields.schema ?? null,
    dataType: fields.dataType ?? null,
    constraint: fields.constraint ?? null,
    file: fields.file ?? null,
    line: fields.line?.toString() ?? null,
    routine: fields.routine ?? null,
  });
}
