/**
 * The client half of the protocol over any byte stream, once it is ready: requests are sent one behind the other
 * without waiting for answers, which come back in the same order (PostgreSQL documentation, 53.2 Message Flow).
 */
import type { TlsInfo } from "../auth/source.ts";
import { fatal, PgError } from "../wire/error.ts";
import type { Frame, Framer } from "../wire/framer.ts";
import {
  type BackendMessage,
  constantFrames,
  decodeBackend,
  type ErrorFields,
  encodeFrontend,
  type TransactionStatus,
} from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import type { ByteStream } from "./byte-stream.ts";
import { connectionLost, type Inbox } from "./inbox.ts";
import type { Request, RequestOptions, Send } from "./request.ts";
import { type Queued, RequestQueue } from "./request-queue.ts";
import type { Started } from "./startup.ts";

/** What arrives without having been asked for. What a callback throws ends the connection. */
export interface Events {
  onNotice?: (fields: ErrorFields) => void;
  /** A NOTIFY of a channel that was listened to, while idle or behind a statement. */
  onNotification?: (channel: string, payload: string, processId: number) => void;
  onParameter?: (name: string, value: string) => void;
  /** The connection is over; `error` unless it was closed here. */
  onClose?: (error: PgError | undefined) => void;
}

/** Takes the server's messages undecoded, in the place of requests: see `Connection.takeOver`. */
export interface FrameReceiver {
  frame(frame: Frame): void;
  /** No more messages are at hand. A promise is back-pressure. */
  received(): void | Promise<void>;
  lost(error: PgError): void;
}

export class Connection {
  /** Settings that the server reports, as they are now. */
  readonly parameters: ReadonlyMap<string, string>;
  /** For `cancel`, as the secret key. */
  readonly processId: number;
  readonly secretKey: Uint8Array;
  /** As in a StartupMessage: 196610 is 3.2. */
  readonly protocol: number;
  readonly tls: TlsInfo | undefined;
  readonly #parameters: Map<string, string>;
  readonly #stream: ByteStream;
  readonly #framer: Framer;
  readonly #events: Events;
  readonly #queue: RequestQueue;
  /** client_encoding at the start. */
  readonly #encoding: string | undefined;
  #receiver: FrameReceiver | undefined;
  #status: TransactionStatus;
  /** An answer's back-pressure: settles when what has arrived since is dispatched. */
  #dispatching: Promise<void> | undefined;
  #lost: PgError | undefined;

  constructor(stream: ByteStream, inbox: Inbox, started: Started, tls: TlsInfo | undefined, events: Events) {
    this.#stream = stream;
    this.#queue = new RequestQueue(stream);
    this.#events = events;
    this.#parameters = started.parameters;
    this.parameters = started.parameters;
    this.processId = started.processId;
    this.secretKey = started.secretKey;
    this.protocol = started.protocol;
    this.tls = tls;
    this.#status = started.status;
    this.#encoding = started.parameters.get("client_encoding");
    stream.onData = (chunk) => this.#receive(chunk);
    stream.onClose = (error) => this.#close(connectionLost(error));
    this.#framer = inbox.finish();
    this.#dispatch();
    if (inbox.lost) this.#close(inbox.lost);
  }

  /** As of the last ReadyForQuery. */
  get status(): TransactionStatus {
    return this.#status;
  }

  get closed(): boolean {
    return this.#lost !== undefined;
  }

  /** Nothing is waited for. */
  get idle(): boolean {
    return this.#queue.empty;
  }

