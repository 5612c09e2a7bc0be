/**
 * The client half of the protocol over any byte stream: connect, authenticate, and send requests one behind the other
 * (PostgreSQL documentation, 53.2 Message Flow).
 */
import type { TlsInfo } from "../auth/source.ts";
import { PgError } from "../wire/error.ts";
import { type Frame, Framer } from "../wire/framer.ts";
import {
  type BackendMessage,
  backendLimits,
  constantFrames,
  decodeBackend,
  type ErrorFields,
  type TransactionStatus,
} from "../wire/mod.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { Writer } from "../wire/writer.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { ClientOptions } from "./options.ts";
import type { Request } from "./request.ts";
import { negotiateTls, type Reader, type Started, start } from "./startup.ts";

/** What arrives without having been asked for. */
export interface Events {
  onNotice?: (fields: ErrorFields) => void;
  onNotification?: (channel: string, payload: string, processId: number) => void;
  onParameter?: (name: string, value: string) => void;
  /** The connection is over; `error` unless it was closed here. */
  onClose?: (error: PgError | undefined) => void;
}

/** A request that waits for its turn to be sent. */
interface Waiting {
  readonly send: (writer: Writer) => void;
  readonly request: Request;
  readonly exclusive: boolean;
}

/**
 * Connects over a stream that is open.
 * @throws PgError: the server's (28P01, 3D000 …), 08006 if the connection ends, 08001 if it takes too long
 */
