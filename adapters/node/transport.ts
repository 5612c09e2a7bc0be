// A session's transport over a Node socket: back-pressure both ways, TLS from the start or after SSLRequest, clients that
// close only their side, and an end that waits for what was written.
import type { Socket } from "node:net";
import type { TlsInfo } from "../../src/auth/mod.ts";
import type { Session, Transport } from "../../src/session/mod.ts";
import { type TlsServer, tlsInfo } from "./tls.ts";
import { atTurnEnd } from "./turn-end.ts";

export interface SocketTransportOptions {
  /** Absent: SSLRequest is answered `N`, and direct TLS is not understood. */
  readonly tls?: TlsServer | undefined;
  /** See ListenOptions. */
  readonly lostClientGrace: number;
}

/** Milliseconds that a client may take to read what was sent before its end; then it is cut off. */
const lingerTimeout = 5_000;

/** Bytes that may be pushed to a client that does not read; then it is cut off. */
const maxOverflow = 16 * 1024 * 1024;

/** Bytes of an answer that may wait for the end of the turn. */
const smallAnswer = 4_096;

/** The first byte of a TLS record that carries a handshake; a startup packet's first byte is 0. */
const tlsHandshakeByte = 0x16;

/** What takes a connection's bytes: a session, or what carries them on. */
export type Receiver = Pick<Session, "receive" | "finish" | "end">;

export class SocketTransport implements Transport {
  tls: TlsInfo | undefined;
  readonly startTls?: () => Promise<TlsInfo>;
  /** The peer's IP address, or `[local]` for a Unix socket, as in PostgreSQL's log. */
  readonly address: string;
  /** Settles when the socket is gone. */
  readonly closed: Promise<void>;
  readonly #options: SocketTransportOptions;
  /** The TLS socket once there is one. */
  #socket: Socket;
  #session: Receiver | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  /** Bytes that were written although the socket was full. */
  #overflow = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** A small answer that waits for the end of the turn. */
  #held: Uint8Array | undefined;
  #untouched = true;
  #handshaking = false;
  #ending = false;
  #gone = false;

  /** `socket` must allow half-open connections, or a client's end would cut off its answers. */
  constructor(socket: Socket, options: SocketTransportOptions) {
    this.#socket = socket;
    this.#options = options;
    this.address = socket.remoteAddress ?? "[local]";
    const { tls } = options;
    if (tls) this.startTls = () => this.#handshake(tls);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on("error", () => {});
    // Under TLS, too: the TLS socket closes the one below it.
    socket.once("close", () => {
      this.#gone = true;
      clearTimeout(this.#timer);
      this.#release();
      this.#session?.end();
      resolve();
    });
  }

  /** Lets the socket's bytes into the session. */
  attach(session: Receiver): void {
    this.#session = session;
    this.#listen(this.#socket);
  }

  write(bytes: Uint8Array): void | Promise<void> {
    // A write after the end is an error to Node's streams, which would take with it what waits to be sent.
    if (this.#ending || this.#handshaking || this.#socket.destroyed) return;
    if (this.#drained) this.#overflow += bytes.length;
    // Results wait for the client; what is pushed to it (notices, notifications) cannot.
    if (this.#overflow > maxOverflow) return this.destroy();
    if (bytes.length <= smallAnswer && !this.#held && !this.#drained) {
      this.#held = bytes;
      atTurnEnd(this.#sendHeld);
      return;
    }
    this.#sendHeld();
    if (this.#socket.write(bytes)) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  end(): void {
    if (this.#ending) return;
    this.#sendHeld();
    this.#ending = true;
    if (this.#gone || this.#handshaking) return this.destroy();
    this.#socket.end();
    // What the client still sends is read and dropped: closing over it would be a reset, which takes back from the client
    // what it has not read yet. But one that does not close its side, or does not read, is not waited for for ever.
    this.#socket.resume();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), lingerTimeout);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #sendHeld = (): void => {
    const bytes = this.#held;
    if (!bytes) return;
    this.#held = undefined;
    if (this.#socket.destroyed || this.#socket.write(bytes)) return;
    // Whoever wrote it does not wait any more, but whoever writes next will.
    this.#drained ??= Promise.withResolvers();
  };

  readonly #receive = (chunk: Buffer): void => {
    const { tls } = this.#options;
    const first = this.#untouched;
    this.#untouched = false;
    if (first && tls && chunk[0] === tlsHandshakeByte) return this.#directTls(tls, chunk);
    const pending = this.#session?.receive(chunk);
    if (!pending) return;
    this.#socket.pause();
    pending.then(() => this.#socket.resume());
  };

  readonly #release = (): void => {
    this.#drained?.resolve();
    this.#drained = undefined;
    this.#overflow = 0;
  };

  /** The client sends no more. It may still read, or be gone: only a failing write would tell. */
  readonly #halfClosed = (): void => {
    if (this.#ending) return;
    this.#timer = setTimeout(() => this.#session?.end(), this.#options.lostClientGrace);
    this.#session?.finish();
  };

  #listen(socket: Socket): void {
    socket.on("data", this.#receive);
    socket.on("drain", this.#release);
    socket.on("end", this.#halfClosed);
  }

  #unlisten(socket: Socket): void {
    socket.off("data", this.#receive);
    socket.off("drain", this.#release);
    socket.off("end", this.#halfClosed);
  }

  /** Direct TLS, as PostgreSQL 17 and later take it: the connection begins with the handshake. */
  #directTls(tls: TlsServer, first: Buffer): void {
    this.#socket.pause();
    this.#socket.unshift(first);
    this.#handshake(tls).then(
      ({ alpn }) => {
        // Without ALPN the client may not know whom it talks to (ALPACA attacks); PostgreSQL requires it, too.
        if (alpn !== "postgresql") this.#session?.end();
      },
      () => {},
    );
  }

  /** A handshake that fails ends the session without an answer: there is no common language to give one in. */
  async #handshake(tls: TlsServer): Promise<TlsInfo> {
    const plain = this.#socket;
    this.#untouched = false;
    this.#sendHeld();
    this.#unlisten(plain);
    plain.pause();
    this.#handshaking = true;
    try {
      const secure = await tls.accept(plain);
      this.#socket = secure;
      this.tls = tlsInfo(secure);
      this.#listen(secure);
      return this.tls;
    } catch (error) {
      plain.destroy();
      this.#session?.end();
      throw error;
    } finally {
      this.#handshaking = false;
    }
  }
}
