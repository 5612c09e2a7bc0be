/**
 * The upstream interface: where a session's queries go, and what a person implements to put the PostgreSQL protocol
 * before a data service. One method is required (`query`); each further method is a capability, and its absence is
 * answered with 0A000, never with a pretended success.
 */
import type { Login } from "../auth/source.ts";
import type { BuiltInTypes } from "../types/built-in-types.ts";
import type { ErrorFields } from "../wire/error.ts";
import type { Frame } from "../wire/framer.ts";

/** A database behind the protocol. One `Upstream` serves many sessions. */
export interface Upstream {
  /**
   * Called for each client, after authentication. A thrown PgError is the client's FATAL answer. `resumed` is what
   * `UpstreamSession.suspend` gave for a session that goes on now.
   */
  connect(client: ClientContext, resumed?: unknown): UpstreamSession | Promise<UpstreamSession>;
  /** Tries whether clients could be served now, as cheaply as can be. Without it an open upstream is taken to be ready. */
  ready?(): void | Promise<void>;
  /** Connections to what is behind it, for metrics: those in use, and those that wait for a client. */
  readonly connections?: { readonly taken: number; readonly idle: number };
  /** Settles when the upstream is of no use any more: a gateway opens it anew for its next client. */
  readonly closed?: Promise<unknown>;
  /** Called once, when the server shuts down. */
  close?(): void | Promise<void>;
}

/** What an upstream may know of, and push to, the client that it serves. */
export interface ClientContext {
  /** The process id of BackendKeyData: unique among the sessions of one server. */
  readonly processId: number;
  readonly login: Login;
  /** The session may be suspended: an upstream that has to take notes for that takes them for such sessions only. */
  readonly suspendable?: boolean;
  /** The session's settings (SHOW), for upstreams that leave settings to the session. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** Sends a NoticeResponse: at once while the client is idle, else in order with the results. */
  notice(message: string, fields?: Partial<ErrorFields>): void;
  /** Sends a NotificationResponse; it waits for the end of the running statement, as PostgreSQL's do. */
  notify(channel: string, payload: string, processId?: number): void;
  /** Sends a ParameterStatus and keeps the value for SHOW. */
  setParameter(name: string, value: string): void;
}

export type UpstreamSession = StatementSession | RelaySession;

/** What both kinds may be able to do. */
interface Suspendable {
  /**
   * Reads what makes up this session, outside a transaction, so that `Upstream.connect` can make it anew when the client
   * goes on: something that JSON can hold. Undefined: it holds what cannot be moved, at the moment. Nothing is let go
   * yet; `close` follows if nothing has come from the client in the meantime. Without this method a relay is not
   * suspended, nor a statement session that has settings of its own; any other one has no state, and is connected anew.
   */
  suspend?(): Promise<unknown>;
}

