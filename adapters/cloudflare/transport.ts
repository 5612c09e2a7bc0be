// A session's transport over a Worker's inbound socket, which is a pair of web streams: back-pressure both ways, clients
// that close only their side, and an end that waits for what was written. There is no TLS here: a runtime that takes raw
// TCP hands over what it read, and SSLRequest is answered `N`.
import type { Session, Transport } from "../../src/session/mod.ts";

/** What a transport needs of a socket: that of the `connect` handler, or of a service binding. */
export type InboundSocket = Pick<Socket, "readable" | "writable" | "opened" | "closed" | "close">;

/** Bytes that may wait for the client before the session is told to wait. The stream's own signal counts only writes. */
const highWater = 64 * 1024;

/** Bytes that may be pushed to a client that does not read; then it is cut off. */
const maxOverflow = 16 * 1024 * 1024;

/** Bytes of one read; without a buffer of one's own it would be 4,096. */
const readSize = 16 * 1024;

/** Milliseconds that a client may take to read what was sent before its end; then it is cut off. */
const lingerTimeout = 5_000;

/** Milliseconds that a statement may go on after its client closed its side of the connection, before it is cancelled. */
const lostClientGrace = 5_000;

export class SocketTransport implements Transport {
  /** The peer's address, where the runtime tells it. */
  readonly address: string | undefined;
  /** Settles when both directions are over, or cut. */
  readonly closed: Promise<void>;
  readonly #socket: InboundSocket;
  readonly #reader: ReadableStreamBYOBReader;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #session: Session | undefined;
  /** Bytes that were written and that the socket has not taken. */
  #pending = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  /** Bytes that were written although the socket was full. */
  #overflow = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ending = false;
  #gone = false;
  #settleClosed: () => void = () => {};

  constructor(socket: InboundSocket, address?: string) {
    this.#socket = socket;
    this.address = address;
    this.#reader = socket.readable.getReader({ mode: "byob" });
    this.#writer = socket.writable.getWriter();
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    // Their errors are seen where they are used; these would be unhandled.
    this.#reader.closed.catch(() => {});
    this.#writer.closed.catch(() => {});
    // A client may vanish while nothing is read from it.
    const lost = (): void => this.#lost();
    socket.closed.then(lost, lost);
  }

  /** Lets the socket's bytes into the session. */
  attach(session: Session): void {
    this.#session = session;
    this.#read();
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#ending || this.#gone) return;
    if (this.#drained) this.#overflow += bytes.length;
    // Results wait for the client; what is pushed to it (notices, notifications) cannot.
    if (this.#overflow > maxOverflow) return this.destroy();
    this.#pending += bytes.length;
    this.#writer.write(bytes).then(
      () => {
        this.#pending -= bytes.length;
        if (this.#pending <= highWater) this.#release();
      },
      () => this.#lost(),
    );
    if (this.#pending <= highWater) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    if (this.#gone) return;
    // What the client still sends is read and dropped: closing over it would be a reset, which takes back from the client
    // what it has not read yet. But one that does not close its side, or does not read, is not waited for for ever.
    this.#writer.close().catch(() => this.#lost());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), lingerTimeout);
  }

  destroy(): void {
    if (this.#gone) return;
    // Not `close()`: that waits until the client has taken what was written.
    this.#writer.abort().catch(() => {});
    this.#lost();
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read(new Uint8Array(readSize));
        if (this.#gone) return;
        if (done) break;
        if (!this.#ending) await this.#session?.receive(value);
      }
    } catch {
      return this.#lost();
    }
    this.#halfClosed();
  }

  /** The client sends no more. It may still read, or be gone: only a failing write would tell. */
  #halfClosed(): void {
    if (this.#ending) return this.#lost();
    this.#timer = setTimeout(() => this.#session?.end(), lostClientGrace);
    this.#session?.finish();
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#overflow = 0;
  }

  #lost(): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#reader.cancel().catch(() => {});
    this.#socket.close().catch(() => {});
    this.#release();
    this.#session?.end();
    this.#settleClosed();
  }
}