export async function connect(
  stream: ByteStream,
  options: ClientOptions,
  events: Events = {},
): Promise<Connection> {
  const reader = new StreamReader(stream);
  const milliseconds = options.connectTimeout ?? 10_000;
  const timer = setTimeout(() => {
    reader.lose(new PgError(sqlstate.sqlclientUnableToEstablishSqlconnection, "timeout expired"));
  }, milliseconds);
  try {
    const tls = await negotiateTls(stream, reader, options);
    const started = await start(stream, reader, options, tls);
    reader.drain();
    return new Connection(stream, reader.framer, started, tls, events);
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

export class Connection {
  /** Settings that the server reports, as they are now. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly processId: number;
  readonly secretKey: Uint8Array;
  readonly protocol: number;
  readonly tls: TlsInfo | undefined;
  readonly #parameters: Map<string, string>;
  readonly #stream: ByteStream;
  readonly #framer: Framer;
  readonly #events: Events;
  readonly #writer: Writer = new Writer();
  /** Sent, and not yet answered with ReadyForQuery. */
  readonly #pending: Request[] = [];
  readonly #waiting: Waiting[] = [];
  /** Set by whoever took the connection over: it is told of the end as `Events.onClose` is. */
  onLost: ((error: PgError) => void) | undefined;
  #exclusive = false;
  #status: TransactionStatus;
  #lost: PgError | undefined;

  constructor(
    stream: ByteStream,
    framer: Framer,
    started: Started,
    tls: TlsInfo | undefined,
    events: Events,
  ) {
    this.#stream = stream;
    this.#framer = framer;
    this.#events = events;
    this.#parameters = started.parameters;
    this.parameters = started.parameters;
    this.processId = started.processId;
    this.secretKey = started.secretKey;
    this.protocol = started.protocol;
    this.tls = tls;
    this.#status = started.status;
    stream.onData = (chunk) => this.#receive(chunk);
    stream.onClose = (error) => this.#close(error);
    for (const notice of started.notices) this.#asynchronous(notice);
    this.#dispatch();
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
    return this.#pending.length === 0 && this.#waiting.length === 0;
  }

  /**
   * Sends a request behind those that are under way. `exclusive`: it goes on sending later (COPY, portals), so that
   * nothing is sent between its start and its ReadyForQuery.
   */
  request(send: (writer: Writer) => void, request: Request, exclusive = false): void {
    if (this.#lost) {
      request.lost(this.#lost);
      return;
    }
    this.#waiting.push({ send, request, exclusive });
    this.#advance();
  }

  /** Sends further messages of the request that has the connection for itself. A promise: the stream is full. */
  more(send: (writer: Writer) => void): void | Promise<void> {
    if (this.#lost) throw this.#lost;
    send(this.#writer);
    return this.#flush();
  }

  /** Says goodbye; what is under way fails with 08003. */
  close(): void {
    if (this.#lost) return;
    this.#lost = new PgError(sqlstate.connectionDoesNotExist, "the connection was closed");
    this.#stream.write(constantFrames.terminate.slice());
    this.#stream.end();
    this.#fail(this.#lost);
    this.#events.onClose?.(undefined);
  }

  /** Closes at once, without a word. */
  destroy(): void {
    this.#stream.destroy();
    this.#close(undefined);
  }

  /**
   * Hands the connection over to a relay: `receive` gets the server's bytes, and what is written goes out as it is. Only
   * between requests.
   */
  detach(receive: (chunk: Uint8Array) => void | Promise<void>): (bytes: Uint8Array) => void | Promise<void> {
    this.#stream.onData = receive;
    return (bytes) => this.#stream.write(bytes);
  }

  /** Takes the connection back from a relay that has left it idle. */
  attach(): void {
    this.onLost = undefined;
    this.#stream.onData = (chunk) => this.#receive(chunk);
  }

  #advance(): void {
    while (this.#waiting.length > 0 && !this.#exclusive) {
      const next = this.#waiting[0] as Waiting;
      if (next.exclusive && this.#pending.length > 0) break;
      this.#waiting.shift();
      this.#exclusive = next.exclusive;
      this.#pending.push(next.request);
      next.send(this.#writer);
    }
    this.#flush();
  }

  #flush(): void | Promise<void> {
    if (this.#writer.length > 0) return this.#stream.write(this.#writer.take());
  }

  #receive(chunk: Uint8Array): void | Promise<void> {
    try {
      this.#framer.push(chunk);
      return this.#dispatch();
    } catch (error) {
      // A malformed message: nothing that follows can be trusted.
      this.#stream.destroy();
      this.#close(PgError.from(error));
    }
  }

  #dispatch(): void | Promise<void> {
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      const pending = this.#message(frame);
      if (pending) return pending.then(() => this.#dispatch());
    }
  }

  #message(frame: Frame): void | Promise<void> {
    const message = decodeBackend(frame.code, frame.body);
    if (this.#asynchronous(message)) return;
    const request = this.#pending[0];
    if (message.type === "ErrorResponse") {
      const { code, message: text, ...fields } = message.fields;
      const error = new PgError(code, text, fields);
      if (error.severity === "FATAL" || error.severity === "PANIC") return this.#close(error);
      request?.failed(error);
    } else if (message.type === "ReadyForQuery") {
      this.#status = message.status;
      this.#pending.shift();
      this.#exclusive = false;
      request?.finished();
      this.#advance();
    } else if (request) return request.message(message);
    else throw new PgError(sqlstate.protocolViolation, `the server sent ${message.type} without being asked`);
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
        this.#events.onParameter?.(message.name, message.value);
        return true;
      default:
        return false;
    }
  }

  #close(cause: Error | undefined): void {
    if (this.#lost) return;
    const error =
      cause instanceof PgError
        ? cause
        : new PgError(sqlstate.connectionFailure, "server closed the connection unexpectedly", {
            ...(cause && { detail: cause.message }),
          });
    this.#lost = error;
    this.#fail(error);
    this.#stream.end();
    this.onLost?.(error);
    this.#events.onClose?.(error);
  }

  #fail(error: PgError): void {
    for (const request of this.#pending.splice(0)) request.lost(error);
    for (const { request } of this.#waiting.splice(0)) request.lost(error);
  }
}

/** Reads a stream on demand, for as long as the start is a dialogue. */
class StreamReader implements Reader {
  readonly framer: Framer;
  #bytes: Uint8Array[] = [];
  #wake: PromiseWithResolvers<void> | undefined;
  #lost: PgError | undefined;

  constructor(stream: ByteStream) {
    this.framer = new Framer({ limits: backendLimits() });
    stream.onData = (chunk) => {
      this.#bytes.push(chunk);
      this.#wake?.resolve();
    };
    stream.onClose = (error) => {
      this.lose(
        new PgError(sqlstate.connectionFailure, "server closed the connection unexpectedly", {
          ...(error && { detail: error.message }),
        }),
      );
    };
  }

  lose(error: PgError): void {
    this.#lost ??= error;
    this.#wake?.resolve();
  }

  async more(): Promise<void> {
    await this.#arrived();
    this.drain();
  }

  /** Takes what has arrived into the framer. */
  drain(): void {
    for (const chunk of this.#bytes.splice(0)) this.framer.push(chunk);
  }

  async byte(): Promise<number> {
    await this.#arrived();
    const [first, ...rest] = this.#bytes.splice(0);
    if (!first) return this.byte();
    if (first.length > 1) this.framer.push(first.subarray(1));
    for (const chunk of rest) this.framer.push(chunk);
    return first[0] as number;
  }

  async #arrived(): Promise<void> {
    while (this.#bytes.length === 0) {
      if (this.#lost) throw this.#lost;
      this.#wake = Promise.withResolvers();
      await this.#wake.promise;
      this.#wake = undefined;
    }
  }
}