/** Serves one client a statement at a time; the session does the protocol. */
export interface StatementSession extends Suspendable {
  /**
   * Runs one statement. Multi-statement texts arrive split.
   * @throws PgError, sent as it is; anything else is sent as XX000.
   */
  query(statement: Statement, call: Call): Result | Promise<Result>;
  /**
   * Runs statements that are known at once, a pipeline's or those of one text, as one transaction: all of them have
   * happened when it gives their results, rows and commands only. Undefined: nothing has happened, and they are to be run
   * one by one, be it because one of them failed (the client then gets that one's error behind the results of those
   * before it) or because they cannot be a batch. Asked outside of transactions only; no statement is one that the
   * session serves, nor one that names a session's state.
   * @throws PgError where it is not known what has become of them: they are not run again
   */
  batch?(
    statements: readonly Statement[],
    call: Call,
  ): readonly Result[] | undefined | Promise<readonly Result[] | undefined>;
  /** Tells parameter and column types without running. Without it Describe of a statement is 0A000. */
  describe?(statement: StatementText, call: Call): Description | Promise<Description>;
  /**
   * Tells types that its database has of its own (enums, domains, composite types, extensions), with what they are made
   * of, for clients that want their values in binary, or send them so. Without it, or for a type that it does not know,
   * binary results are 0A000, and parameters arrive as the client's bytes.
   */
  types?(typeOids: readonly number[], call: Call): BuiltInTypes | Promise<BuiltInTypes>;
  /** BEGIN, and the implicit transaction of a multi-statement query or a pipeline. Needs `commit` and `rollback`. */
  begin?(modes: TransactionModes, call: Call): void | Promise<void>;
  /** COMMIT. One that throws must have rolled back: the session takes the transaction for ended. */
  commit?(call: Call): void | Promise<void>;
  /** ROLLBACK, and the end of a client that left a transaction open. It is not cancelled. */
  rollback?(call: Call): void | Promise<void>;
  /** SET TRANSACTION in what `begin` has opened. Without it it is 0A000. @throws PgError 25001 where it comes too late */
  setTransaction?(modes: TransactionModes, call: Call): void | Promise<void>;
  /** SAVEPOINT, RELEASE and ROLLBACK TO. Without it they are 0A000. */
  savepoint?(action: SavepointAction, call: Call): void | Promise<void>;
  /** LISTEN; push with `ClientContext.notify`. */
  listen?(channel: string, call: Call): void | Promise<void>;
  /** UNLISTEN; undefined is `*`. */
  unlisten?(channel: string | undefined, call: Call): void | Promise<void>;
  /** NOTIFY. */
  notify?(channel: string, payload: string, call: Call): void | Promise<void>;
  /**
   * Who answers SET, SHOW and RESET: the session (default), for upstreams without settings, or the upstream's `query`,
   * which then reports changes with `ClientContext.setParameter`.
   */
  readonly settings?: "session" | "upstream";
  /** ParameterStatus values that differ from the session's defaults, such as `server_version`. */
  readonly parameters?: Iterable<readonly [string, string]>;
  /** The client is gone. An open transaction was rolled back before. */
  close?(): void | Promise<void>;
}

/** Speaks the protocol itself: whole frontend messages in, whole backend messages out, not decoded on the way. */
export interface RelaySession extends Suspendable {
  /** Called once. What the relay gets before it returns is kept in order. */
  relay(peer: RelayPeer): Relay;
  /** What the client is told first; of a resumed session only what has changed since it was suspended. */
  readonly parameters?: Iterable<readonly [string, string]>;
  close?(): void | Promise<void>;
}

/** The upstream's end of a relay. */
export interface Relay {
  /** One whole frontend message, of a known type and within the limits; never a startup packet or Terminate. */
  send(frame: Frame): void;
  /** No more messages are at hand. A promise is back-pressure: the session reads no more until it settles. */
  flush(): void | Promise<void>;
  /**
   * The client's next message is broken, and the session will end with an error: what was sent before is to be
   * answered first. Without it the session ends at once.
   */
  settle?(): void | Promise<void>;
  /** All is answered but a COPY, whose data the client still sends. `RelayPeer.waiting` is called when that begins. */
  readonly waiting?: boolean;
  /** A CancelRequest with this session's key, or a time-out. */
  cancel(): void;
  /** The client is gone: roll back, and let go of everything. */
  close(): void | Promise<void>;
}

/** The session's end of a relay. */
export interface RelayPeer {
  /** Whole backend messages. A promise is back-pressure: send no more rows until it settles. */
  send(frames: Uint8Array): void | Promise<void>;
  /** Called after the ReadyForQuery that leaves the client idle was sent. */
  ready(status: TransactionStatus): void;
  /** Called when the relay waits for a COPY's data and nothing else: a client that cannot send any has gone. */
  waiting(): void;
  /** Ends the session with a FATAL error. */
  fail(error: unknown): void;
}

export type TransactionStatus = "I" | "T" | "E";

/** A statement as the client wrote it. */
export interface StatementText {
  readonly sql: string;
  /** Type OIDs given in Parse; 0, or missing at the end, where the client left the choice to the server. */
  readonly parameterTypes: readonly number[];
}

