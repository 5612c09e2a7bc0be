// One connection of a tunnel: a client's socket at one end, a WebSocket at the other. What belongs to the socket is done
// here (TLS, the letters that answer for encryption, the words about a tunnel that is broken); all else is carried on.
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import type { WebSocketConnection } from "../../src/http/websocket.ts";
import {
  backendCodes,
  constantFrames,
  fatal,
  frontendCodes,
  maxStartupPacketLength,
  type PgError,
  sqlstate,
  Writer,
  writeErrorResponse,
} from "../../src/wire/mod.ts";
import type { Draining } from "./drain.ts";
import { MessageBoundaries } from "./message-boundaries.ts";
import type { Receiver, SocketTransport } from "./transport.ts";
import { webSocketConnection } from "./websocket-connection.ts";

/** Where a tunnel leads to, and how. */
export interface TunnelTarget {
  readonly url: string;
  /** The URL without what may be secret. */
  readonly where: string;
  /** For the handshake. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds for the handshake. */
  readonly handshakeTimeout: number;
  /** Is told of every tunnel that could not be opened, or broke. */
  readonly onError?: ((error: PgError) => void) | undefined;
}

/** The codes in the place of a protocol's version (PostgreSQL documentation, 53.7 Message Formats). */
const cancelRequest = 80877102;
const sslRequest = 80877103;
const gssencRequest = 80877104;

/** Milliseconds for a client to say what it wants; PostgreSQL's authentication_timeout. */
const startupTimeout = 60_000;

/** Milliseconds between two pings: proxies and routers on the way forget connections that say nothing. */
const pingInterval = 30_000;

/** Milliseconds after the closing frame for the gateway's own; then the connection is cut. */
const closeTimeout = 5_000;

/** Milliseconds before TCP keepalive probes. */
const keepAliveDelay = 60_000;

/** Bytes of a message that is not whole that are held back, so that an error can still be told in its place. */
const maxHeld = 16 * 1024;

/** Bytes of a refusal's text that are shown. */
const maxReason = 500;

const noBytes = new Uint8Array(0);

export class TunnelConnection implements Receiver, Draining {
  /** Settles when the client has been told everything; its socket may linger. */
  readonly closed: Promise<void>;
  readonly #transport: SocketTransport;
  readonly #target: TunnelTarget;
  readonly #refuse: PgError | undefined;
  #state: "startup" | "opening" | "open" | "ended" = "startup";
  /** What has come of a startup packet; while the WebSocket opens, what its first frame will carry. */
  #pending: Uint8Array = noBytes;
  #encryptionDone = new Set<number>();
  #cancelling = false;
  #socket: WebSocket | undefined;
  #connection: WebSocketConnection | undefined;
  readonly #opened: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #fromClient = new MessageBoundaries();
  readonly #fromServer = new MessageBoundaries();
  /** The beginning of a message from the server. */
  #held: Uint8Array = noBytes;
  /** The client has got the beginning of a message whose end is still to come. */
  #inMessage = false;
  /** The server owes a ReadyForQuery. */
  #busy = true;
  /** The client has closed its side, or has said that it goes. */
  #leaving = false;
  #stopping = false;
  #startupTimer: ReturnType<typeof setTimeout>;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #error: Error | undefined;
  readonly #settleClosed: () => void;

  /** @param refuse what to answer a StartupMessage with, instead of carrying it on */
  constructor(transport: SocketTransport, target: TunnelTarget, refuse?: PgError) {
    this.#transport = transport;
    this.#target = target;
    this.#refuse = refuse;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#settleClosed = resolve;
    this.#startupTimer = setTimeout(() => transport.destroy(), startupTimeout);
  }

  receive(chunk: Uint8Array): void | Promise<void> {
    switch (this.#state) {
      case "startup":
        this.#pending = joined(this.#pending, chunk);
        return this.#startup();
      case "opening":
        this.#pending = joined(this.#pending, chunk);
        return this.#opened.promise;
      case "open":
        return this.#forward(chunk);
    }
  }

