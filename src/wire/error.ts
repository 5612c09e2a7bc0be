// The one error class of the project, carrying the fields of an ErrorResponse or NoticeResponse
// (PostgreSQL documentation, "Error and Notice Message Fields").

import { sqlstate } from "./sqlstate.ts";

export type Severity = "ERROR" | "FATAL" | "PANIC" | "WARNING" | "NOTICE" | "DEBUG" | "INFO" | "LOG";

/** The fields of an error or a notice, named as the documentation names them. */
export interface ErrorFields {
  /** Sent as both S and V. */
  severity: Severity;
  /** S as the peer sent it, kept only when its lc_messages made it differ from V. */
  localizedSeverity?: string;
  /** SQLSTATE, five characters. */
  code: string;
  message: string;
  detail?: string;
  hint?: string;
  /** Index of a character (not a byte) of the query, the first is 1. */
  position?: number;
  /** Like `position`, but into `internalQuery`. */
  internalPosition?: number;
  internalQuery?: string;
  /** The call stack of the error, one entry on each line. */
  where?: string;
  schema?: string;
  table?: string;
  column?: string;
  dataType?: string;
  constraint?: string;
  file?: string;
  line?: number;
  routine?: string;
  /** Fields this list does not know, by their one-character code. Decoding keeps them; encoding sends them. */
  unknown?: Record<string, string>;
}

/** An error of the protocol, of SQL or of an upstream; what is thrown here reaches the client as an ErrorResponse. */
export class PgError extends Error {
  override readonly name: string = "PgError";
  readonly fields: ErrorFields;

  constructor(code: string, message: string, fields?: Partial<ErrorFields>, options?: ErrorOptions) {
    super(message, options);
    this.fields = { severity: "ERROR", ...fields, code, message };
  }

  get code(): string {
    return this.fields.code;
  }

  get severity(): Severity {
    return this.fields.severity;
  }

  /** Whatever was thrown, as a PgError: itself if it is one, else XX000 (internal_error) with the stranger as `cause`. */
  static from(cause: unknown): PgError {
    if (cause instanceof PgError) return cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    return new PgError(sqlstate.internalError, message || "unknown error", {}, { cause });
  }

  /** The error a peer reported in an ErrorResponse. */
  static fromFields(fields: ErrorFields): PgError {
    return new PgError(fields.code, fields.message, fields);
  }
}

/** A PgError of severity FATAL: the connection ends after it. */
export function fatal(code: string, message: string, fields?: Partial<ErrorFields>): PgError {
  return new PgError(code, message, { ...fields, severity: "FATAL" });
}

/** A malformed message inside intact framing: ERROR 08P01, after which PostgreSQL goes on with the next message. */
export function protocolError(message: string): PgError {
  return new PgError(sqlstate.protocolViolation, message);
}