  /** Sends a request behind those that are under way; those of one turn of the event loop leave in one write. */
  request(send: Send, request: Request, options: RequestOptions = {}): void {
    if (this.#lost) return request.lost(this.#lost);
    if (this.#receiver) throw new Error("the connection was taken over");
    this.#queue.add({ ...options, send, request });
  }

  /**
   * Sends further messages of the request that has the connection for itself. A promise: wait for it before sending
   * more. @throws PgError that ended the connection
   */
  more(send: Send): void | Promise<void> {
    if (this.#lost) throw this.#lost;
    return this.#queue.more(send);
  }

  /** Says goodbye and closes; what is under way fails with 08003. */
  close(): void {
    if (this.#lost) return;
    this.#end(closedHere(), undefined);
    this.#stream.write(constantFrames.terminate.slice());
    this.#stream.end();
  }

  /** Closes at once, without a word; what is under way fails with 08003. */
  destroy(): void {
    if (this.#lost) return;
    this.#end(closedHere(), undefined);
    this.#stream.destroy();
  }

  /**
   * Hands the connection to a relay, which gets the server's messages as they are, and sends with `write`. Only between
   * requests. If the connection is over already the receiver is told a moment later.
   */
  takeOver(receiver: FrameReceiver): void {
    if (!this.idle || this.#receiver) throw new Error("the connection is in use");
    this.#receiver = receiver;
    const lost = this.#lost;
    if (lost) Promise.resolve().then(() => receiver.lost(lost));
  }

  /** Takes the connection back from a relay. It must be idle, outside of a transaction, and between messages. */
  giveBack(): void {
    this.#receiver = undefined;
  }

  /** Sends whole messages for the relay, whose memory belongs to the stream from then on. */
  write(frames: Uint8Array): void | Promise<void> {
    if (!this.#lost) return this.#stream.write(frames);
  }

  /** No message has begun to arrive. */
  get betweenMessages(): boolean {
    return this.#framer.buffered === 0;
  }

  // --- receiving ---

  #receive(chunk: Uint8Array): void | Promise<void> {
    if (this.#lost) return;
    this.#framer.push(chunk);
    return this.#dispatching ?? this.#dispatch();
  }

  /** Hands out the messages at hand, until one has to be waited for. It never throws: what goes wrong ends the connection. */
  #dispatch(): void | Promise<void> {
    try {
      while (!this.#lost) {
        const frame = this.#framer.next();
        if (!frame) break;
        const pressure = this.#receiver ? this.#receiver.frame(frame) : this.#message(frame);
        if (pressure) return this.#pause(pressure);
      }
      const pressure = this.#lost ? undefined : this.#receiver?.received();
      if (pressure) return this.#pause(pressure);
    } catch (error) {
      this.#break(error);
    }
  }

  #pause(pressure: Promise<void>): Promise<void> {
    const dispatching = pressure.then(
      () => {
        this.#dispatching = undefined;
        return this.#dispatch();
      },
      (error: unknown) => this.#break(error),
    );
    this.#dispatching = dispatching;
    return dispatching;
  }

  #message(frame: Frame): void | Promise<void> {
    const message = decodeBackend(frame.code, frame.body);
    if (this.#asynchronous(message)) return;
    const { current } = this.#queue;
    switch (message.type) {
      case "ErrorResponse": {
        const error = PgError.fromFields(message.fields);
        // Nobody asked, so nobody would hear of it; and a server that has an answer too many would mix up the rest.
        if (!current || error.severity === "FATAL" || error.severity === "PANIC") throw error;
        return current.request.failed(error);
      }
      case "ReadyForQuery":
        if (!current) throw unasked(message);
        this.#status = message.status;
        this.#queue.answered();
        current.request.finished();
        return this.#queue.advance();
      case "CopyInResponse":
        if (current && !current.copyIn) return this.#refuseCopy(current);
    }
    if (!current) throw unasked(message);
    return current.request.message(message);
  }

  #asynchronous(message: BackendMessage): boolean {
    switch (message.type) {
      case "NoticeResponse":
        this.#events.onNotice?.(message.fields);
        return true;
      case "NotificationResponse":
        this.#events.onNotification?.(message.channel, message.payload, message.processId);
        return true;
      case "ParameterStatus":
        this.#parameters.set(message.name, message.value);
        if (message.name === "client_encoding") this.#checkEncoding(message.value);
        this.#events.onParameter?.(message.name, message.value);
        return true;
      default:
        return false;
    }
  }

  /** Text in another encoding than the one that was asked for would be garbled in silence. */
  #checkEncoding(value: string): void {
    if (value === this.#encoding || /^(utf-?8|unicode)$/i.test(value)) return;
    throw fatal(
      sqlstate.featureNotSupported,
      `client_encoding was changed to ${value}; only UTF8 is supported`,
    );
  }

  /** COPY FROM STDIN to a request that has no data for it. */
  #refuseCopy({ request, sync }: Queued): void {
    const error = new PgError(sqlstate.featureNotSupported, "COPY FROM STDIN needs copyIn()");
    // What was sent behind it, the server has taken for the data of the COPY: which of it is answered cannot be known.
    if (this.#queue.behind > 0) throw fatal(error.code, `${error.message}, and cannot be part of a pipeline`);
    request.failed(error);
    this.more((writer) => {
      encodeFrontend(writer, { type: "CopyFail", message: error.message });
      if (sync) writer.raw(constantFrames.sync);
    });
  }

  // --- the end ---

  /** The server broke the protocol, said that it ends the connection, or a callback threw: nothing more is read. */
  #break(error: unknown): void {
    this.#close(PgError.from(error));
    this.#stream.destroy();
  }

  #close(error: PgError): void {
    if (!this.#lost) this.#end(error, error);
  }

  #end(error: PgError, told: PgError | undefined): void {
    this.#lost = error;
    this.#queue.end(error);
    this.#receiver?.lost(error);
    this.#events.onClose?.(told);
  }
}

function closedHere(): PgError {
  return new PgError(sqlstate.connectionDoesNotExist, "the connection was closed");
}

function unasked({ type }: BackendMessage): PgError {
  return fatal(sqlstate.protocolViolation, `the server sent ${type} without being asked`);
}