  /** The client sends no more. A WebSocket has no half that could be closed, but the protocol has a word for it. */
  finish(): void {
    this.#leaving = true;
    if (this.#state === "startup") return this.#end();
    if (this.#state !== "open" || this.#cancelling) return;
    if (!this.#fromClient.whole) this.#socket?.close();
    else if (this.#fromClient.last !== frontendCodes.Terminate) {
      void this.#connection?.send(constantFrames.terminate.slice());
    }
  }

  /** The client is gone. */
  end(): void {
    if (this.#state === "ended") return;
    this.#end();
    // What it said before it went is still carried on; else what runs for it is cancelled.
    if (this.#leaving) this.#socket?.close();
    else this.#socket?.terminate();
  }

  /** Ends the connection with FATAL 57P01: at once if it is idle or `now` is given, else when its statement is done. */
  shutdown(now = false): void {
    this.#stopping = true;
    if (this.#state === "ended" || (this.#busy && this.#state === "open" && !now)) return;
    this.#tell(fatal(sqlstate.adminShutdown, "terminating connection due to administrator command"));
    if (this.#state === "open") void this.#connection?.send(constantFrames.terminate.slice());
    this.#end();
    this.#socket?.close();
  }

  #startup(): void | Promise<void> {
    const bytes = this.#pending;
    if (bytes.length < 4) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const length = view.getInt32(0);
    if (length < 8 || length > maxStartupPacketLength + 4) return this.#fail(invalidLength());
    if (bytes.length < length) return;
    const code = view.getInt32(4);
    if (code === sslRequest || code === gssencRequest) {
      return length === 8 ? this.#answerEncryption(code, length) : this.#fail(invalidLength());
    }
    clearTimeout(this.#startupTimer);
    this.#cancelling = code === cancelRequest;
    if (this.#refuse && !this.#cancelling) return this.#fail(this.#refuse);
    this.#open(length);
    return this.#opened.promise;
  }

  /** TLS is this side's matter: the way behind it is encrypted by the WebSocket. */
  #answerEncryption(code: number, length: number): void | Promise<void> {
    const { startTls } = this.#transport;
    if (this.#encryptionDone.has(code) || this.#transport.tls) return this.#fail(unexpected(code));
    this.#encryptionDone.add(code);
    const offered = code === sslRequest && startTls !== undefined;
    if (!offered) this.#transport.write(Uint8Array.of(0x4e));
    if (this.#pending.length > length) return this.#fail(unencryptedData(code));
    this.#pending = noBytes;
    if (offered) this.#transport.write(Uint8Array.of(0x53));
    // If the handshake fails, the transport ends this connection.
    if (!offered) return undefined;
    return startTls().then(
      () => {},
      () => {},
    );
  }

  #open(firstLength: number): void {
    this.#state = "opening";
    const { url, headers, handshakeTimeout } = this.#target;
    const settings = {
      headers,
      handshakeTimeout,
      perMessageDeflate: false,
      closeTimeout,
      // Rows are as long as they are; they pass through.
      maxPayload: 0,
    };
    const socket = new WebSocket(url, settings);
    this.#socket = socket;
    socket.on("error", (error) => {
      this.#error ??= error;
    });
    socket.on("unexpected-response", (_, response) => this.#refused(response));
    socket.on("upgrade", ({ socket: carrier }) =>
      carrier.setNoDelay(true).setKeepAlive(true, keepAliveDelay),
    );
    socket.on("open", () => {
      this.#state = "open";
      this.#connection = webSocketConnection(socket);
      this.#pingTimer = setInterval(() => socket.ping(), pingInterval);
      // In one frame: a password that was sent along with the StartupMessage has to be seen with it.
      const first = this.#pending;
      this.#pending = noBytes;
      if (!this.#cancelling) this.#follow(first.subarray(firstLength));
      void this.#connection.send(first);
      this.#opened.resolve();
      if (this.#leaving) this.finish();
    });
    socket.on("message", (data, isBinary) => {
      if (isBinary) this.#receiveFromServer(data as Buffer);
      else this.#break("the server sent a text frame, which is no part of the PostgreSQL protocol");
    });
    socket.on("close", (code, reason) => this.#closedByServer(code, reason.toString()));
  }

  /** The server answered the handshake with something else. Its text may say why. */
  #refused(response: IncomingMessage): void {
    const { statusCode, statusMessage, headers } = response;
    let text = "";
    const refuse = (): void => {
      const where = headers.location === undefined ? "" : ` to ${headers.location}`;
      const said = text.trim() === "" ? "" : `: ${text.trim().slice(0, maxReason)}`;
      this.#notOpened(`HTTP ${statusCode} ${statusMessage}${where}${said}`);
    };
    response.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.length >= maxReason) response.destroy();
    });
    response.once("close", refuse);
  }

  #follow(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#busy = true;
    this.#fromClient.push(bytes);
    if (this.#fromClient.whole && this.#fromClient.last === frontendCodes.Terminate) this.#leaving = true;
  }

  #forward(chunk: Uint8Array): void | Promise<void> {
    if (!this.#cancelling) this.#follow(chunk);
    return this.#connection?.send(chunk);
  }

  #receiveFromServer(chunk: Uint8Array): void {
    if (this.#state === "ended") return;
    const whole = this.#fromServer.push(chunk);
    let bytes: Uint8Array = noBytes;
    let rest = joined(this.#held, chunk);
    if (whole > 0) {
      const end = rest.length - chunk.length + whole;
      bytes = rest.subarray(0, end);
      rest = rest.subarray(end);
      this.#inMessage = false;
    }
    if (this.#inMessage || rest.length > maxHeld) {
      bytes = joined(bytes, rest);
      rest = noBytes;
      this.#inMessage = true;
    }
    this.#held = rest;
    if (bytes.length > 0) this.#write(bytes);
    if (this.#fromServer.whole && this.#fromServer.last === backendCodes.ReadyForQuery) {
      this.#busy = false;
      if (this.#stopping) this.shutdown();
    }
  }

  #write(bytes: Uint8Array): void {
    const pending = this.#transport.write(bytes);
    if (!pending) return;
    this.#socket?.pause();
    pending.then(() => this.#socket?.resume());
  }

  #closedByServer(code: number, reason: string): void {
    if (this.#state === "ended") return;
    const said = reason === "" ? "" : `: ${reason}`;
    const cause = this.#error ? `${this.#error.message} ` : "";
    if (this.#state !== "open")
      return this.#notOpened(this.#error?.message ?? `WebSocket close code ${code}`);
    const lastWord = this.#fromServer.whole && this.#fromServer.last === backendCodes.ErrorResponse;
    if (this.#leaving || this.#cancelling || lastWord) return this.#end();
    this.#break(`${cause}(WebSocket close code ${code}${said})`);
  }

  #notOpened(reason: string): void {
    const message = `the tunnel to ${this.#target.where} could not be opened`;
    this.#fail(fatal(sqlstate.connectionFailure, message, { detail: reason }));
  }

  #break(reason: string): void {
    const message = `the tunnel to ${this.#target.where} is broken`;
    this.#fail(fatal(sqlstate.connectionFailure, message, { detail: reason }));
  }

  #fail(error: PgError): void {
    if (this.#state === "ended") return;
    if (error.code === sqlstate.connectionFailure) this.#target.onError?.(error);
    this.#tell(error);
    this.#end();
    this.#socket?.terminate();
  }

  /** In the middle of a message there is no place for words: then the end has to do. CancelRequest has no answer at all. */
  #tell(error: PgError): void {
    if (this.#inMessage || this.#cancelling) return;
    const writer = new Writer();
    writeErrorResponse(writer, error.fields);
    this.#transport.write(writer.take());
  }

  #end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    clearTimeout(this.#startupTimer);
    clearInterval(this.#pingTimer);
    this.#held = noBytes;
    this.#pending = noBytes;
    this.#opened.resolve();
    this.#transport.end();
    this.#settleClosed();
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  if (second.length === 0) return first;
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function invalidLength(): PgError {
  return fatal(sqlstate.protocolViolation, "invalid length of startup packet");
}

/** Sent before any encryption, it may be an attacker's (CVE-2021-23214). */
function unencryptedData(code: number): PgError {
  const kind = code === sslRequest ? "SSL" : "GSSAPI encryption";
  return fatal(sqlstate.protocolViolation, `received unencrypted data after ${kind} request`, {
    detail:
      "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
  });
}

/** A second request is no request to PostgreSQL, but a version that it does not know. */
function unexpected(code: number): PgError {
  const version = `${code >> 16}.${code & 0xffff}`;
  const message = `unsupported frontend protocol ${version}: server supports 3.0 to 3.2`;
  return fatal(sqlstate.featureNotSupported, message);
}
