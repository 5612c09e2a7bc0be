/** One exchange with the server: messages sent, and what takes their answers up to ReadyForQuery. */
import type { PgError } from "../wire/error.ts";
import type { BackendMessage } from "../wire/mod.ts";
import type { Writer } from "../wire/writer.ts";

/** Writes the messages of a request. What it throws (U+0000 in a text) fails that request alone. */
export type Send = (writer: Writer) => void;

export interface Request {
  /**
   * Takes an answer; errors and ReadyForQuery come by `failed` and `finished`. A promise is back-pressure: the next
   * answer comes after it. What it throws ends the connection: a server that answers what was not asked is not to be
   * trusted with the next answer.
   */
  message(message: BackendMessage): void | Promise<void>;
  /** An ErrorResponse; the rest of the request is skipped by the server. */
  failed(error: PgError): void;
  /** ReadyForQuery: the request is over. What it throws ends the connection. */
  finished(): void;
  /** The request is over, and unanswered: it could not be written, or the connection has ended. */
  lost(error: PgError): void;
}

export interface RequestOptions {
  /**
   * The request goes on sending after its start (COPY, portals): it is sent when everything before it is answered, and
   * nothing is sent behind it until its ReadyForQuery.
   */
  readonly exclusive?: boolean | undefined;
  /** The request takes CopyInResponse. To others the connection refuses COPY FROM STDIN, which would wait for ever. */
  readonly copyIn?: boolean | undefined;
  /** The request ends with Sync, which a COPY FROM STDIN in it swallows. */
  readonly sync?: boolean | undefined;
}
