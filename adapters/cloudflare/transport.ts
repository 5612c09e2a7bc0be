// A session's transport over a Worker's inbound socket, which is a pair of web streams: back-pressure both ways, clients
// that close only their side, and an end that waits for what was written. There is no TLS here: a runtime that takes raw
// TCP hands over what it read, and SSLRequest is answered `N`.
import type { Session, Transport } from "../../src/session/mod.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** What a transport needs of a socket: that of the `connect` handler, or of a service binding. */
export type InboundSocket = Pick<Socket, "readable" | "writable" | "opened" | "closed" | "close">;

/** Bytes that may be pushed to a client that does not read; then it is cut off. */
const maxOverflow = 16 * 1024 * 1024;

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
  readonly #reader: ByteReader;
  readonly #writer: ByteWriter;
  #session: Session | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ending = false;
  #gone = false;
  #settleClosed: () => void = () => {};

  constructor(socket: InboundSocket, address?: string) {
    this.#socket = socket;
    this.address = address;
    const lost = (): void => this.#lost();
    this.#reader = new ByteReader(socket.readable);
    this.#writer = new ByteWriter(socket.writable, lost);
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    // A client may vanish while nothing is read from it.
    socket.closed.then(lost, lost);
  }

  /** Lets the socket's bytes into the session. */
  attach(session: Session): void {
    this.#session = session;
    this.#read();
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#ending || this.#gone) return;
    const pending = this.#writer.write(bytes);
    // Results wait for the client; what is pushed to it (notices, notifications) cannot.
    if (this.#writer.overflow > maxOverflow) return this.destroy();
    return pending;
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    if (this.#gone) return;
    // What the client still sends is read and dropped: closing over it would be a reset, which takes back from the client
    // what it has not read yet. But one that does not close its side, or does not read, is not waited for for ever.
    this.#writer.close();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), lingerTimeout);
  }

  destroy(): void {
    if (this.#gone) return;
    // Not the socket's `close()` alone: that waits until the client has taken what was written.
    this.#writer.abort();
    this.#lost();
  }

  async #read(): Promise<void> {
    try {
      for (let chunk = await this.#reader.read(); chunk; chunk = await this.#reader.read()) {
        if (this.#gone) return;
        if (!this.#ending) await this.#session?.receive(chunk);
      }
    } catch {
      return this.#lost();
    }
    this.#halfClosed();
  }

  /** The client sends no more. It may still read, or be gone: only a failing write would tell. */
  #halfClosed(): void {
    if (this.#gone) return;
    if (this.#ending) return this.#lost();
    this.#timer = setTimeout(() => this.#session?.end(), lostClientGrace);
    this.#session?.finish();
  }

  #lost(): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#reader.cancel();
    this.#socket.close().catch(() => {});
    this.#writer.release();
    this.#session?.end();
    this.#settleClosed();
  }
}
