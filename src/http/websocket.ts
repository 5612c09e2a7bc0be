/**
 * Sessions over WebSockets, as the serverless driver of Neon speaks them: binary frames that carry the bytes of the
 * protocol, cut anywhere. The path, and a `?address=host:port` in it, mean nothing: the startup packet says which
 * database is wanted. A runtime's adapter brings the WebSocket as a `WebSocketConnection` and tells what it hears of it.
 */
import { overfull, watch } from "../client/buffered-amount.ts";
import { Session, type SessionOptions, type Transport } from "../session/mod.ts";
import { fatal, type PgError, sqlstate, Writer, writeErrorResponse } from "../wire/mod.ts";

export { asksForWebSocket, refuseUpgrade, type UpgradePolicy } from "./websocket-upgrade.ts";

/** An open WebSocket, as an adapter gives it. What it lacks its platform lacks. */
export interface WebSocketConnection {
  /** Sends one binary frame. A promise: it is full, and settles when there is room again; it never rejects. */
  send(bytes: Uint8Array): void | Promise<void>;
  /** Sends what was sent, then the closing frame. */
  close(code?: number, reason?: string): void;
  /** Closes at once, without a frame. */
  terminate?(): void;
  /** Bytes that were sent and have not left: for back-pressure where `send` gives no promise. */
  readonly bufferedAmount?: number;
  /** Reads no more until `resume`. A message or two may still come. */
  pause?(): void;
  resume?(): void;
}

/** What an adapter calls when its WebSocket tells something. */
export interface WebSocketSession {
  /** A frame came. Its memory belongs to the session from then on. */
  message(data: ArrayBuffer | Uint8Array | string): void;
  /**
   * The WebSocket is closed. `clean`: the client said goodbye, so what it had asked for before is still done, within
   * `lostClientGrace`; else it is lost, and what runs is cancelled.
   */
  closed(clean?: boolean): void;
  /** See Session.shutdown(): FATAL 57P01, and the code 1001 instead of 1000. */
  shutdown(now?: boolean): void;
  readonly session: Session;
}

export interface WebSocketOptions {
  /** The client's address, for logs and authentication rules. */
  readonly address?: string | undefined;
  /** Bytes of one frame. A client may put many messages of the protocol into one. Default 64 MiB. */
  readonly maxFrameBytes?: number | undefined;
  /** Bytes that may wait for the upstream where the platform cannot stop reading. Default 32 MiB. */
  readonly maxWaitingBytes?: number | undefined;
  /** Milliseconds that what was asked for before a clean close may go on. Default 5,000. */
  readonly lostClientGrace?: number | undefined;
  /** Runs work at the end of the event loop's turn; small answers of one turn share a frame. Default: a microtask. */
  readonly atTurnEnd?: ((work: () => void) => void) | undefined;
}

/** The codes of RFC 6455, 7.4.1, that a session's end is told with. */
export const closeCodes = {
  normal: 1000,
  goingAway: 1001,
  unsupportedData: 1003,
  policyViolation: 1008,
  messageTooBig: 1009,
} as const;

export const defaultMaxFrameBytes: number = 64 * 1024 * 1024;
const defaultMaxWaitingBytes = 32 * 1024 * 1024;
const defaultLostClientGrace = 5_000;

/** Bytes that may be pushed to a client that does not read; then it is cut off. */
const maxOverflow = 16 * 1024 * 1024;

/** Bytes of answers that may wait for the end of the turn. */
const smallAnswer = 4_096;

/** Serves a session over a WebSocket that is open. */
export function serveWebSocket(
  connection: WebSocketConnection,
  session: SessionOptions,
  options: WebSocketOptions = {},
): WebSocketSession {
  const transport = new WebSocketTransport(connection, options);
  return transport.attach(new Session(transport, session));
}

/** A session's transport over a WebSocket. It is no TLS connection to the session: SSLRequest is answered `N`. */
export class WebSocketTransport implements Transport {
  readonly address: string | undefined;
  readonly #connection: WebSocketConnection;
  readonly #options: WebSocketOptions;
  readonly #atTurnEnd: (work: () => void) => void;
  #session: Session | undefined;
  /** Small answers that wait for the end of the turn, and their bytes. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  /** Sends whose promise has not settled. */
  #sending = 0;
  /** Bytes that were written although the WebSocket was full. */
  #overflow = 0;
  /** Bytes that came although the session asked for no more. */
  #waiting = 0;
  #paused = false;
  #unwatch: () => void = () => {};
  #code: number = closeCodes.normal;
  #ended = false;

  constructor(connection: WebSocketConnection, options: WebSocketOptions = {}) {
    this.#connection = connection;
    this.#options = options;
    this.address = options.address;
    // Called as a method of another object, the one of workerd refuses.
    this.#atTurnEnd = options.atTurnEnd ?? ((work) => queueMicrotask(work));
  }

