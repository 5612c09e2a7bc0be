/**
 * One PostgreSQL session that many clients share: its byte channel, the gateway's own queries on it, and what it
 * currently holds. PGlite is such a session; a connection to a server is another.
 */

import { PgError } from "../../wire/error.ts";
import { type Frame, Framer } from "../../wire/framer.ts";
import { backendCodes, decodeBackend, encodeFrontend } from "../../wire/mod.ts";
import { sqlstate } from "../../wire/sqlstate.ts";
import { Writer } from "../../wire/writer.ts";
import type { ResidentStatements } from "./statements.ts";

/** A started session over which protocol messages go both ways. */
export interface ProtocolBackend {
  /** Takes whole frontend messages; never a startup packet or Terminate. A promise is back-pressure. */
  send(frames: Uint8Array): void | Promise<void>;
  /** Set by the owner: gets backend bytes, cut anywhere. A promise: send no more until it settles. */
  onData: (chunk: Uint8Array) => void | Promise<void>;
  /** Set by the owner: the session is over, nothing can be sent any more. */
  onClose: (error: Error | undefined) => void;
  /** Asks the running statement to stop; false where that cannot be done. */
  cancel(): boolean;
  /** ParameterStatus values at the start. */
  readonly parameters: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

/** Gets the messages of the turn at hand. */
export interface TurnReceiver {
  receive(frame: Frame): void;
  /** All messages of a chunk were given. A promise is back-pressure. */
  received(): void | Promise<void>;
}

/** The gateway's own query: its rows as text, nothing of it reaches a client. */
interface OwnQuery {
  readonly rows: (string | null)[][];
  error: PgError | undefined;
  /** Rows and errors before its RowDescription belong to the turn (see `query`). */
  started: boolean;
  readonly done: PromiseWithResolvers<(string | null)[][]>;
}

const decoder = new TextDecoder();

export class SharedBackend {
  /** The settings that the backend reports, as they are now. */
  readonly parameters: Map<string, string>;
  readonly resident: ResidentStatements = new Map();
  /** Who gets the messages of the statement at hand. */
  receiver: TurnReceiver | undefined;
  onNotification: (channel: string, payload: string) => void = () => {};
  onLost: (error: PgError) => void = () => {};
  readonly #backend: ProtocolBackend;
  readonly #framer: Framer = new Framer({ limits: () => 0x7fffffff });
  #own: OwnQuery | undefined;
  #lost: PgError | undefined;

  constructor(backend: ProtocolBackend) {
    this.#backend = backend;
    this.parameters = new Map(backend.parameters);
    backend.onData = (chunk) => this.#receive(chunk);
    backend.onClose = (error) => this.#close(error);
  }

  get lost(): PgError | undefined {
    return this.#lost;
  }

  send(frames: Uint8Array): void | Promise<void> {
    if (frames.length > 0) return this.#backend.send(frames);
  }

  cancel(): boolean {
    return this.#backend.cancel();
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  /**
   * Runs a query of the gateway's own, which must begin with a statement that returns rows; only between two turns, or
   * at the end of one. Messages that come before its RowDescription are the turn's.
   */
  async query(sql: string): Promise<(string | null)[][]> {
    while (this.#own) await this.#own.done.promise.catch(() => {});
    if (this.#lost) throw this.#lost;
    const writer = new Writer();
    this.encodeQuery(writer, sql);
    const own: OwnQuery = { rows: [], error: undefined, started: false, done: Promise.withResolvers() };
    this.#own = own;
    this.#backend.send(writer.take());
    return own.done.promise;
  }

  /** Writes a query of the gateway's own. A simple query takes the unnamed statement, whoever made that. */
  encodeQuery(writer: Writer, query: string): void {
    encodeFrontend(writer, { type: "Query", query });
    this.resident.delete("");
  }

  #receive(chunk: Uint8Array): void | Promise<void> {
    this.#framer.push(chunk);
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      if (frame.code === backendCodes.NotificationResponse) this.#notification(frame);
      else {
        if (frame.code === backendCodes.ParameterStatus && !this.#parameter(frame)) continue;
        if (this.#own) this.#receiveOwn(this.#own, frame);
        else this.receiver?.receive(frame);
      }
    }
    return this.receiver?.received();
  }

  #receiveOwn(own: OwnQuery, frame: Frame): void {
    switch (frame.code) {
      case backendCodes.RowDescription:
        own.started = true;
        return;
      case backendCodes.DataRow: {
        if (!own.started) break;
        const row = decodeBackend(frame.code, frame.body);
        if (row.type === "DataRow") own.rows.push(row.values.map((value) => value && decoder.decode(value)));
        return;
      }
      case backendCodes.ErrorResponse: {
        const error = decodeBackend(frame.code, frame.body);
        if (error.type === "ErrorResponse") {
          const { code, message, ...fields } = error.fields;
          own.error = new PgError(code, message, fields);
        }
        return;
      }
      case backendCodes.ReadyForQuery:
        if (!own.started && !own.error) break;
        this.#own = undefined;
        if (own.error) own.done.reject(own.error);
        else own.done.resolve(own.rows);
        return;
      default:
        if (own.started) return;
    }
    this.receiver?.receive(frame);
  }

  #notification(frame: Frame): void {
    const message = decodeBackend(frame.code, frame.body);
    if (message.type === "NotificationResponse") this.onNotification(message.channel, message.payload);
  }

  /** Keeps a reported value; whether it is worth reporting. */
  #parameter(frame: Frame): boolean {
    const message = decodeBackend(frame.code, frame.body);
    if (message.type !== "ParameterStatus") return false;
    // PGlite reports the user of the session as nobody after DISCARD ALL.
    if (message.name === "session_authorization" && message.value === "") return false;
    this.parameters.set(message.name, message.value);
    return true;
  }

  #close(cause: Error | undefined): void {
    const error = new PgError(sqlstate.connectionFailure, "the database ended unexpectedly", {
      severity: "FATAL",
      ...(cause && { detail: cause.message }),
    });
    this.#lost = error;
    const own = this.#own;
    this.#own = undefined;
    own?.done.reject(error);
    this.onLost(error);
  }
}
