// The statements a session has to know of: those that change its state, or that it answers itself (PostgreSQL
// documentation, part VI "SQL Commands"). Everything else is `other`.
//
// Names are as PostgreSQL folds them; strings are without quotes and escapes.

export type IsolationLevel = "serializable" | "repeatable read" | "read committed" | "read uncommitted";

/** What is absent was not said; of what was said twice the last counts. */
export interface TransactionModes {
  isolation?: IsolationLevel;
  readOnly?: boolean;
  deferrable?: boolean;
}

/** BEGIN or START TRANSACTION: they differ in the command tag only. */
export interface BeginStatement extends TransactionModes {
  type: "begin";
  verb: "BEGIN" | "START TRANSACTION";
}

/** COMMIT, END; ROLLBACK, ABORT. */
export interface EndStatement {
  type: "commit" | "rollback";
  /** AND CHAIN: a transaction with the same modes begins at once. */
  chain: boolean;
}

export interface SavepointStatement {
  type: "savepoint" | "release" | "rollbackTo";
  name: string;
}

/** PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED. */
export interface TwoPhaseStatement {
  type: "prepareTransaction" | "commitPrepared" | "rollbackPrepared";
  id: string;
}

/**
 * SET, also in the shapes of SET TIME ZONE (timezone), NAMES (client_encoding), SCHEMA (search_path), ROLE (role),
 * SESSION AUTHORIZATION (session_authorization) and XML OPTION (xmloption).
 */
export interface SetStatement {
  type: "set";
  /** `session` also when neither LOCAL nor SESSION was written. */
  scope: "session" | "local";
  /** Folded unless quoted; dots as written. PostgreSQL looks parameters up without regard to case. */
  name: string;
  /** The values of the list; undefined is DEFAULT. SET TIME ZONE INTERVAL ... is one value, the SQL as written. */
  value: string[] | undefined;
}

/** SET TRANSACTION. */
export interface SetTransactionStatement extends TransactionModes {
  type: "setTransaction";
  /** SET TRANSACTION SNAPSHOT '...'. */
  snapshot?: string;
}

/** SET SESSION CHARACTERISTICS AS TRANSACTION. */
export interface SetSessionCharacteristicsStatement extends TransactionModes {
  type: "setSessionCharacteristics";
}

/** `name` is "all" for ALL; TIME ZONE is timezone, TRANSACTION ISOLATION LEVEL is transaction_isolation. */
export interface ShowStatement {
  type: "show" | "reset";
  name: string;
}

export interface DiscardStatement {
  type: "discard";
  what: "all" | "temp" | "plans" | "sequences";
}

export interface PrepareStatement {
  type: "prepare";
  name: string;
  /** As written. */
  parameterTypes: string[];
  /** The text of the statement. */
  statement: string;
}

export interface ExecuteStatement {
  type: "execute";
  name: string;
  /** The expressions as written. */
  arguments: string[];
}

/** `name` is undefined for ALL. */
export interface DeallocateStatement {
  type: "deallocate";
  name: string | undefined;
}

export interface DeclareStatement {
  type: "declare";
  name: string;
  /** WITH HOLD: outlives its transaction. */
  hold: boolean;
  /** SCROLL, NO SCROLL, or undefined for neither: PostgreSQL then allows what the plan can do. */
  scroll: boolean | undefined;
  binary: boolean;
  /** The text of the query. */
  query: string;
}

export interface FetchStatement {
  type: "fetch" | "move";
  cursor: string;
  /** NEXT is forward 1, PRIOR backward 1, FIRST absolute 1, LAST absolute -1; a bare count is forward. */
  direction: "forward" | "backward" | "absolute" | "relative";
  /** Infinity for ALL; may be negative. */
  count: number;
}

/** `name` is undefined for ALL. */
export interface CloseCursorStatement {
  type: "closeCursor";
  name: string | undefined;
}

export interface ListenStatement {
  type: "listen";
  channel: string;
}

/** `channel` is undefined for `UNLISTEN *`. */
export interface UnlistenStatement {
  type: "unlisten";
  channel: string | undefined;
}

export interface NotifyStatement {
  type: "notify";
  channel: string;
  /** "" when none was given, as in NotificationResponse. */
  payload: string;
}

export interface CopyStatement {
  type: "copy";
  /** `in`: FROM STDIN; `out`: TO STDOUT; `file`: a file or a program of the server, no CopyData. */
  direction: "in" | "out" | "file";
}

/** Everything else, malformed statements of the kinds above included: whoever runs it has the right error. */
export interface OtherStatement {
  type: "other";
  /** Its command tag without row count: "SELECT", "CREATE TABLE". "" for a text without tokens. */
  verb: string;
  /** Whether it has a RowDescription; undefined when only running it tells (CALL). */
  returnsRows: boolean | undefined;
  /** Whether its command tag ends with a number of rows. */
  countsRows: boolean;
}

export type StatementClass =
  | BeginStatement
  | EndStatement
  | SavepointStatement
  | TwoPhaseStatement
  | SetStatement
  | SetTransactionStatement
  | SetSessionCharacteristicsStatement
  | ShowStatement
  | DiscardStatement
  | PrepareStatement
  | ExecuteStatement
  | DeallocateStatement
  | DeclareStatement
  | FetchStatement
  | CloseCursorStatement
  | ListenStatement
  | UnlistenStatement
  | NotifyStatement
  | CopyStatement
  | OtherStatement;