  /** Lets the WebSocket's messages into a session that has this transport. */
  attach(session: Session): WebSocketSession {
    this.#session = session;
    return {
      message: (data) => this.#message(session, data),
      closed: (clean = false) => this.#closed(session, clean),
      shutdown: (now) => {
        this.#code = closeCodes.goingAway;
        session.shutdown(now);
      },
      session,
    };
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#ended) return;
    if (this.#drained) this.#overflow += bytes.length;
    // Results wait for the client; what is pushed to it (notices, notifications) cannot.
    if (this.#overflow > maxOverflow) return this.destroy();
    if (bytes.length > smallAnswer) {
      this.#sendHeld();
      this.#send(bytes);
    } else {
      this.#held.push(bytes);
      this.#heldBytes += bytes.length;
      if (this.#heldBytes > smallAnswer) this.#sendHeld();
      else if (this.#held.length === 1) this.#atTurnEnd(this.#sendHeld);
    }
    return this.#drained?.promise;
  }

  end(): void {
    this.#close(this.#code);
  }

  destroy(): void {
    if (this.#ended) return;
    this.#gone();
    if (this.#connection.terminate) this.#connection.terminate();
    else this.#hangUp(closeCodes.policyViolation, "the client does not read");
    this.#session?.end();
  }

  readonly #sendHeld = (): void => {
    const held = this.#held;
    const [first] = held;
    if (!first || this.#ended) return;
    const bytes = held.length === 1 ? first : joined(held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    this.#send(bytes);
  };

  #send(bytes: Uint8Array): void {
    let pending: void | Promise<void>;
    try {
      pending = this.#connection.send(bytes);
    } catch {
      // It is closing, which not every platform tells before it refuses to send.
      this.#gone();
      return this.#session?.end();
    }
    if (pending) {
      this.#drained ??= Promise.withResolvers();
      this.#sending++;
      pending.then(() => {
        if (--this.#sending === 0) this.#release();
      });
    } else if (!this.#drained && overfull(this.#connection)) {
      this.#drained = Promise.withResolvers();
      this.#unwatch = watch(this.#connection, () => this.#release());
    }
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#overflow = 0;
  }

  #message(session: Session, data: ArrayBuffer | Uint8Array | string): void {
    if (this.#ended) return;
    if (typeof data === "string") {
      return this.#refuse(
        closeCodes.unsupportedData,
        fatal(sqlstate.protocolViolation, "text frames are not understood: send binary frames"),
      );
    }
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
    const { maxFrameBytes = defaultMaxFrameBytes, maxWaitingBytes = defaultMaxWaitingBytes } = this.#options;
    if (bytes.length > maxFrameBytes) {
      return this.#refuse(closeCodes.messageTooBig, tooLong(bytes.length, maxFrameBytes));
    }
    if (this.#paused) this.#waiting += bytes.length;
    if (this.#waiting > maxWaitingBytes) {
      return this.#refuse(
        closeCodes.messageTooBig,
        fatal(sqlstate.programLimitExceeded, "the client sends faster than its data can be taken", {
          detail: `More than ${maxWaitingBytes} bytes are waiting.`,
          hint: "Wait for answers before sending more; this platform cannot stop reading a WebSocket.",
        }),
      );
    }
    const pending = session.receive(bytes);
    if (!pending || this.#paused) return;
    this.#paused = true;
    this.#connection.pause?.();
    pending.then(() => {
      this.#paused = false;
      this.#waiting = 0;
      this.#connection.resume?.();
    });
  }

  #closed(session: Session, clean: boolean): void {
    const ended = this.#ended;
    this.#gone();
    if (!clean || ended) return session.end();
    // PostgreSQL, too, sees that a client has left only when it wants to read its next message.
    const { lostClientGrace = defaultLostClientGrace } = this.#options;
    const timer = setTimeout(() => session.end(), lostClientGrace);
    session.closed.then(() => clearTimeout(timer));
    session.finish();
  }

  /** Ends the session with an error that is this layer's: in the protocol's words, and in WebSocket's. */
  #refuse(code: number, error: PgError): void {
    const writer = new Writer();
    writeErrorResponse(writer, error.fields);
    this.write(writer.take());
    this.#close(code, error.message);
    this.#session?.end();
  }

  #close(code: number, reason?: string): void {
    if (this.#ended) return;
    this.#sendHeld();
    this.#gone();
    this.#hangUp(code, reason);
  }

  #hangUp(code: number, reason?: string): void {
    try {
      this.#connection.close(code, reason);
    } catch {
      // The client was faster.
    }
  }

  /** Nothing more is sent, and nobody has to wait for it. */
  #gone(): void {
    this.#ended = true;
    this.#unwatch();
    this.#release();
    // What the client still sends is read and dropped: its closing frame is behind it.
    this.#connection.resume?.();
  }
}

/** Where the platform has a limit of its own that is lower, it closes with the same code, and without these words. */
function tooLong(bytes: number, limit: number): PgError {
  return fatal(
    sqlstate.programLimitExceeded,
    `a frame of ${bytes} bytes is too long: the limit is ${limit} bytes`,
  );
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