/** A statement with its parameters. They are never spliced into the text. */
export interface Statement extends StatementText {
  readonly parameters: readonly Parameter[];
  /** 0 text, 1 binary, for each column; one for all; none: text for all. */
  readonly resultFormats: readonly number[];
}

/**
 * A parameter: text as a string. Binary parameters of the types in types/binary.ts arrive as text too, those of other
 * types as the client's bytes.
 */
export type Parameter = string | Uint8Array | null;

/** One call to the upstream. */
export interface Call {
  /**
   * Aborted on CancelRequest, time-out and when the client is gone. For `query` and `describe` the client is answered at
   * once all the same; the outcome of BEGIN, COMMIT and their kin matters, and is waited for.
   */
  readonly signal: AbortSignal;
  readonly client: ClientContext;
}

export interface TransactionModes {
  readonly isolation?: string | undefined;
  readonly readOnly?: boolean | undefined;
  readonly deferrable?: boolean | undefined;
  /** True for the implicit transaction of a multi-statement query or of a pipeline. */
  readonly implicit?: boolean | undefined;
}

export interface SavepointAction {
  readonly type: "savepoint" | "release" | "rollbackTo";
  readonly name: string;
}

/** A result column. */
export interface Column {
  readonly name: string;
  /** Default 25, text. */
  readonly typeOid?: number | undefined;
  /** Bytes of a value, -1 for variable length. Default: that of the built-in type; -1 for other types. */
  readonly typeSize?: number | undefined;
  /** Default -1. Clients derive numeric scale and varchar length from it. */
  readonly typeModifier?: number | undefined;
  readonly tableOid?: number | undefined;
  /** The column's number in its table, from 1. */
  readonly attribute?: number | undefined;
}

export interface Description {
  readonly parameterTypes: readonly number[];
  /** Absent where the statement returns no rows. */
  readonly columns?: readonly Column[] | undefined;
}

/**
 * A cell: PostgreSQL's text form as a string, or null; bytes are sent as they are and must be in the format that the
 * client asked for (`Statement.resultFormats`).
 */
export type Cell = string | Uint8Array | null;
export type Row = readonly Cell[];

export type Result = RowsResult | CommandResult | CopyInResult | CopyOutResult | CopyBothResult;

export interface RowsResult {
  readonly type: "rows";
  readonly columns: readonly Column[];
  /** Rows, or batches of rows as they come: the first batch is sent before the last one is asked for. */
  readonly rows: Iterable<Row> | AsyncIterable<readonly Row[]>;
  /** The command tag without the count: `SELECT` (default), `INSERT 0`, `FETCH`. */
  readonly tag?: string | undefined;
}

/** A statement without rows, such as `{ type: "command", tag: "INSERT 0 1" }`. */
export interface CommandResult {
  readonly type: "command";
  readonly tag: string;
}

/** COPY's overall format: 0 text (and CSV), 1 binary, and that of each column. */
export interface CopyFormat {
  readonly format: 0 | 1;
  readonly columnFormats: readonly number[];
}

/** COPY FROM STDIN. */
export interface CopyInResult extends CopyFormat {
  readonly type: "copyIn";
  /**
   * Takes the client's data, in chunks cut anywhere, and gives the command tag (`COPY 3`). CopyFail is thrown out of
   * the iteration as PgError 57014.
   */
  receive(data: AsyncIterable<Uint8Array>): string | Promise<string>;
}

/** COPY TO STDOUT. Each chunk is one CopyData message: one row for text and CSV, so that psql shows them right. */
export interface CopyOutResult extends CopyFormat {
  readonly type: "copyOut";
  readonly data: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;
  /** The command tag; default `COPY n` with the number of chunks. */
  readonly tag?: string | undefined;
}

/** Both ways at once, as streaming replication does. */
export interface CopyBothResult extends CopyFormat {
  readonly type: "copyBoth";
  run(data: AsyncIterable<Uint8Array>): AsyncIterable<string | Uint8Array>;
  readonly tag?: string | undefined;
}
