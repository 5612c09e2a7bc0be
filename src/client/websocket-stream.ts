/**
 * A client's byte stream over a WebSocket: binary frames that carry the protocol, as Neon's proxy and edgewire's gateway
 * take them. Over the global WebSocket of the standard, or over one that is given.
 */
import type { TlsInfo } from "../auth/source.ts";
import { fatal, type PgError } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { overfull, watch } from "./buffered-amount.ts";
import type { ByteStream } from "./byte-stream.ts";
import { defaultConnectTimeout } from "./options.ts";

/** What is used of a WebSocket: the standard's, the one of Workers, or that of the `ws` package, which can pause. */
export interface ClientWebSocket {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount?: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(
    type: "close",
    listener: (event: { code: number; reason: string; wasClean: boolean }) => void,
  ): void;
  addEventListener(type: "error", listener: (event: object) => void): void;
  pause?(): void;
  resume?(): void;
  terminate?(): void;
}

export interface WebSocketStreamOptions {
  /** Where it leads to, for errors. */
  readonly where?: string | undefined;
  /** It came by `wss:`: the stream counts as encrypted, by a server whose certificate the platform has checked. */
  readonly secure?: boolean | undefined;
  /**
   * Bytes that may wait for their reader where the WebSocket cannot be paused (the standard's cannot); then the
   * connection is given up. Default 64 MiB.
   */
  readonly maxWaitingBytes?: number | undefined;
}

export interface OpenWebSocketOptions extends Omit<WebSocketStreamOptions, "where" | "secure"> {
  /** For the handshake. Node and Deno take them, the standard, and so Workers and browsers, do not. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly protocols?: readonly string[] | undefined;
  /** Milliseconds for the handshake, 0 for no bound. Default: as for connecting. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const defaultMaxWaitingBytes = 64 * 1024 * 1024;

/** RFC 6455, 7.4.1. */
const normalClosure = 1000;

/**
 * Opens a WebSocket, `ws:` or `wss:`, for the client half.
 * @throws PgError 08001 that says where, and why not; or what the signal was aborted with
 */
export async function openWebSocket(url: string, options: OpenWebSocketOptions = {}): Promise<ByteStream> {
  const where = place(url);
  options.signal?.throwIfAborted();
  const socket = construct(url, where, options);
  try {
    await opened(socket, where, options);
  } catch (error) {
    socket.close();
    throw error;
  }
  return webSocketStream(socket, { ...options, where, secure: /^(wss|https):/i.test(url) });
}

/** The stream of a WebSocket that is open. */
export function webSocketStream(socket: ClientWebSocket, options: WebSocketStreamOptions = {}): ByteStream {
  return new WebSocketStream(socket, options);
}

class WebSocketStream implements ByteStream {
  readonly tls: TlsInfo | undefined;
  onData: ByteStream["onData"] = () => {};
  onClose: ByteStream["onClose"] = () => {};
  readonly #socket: ClientWebSocket;
  readonly #where: string | undefined;
  readonly #maxWaitingBytes: number;
  #drained: PromiseWithResolvers<void> | undefined;
  #unwatch: () => void = () => {};
  /** The reader has asked for a pause; what comes all the same waits here. */
  #paused = false;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** The closing frame came while bytes before it were waiting: it comes behind them. */
  #closing: { readonly error: Error | undefined } | undefined;
  #error: Error | undefined;
  #closed = false;

