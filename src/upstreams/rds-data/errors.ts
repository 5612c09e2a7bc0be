/**
 * What goes wrong with the RDS Data API, as PostgreSQL's errors. The database's own come as one line of text, for example
 * `ERROR: syntax error at or near "selec"; Position: 1; SQLState: 42601`; older clusters leave the SQLSTATE out.
 */
import { type ErrorFields, PgError } from "../../wire/error.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { fieldsOf, textOf } from "../http-failure.ts";

/** What a session can do something about. */
export type Refusal =
  /** Scaled to zero, and waking up: nothing has run. */
  | "resuming"
  /** The result has a type that the API cannot give. */
  | "type"
  /** The result is larger than the API gives. */
  | "size"
  /** The transaction is running another statement: nothing has run. */
  | "busy"
  /** There is no such transaction any more. */
  | "transaction"
  | "other";

export interface ApiError {
  readonly refusal: Refusal;
  readonly error: PgError;
}

/** Reads an answer that is not 200. `type` is the header `x-amzn-ErrorType`, which has more than the name. */
export function readError(status: number, type: string | null, body: string): ApiError {
  const said = fieldsOf(body);
  const name = (type ?? textOf(said.__type) ?? textOf(said.code) ?? "")
    .replace(/^.*#/, "")
    .replace(/:.*$/, "");
  const message = textOf(said.message) ?? textOf(said.Message) ?? body.trim().slice(0, 200);
  return {
    refusal: refusalOf(name, message),
    error: errorOf(name, message, status),
  };
}

function refusalOf(name: string, message: string): Refusal {
  if (name === "DatabaseResumingException" || /database is resuming/i.test(message)) return "resuming";
  if (tooLarge.test(message)) return "size";
  if (name === "UnsupportedResultException" || /unsupported (data|result) type/i.test(message)) return "type";
  if (/transaction is still running a query/i.test(message)) return "busy";
  if (name === "TransactionNotFoundException" || noTransaction.test(message)) return "transaction";
  return "other";
}

const tooLarge = /allowed response size limit|response exceeded size limit|response size limit/i;
const noTransaction = /^transaction \S+ is not found|transaction .*(expired|not found)/i;

function errorOf(name: string, message: string, status: number): PgError {
  if (tooLarge.test(message)) return tooLargeResult(message);
  if (/packet for query is too large/i.test(message)) {
    return new PgError(sqlstate.programLimitExceeded, "a row is too large for the RDS Data API", {
      detail: said(name, message),
      hint: "A row has 64 KB at the most: select fewer columns, or parts of them (substr).",
    });
  }
  if (refusalOf(name, message) === "type") return unsupportedType(message);
  if (refusalOf(name, message) === "transaction") return lostTransaction(message);
  if (refusalOf(name, message) === "busy") {
    return new PgError(sqlstate.objectInUse, "the transaction is still running another statement", {
      detail: message,
      hint: "A statement that was cancelled goes on in the cluster until it ends: try again later, or send ROLLBACK.",
    });
  }
  const ofDatabase = readDatabaseError(message);
  if (ofDatabase) return ofDatabase;
  if (status === 413 || /request .*too large|request size limit/i.test(message)) {
    return new PgError(sqlstate.programLimitExceeded, "the request is too large for the RDS Data API", {
      detail: said(name, message, status),
      hint: "A request has 4 MiB at the most: send fewer values, or parts of them.",
    });
  }
  const [code, text, hint] = exceptions[name] ?? [
    status === 429 ? sqlstate.insufficientResources : sqlstate.systemError,
    "the RDS Data API refused the request",
  ];
  return new PgError(code, text, { detail: said(name, message, status), ...(hint && { hint }) });
}

type Meaning = readonly [code: string, text: string, hint?: string];

const login: Meaning = [
  sqlstate.sqlclientUnableToEstablishSqlconnection,
  "the gateway may not use the database through the RDS Data API",
];
const unavailable: Meaning = [sqlstate.cannotConnectNow, "the database is not available"];

const exceptions: Readonly<Record<string, Meaning>> = {
  StatementTimeoutException: [
    sqlstate.queryCanceled,
    "canceling statement due to statement timeout",
    "The RDS Data API ends a statement after 45 seconds.",
  ],
  DatabaseResumingException: [sqlstate.cannotConnectNow, "the database system is starting up"],
  DatabaseUnavailableException: unavailable,
  ServiceUnavailableError: unavailable,
  DatabaseNotFoundException: [sqlstate.invalidCatalogName, "the database does not exist"],
  HttpEndpointNotEnabledException: [
    sqlstate.sqlclientUnableToEstablishSqlconnection,
    "the RDS Data API is not enabled for the cluster",
    "Enable the cluster's HTTP endpoint.",
  ],
  SecretsErrorException: login,
  InvalidSecretException: login,
  InvalidResourceStateException: unavailable,
  ForbiddenException: login,
  AccessDeniedException: login,
  UnrecognizedClientException: login,
  InvalidSignatureException: login,
  ExpiredTokenException: login,
  MissingAuthenticationTokenException: login,
  IncompleteSignatureException: login,
  ThrottlingException: [sqlstate.insufficientResources, "the RDS Data API has too much to do"],
};

export function lostTransaction(message: string): PgError {
  const aborted = /aborted due to an error/i.test(message);
  return aborted
    ? new PgError(
        sqlstate.inFailedSqlTransaction,
        "the RDS Data API has ended the transaction after an error",
        {
          detail: message,
          hint: "Send ROLLBACK and begin again: nothing of it was kept.",
        },
      )
    : new PgError(sqlstate.idleInTransactionSessionTimeout, "the transaction has ended in the RDS Data API", {
        detail: message,
        hint: "It ends a transaction that nothing came for in 3 minutes, or that is 24 hours old. Nothing of it was kept.",
      });
}

export function tooLargeResult(message: string): PgError {
  return new PgError(sqlstate.programLimitExceeded, "the result is too large for the RDS Data API", {
    detail: message,
    hint: "A result has 1 MiB at the most: use LIMIT, or a cursor in a transaction.",
  });
}

function unsupportedType(message: string): PgError {
  return new PgError(sqlstate.featureNotSupported, "the RDS Data API cannot give a result of this type", {
    detail: message,
    hint: "Cast the columns to text.",
  });
}

/** The last field behind the message: no other one follows it. */
const lastField =
  /(?:;|\n)\s*(SQLState|Position|Detail|Hint|Where): ?((?:(?!(?:;|\n)\s*(?:SQLState|Position|Detail|Hint|Where):)[\s\S])*)$/;

/** What the database said, or undefined where it was not the database. */
function readDatabaseError(message: string): PgError | undefined {
  const begin = /^(?:ERROR|FATAL|PANIC):\s+/.exec(message);
  const state = /;\s*SQLState:\s*([0-9A-Z]{5})\b/.exec(message);
  if (!begin && !state) return undefined;
  let text = message.slice(begin?.[0].length ?? 0);
  const fields: Partial<ErrorFields> = {};
  // From the end, because any text may stand in the message itself.
  for (;;) {
    const tail = lastField.exec(text);
    if (!tail) break;
    text = text.slice(0, tail.index);
    const [, name, rest = ""] = tail;
    const value = rest.trim();
    if (name === "Position" && /^\d+$/.test(value)) fields.position = Number(value);
    else if (name === "Detail") fields.detail = value;
    else if (name === "Hint") fields.hint = value;
    else if (name === "Where") fields.where = value;
  }
  const code = state?.[1] ?? guessCode(text);
  return new PgError(code, text.trim(), fields);
}

/** By PostgreSQL's own texts, for clusters that send no SQLSTATE. */
function guessCode(text: string): string {
  return guesses.find(([pattern]) => pattern.test(text))?.[1] ?? sqlstate.internalError;
}

const guesses: readonly (readonly [RegExp, string])[] = [
  [/^syntax error|^unterminated|trailing junk/, sqlstate.syntaxError],
  [/^relation ".*" does not exist|^missing FROM-clause|table ".*" does not exist/, sqlstate.undefinedTable],
  [/^column .* does not exist/, sqlstate.undefinedColumn],
  [
    /^(function|operator|procedure|aggregate) .* does not exist|^operator does not exist/,
    sqlstate.undefinedFunction,
  ],
  [/^schema ".*" does not exist/, sqlstate.invalidSchemaName],
  [/^(type|role|extension|index|constraint) ".*" does not exist/, sqlstate.undefinedObject],
  [/^relation ".*" already exists/, sqlstate.duplicateTable],
  [/^schema ".*" already exists/, sqlstate.duplicateSchema],
  [/already exists/, sqlstate.duplicateObject],
  [/^duplicate key value violates unique/, sqlstate.uniqueViolation],
  [/violates foreign key constraint/, sqlstate.foreignKeyViolation],
  [/violates not-null constraint/, sqlstate.notNullViolation],
  [/violates check constraint/, sqlstate.checkViolation],
  [/violates exclusion constraint|conflicting key value/, sqlstate.exclusionViolation],
  [/^permission denied|^must be owner/, sqlstate.insufficientPrivilege],
  [/^division by zero/, sqlstate.divisionByZero],
  [/^invalid input syntax|^malformed|^invalid input value/, sqlstate.invalidTextRepresentation],
  [/out of range/, sqlstate.numericValueOutOfRange],
  [/^value too long/, sqlstate.stringDataRightTruncation],
  [/^current transaction is aborted/, sqlstate.inFailedSqlTransaction],
  [/^could not serialize/, sqlstate.serializationFailure],
  [/^deadlock detected/, sqlstate.deadlockDetected],
  [/^canceling statement/, sqlstate.queryCanceled],
  [/read-only transaction/, sqlstate.readOnlySqlTransaction],
  [/^prepared statement ".*" does not exist/, sqlstate.invalidSqlStatementName],
  [/^cursor ".*" does not exist/, sqlstate.invalidCursorName],
];

function said(name: string, message: string, status?: number): string {
  const what = [name, message].filter((part) => part !== "").join(": ");
  return what === "" ? `Status ${status ?? 0}` : what;
}