  constructor(socket: ClientWebSocket, options: WebSocketStreamOptions) {
    this.#socket = socket;
    this.#where = options.where;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? defaultMaxWaitingBytes;
    this.tls = options.secure ? {} : undefined;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    socket.addEventListener("error", (event) => {
      this.#error ??= new Error(reasonOf(event));
    });
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      const error = wasClean && code === normalClosure ? undefined : this.#lost(code, reason);
      if (this.#waiting.length > 0) this.#closing = { error };
      else this.#finish(error);
    });
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#closed) return;
    // Before it is open it throws, and after its end it counts what it drops.
    if (this.#socket.readyState === 1) this.#socket.send(bytes as Uint8Array<ArrayBuffer>);
    if (this.#drained) return this.#drained.promise;
    if (!overfull(this.#socket)) return;
    this.#drained = Promise.withResolvers();
    this.#unwatch = watch(this.#socket, () => this.#release());
    return this.#drained.promise;
  }

  end(): void {
    this.#socket.close(normalClosure);
    // Paused, it would not see the other side's closing frame.
    this.#socket.resume?.();
  }

  destroy(): void {
    if (this.#socket.terminate) this.#socket.terminate();
    else this.#socket.close(normalClosure);
    // The standard's WebSocket waits for the other side, which may be long gone.
    queueMicrotask(() => this.#finish(undefined));
  }

  #receive(data: unknown): void {
    if (this.#closed) return;
    if (!(data instanceof ArrayBuffer)) {
      return this.#giveUp("the server sent a text frame, which is no part of the PostgreSQL protocol");
    }
    const chunk = new Uint8Array(data);
    if (!this.#paused) return this.#deliver(chunk);
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > this.#maxWaitingBytes) {
      this.#giveUp(
        `more than ${this.#maxWaitingBytes} bytes wait to be read, and a WebSocket cannot be paused`,
      );
    }
  }

  #deliver(chunk: Uint8Array): void {
    const pending = this.onData(chunk);
    if (!pending) return;
    this.#paused = true;
    this.#socket.pause?.();
    pending.then(() => this.#resume());
  }

  #resume(): void {
    this.#paused = false;
    while (!this.#paused && !this.#closed) {
      const chunk = this.#waiting.shift();
      if (!chunk) break;
      this.#waitingBytes -= chunk.length;
      this.#deliver(chunk);
    }
    if (this.#paused) return;
    this.#socket.resume?.();
    if (this.#closing) this.#finish(this.#closing.error);
  }

  #giveUp(reason: string): void {
    const error = connectionFailure(this.#where, reason);
    if (this.#socket.terminate) this.#socket.terminate();
    else this.#socket.close(normalClosure);
    this.#finish(error);
  }

  #lost(code: number, reason: string): PgError {
    const said = reason === "" ? "" : `: ${reason}`;
    const cause = this.#error?.message ? `${this.#error.message} ` : "";
    return connectionFailure(this.#where, `${cause}(WebSocket close code ${code}${said})`);
  }

  #release(): void {
    this.#unwatch();
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = [];
    this.#release();
    this.onClose(error);
  }
}

function construct(
  url: string,
  where: string,
  { headers, protocols = [] }: OpenWebSocketOptions,
): ClientWebSocket {
  try {
    // Node and Deno know an object in the place of the standard's list; the types of Workers do not.
    const options = headers ? { headers, protocols: [...protocols] } : [...protocols];
    return new WebSocket(url, options as string[]);
  } catch (error) {
    throw unopened(where, (error as Error).message);
  }
}

function opened(
  socket: ClientWebSocket,
  where: string,
  { timeout, signal }: OpenWebSocketOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (reason: string): void => reject(unopened(where, reason));
  const milliseconds = timeout ?? defaultConnectTimeout;
  const timer = milliseconds > 0 ? setTimeout(() => fail("timeout expired"), milliseconds) : undefined;
  const abort = (): void => reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  socket.addEventListener("open", resolve);
  socket.addEventListener("error", (event) => fail(reasonOf(event)));
  socket.addEventListener("close", ({ code }) => fail(`the WebSocket was closed (code ${code})`));
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  });
}

/** The URL without what may be secret: user, password and query. */
function place(url: string): string {
  try {
    const { protocol, hostname, port, pathname } = new URL(url);
    return `${protocol}//${hostname}${port && `:${port}`}${pathname}`;
  } catch {
    throw unopened("the WebSocket", "its URL cannot be read");
  }
}

/** The standard gives no reason; some platforms do. */
function reasonOf(event: object): string {
  const { message, error } = event as { message?: unknown; error?: { message?: unknown } };
  const text = [message, error?.message].find((said) => typeof said === "string" && said !== "");
  return typeof text === "string" ? text : "the WebSocket failed";
}

function unopened(where: string, reason: string): PgError {
  return fatal(
    sqlstate.sqlclientUnableToEstablishSqlconnection,
    `connection to server at ${where} failed: ${reason}`,
  );
}

function connectionFailure(where: string | undefined, reason: string): PgError {
  return fatal(sqlstate.connectionFailure, "server closed the connection unexpectedly", {
    detail: where === undefined ? reason : `${where}: ${reason}`,
  });
}
