// A session's transport over a Deno.Conn: back-pressure both ways, TLS from the start or after SSLRequest, clients that
// close only their side, and an end that waits for what was written.
import type { TlsInfo } from "../../src/auth/mod.ts";
import type { Session, Transport } from "../../src/session/mod.ts";
import type { Channel } from "./channel.ts";
import { Outbox } from "./outbox.ts";
import type { TlsServer } from "./tls.ts";

export interface ConnTransportOptions {
  /** Absent: SSLRequest is answered `N`, and direct TLS is not understood. */
  readonly tls?: TlsServer | undefined;
  /** See ListenOptions. */
  readonly lostClientGrace: number;
  /** The peer's IP address, or `[local]` for a Unix socket, as in PostgreSQL's log. */
  readonly address: string;
}

/** Milliseconds that a client may take to read what was sent before its end; then it is cut off. */
const lingerTimeout = 5_000;

/** Bytes that may be pushed to a client that does not read; then it is cut off. */
const maxOverflow = 16 * 1024 * 1024;

/** The first byte of a TLS record that carries a handshake; a startup packet's first byte is 0. */
const tlsHandshakeByte = 0x16;

export class ConnTransport implements Transport {
  tls: TlsInfo | undefined;
  readonly startTls?: () => Promise<TlsInfo>;
  readonly address: string;
  /** Settles when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #options: ConnTransportOptions;
  /** That of TLS once there is one. */
  #channel: Channel;
  #outbox: Outbox;
  #session: Session | undefined;
  /** Settles when the session wants to read on. */
  #paused: PromiseWithResolvers<void> | undefined;
  /** Bytes that were written although the connection was full. */
  #overflow = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #handshaking = false;
  /** The client has closed its side. */
  #halfClosed = false;
  #ending = false;
  #gone = false;
  readonly #settleClosed: () => void;

  constructor(channel: Channel, options: ConnTransportOptions) {
    this.#channel = channel;
    this.#outbox = this.#outboxOf(channel);
    this.#options = options;
    this.address = options.address;
    const { tls } = options;
    if (tls) this.startTls = () => this.#handshake(tls);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#settleClosed = resolve;
  }

  /** Lets the connection's bytes into the session. */
  attach(session: Session): void {
    this.#session = session;
    this.#start(this.#channel, this.#options.tls);
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#ending || this.#handshaking || this.#gone) return;
    this.#overflow = this.#outbox.full ? this.#overflow + bytes.length : 0;
    // Results wait for the client; what is pushed to it (notices, notifications) cannot.
    if (this.#overflow > maxOverflow) return this.destroy();
    return this.#outbox.write(bytes);
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    if (this.#gone || this.#handshaking) return this.destroy();
    const channel = this.#channel;
    this.#outbox
      .flush()
      .then(() => channel.closeWrite())
      .then(() => {
        if (this.#halfClosed) this.destroy();
      })
      .catch(() => this.destroy());
    // What the client still sends is read and dropped: closing over it would be a reset, which takes back from the client
    // what it has not read yet. But one that does not close its side, or does not read, is not waited for for ever.
    this.#resume();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), lingerTimeout);
  }

  destroy(): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#channel.close();
    this.#outbox.close();
    this.#resume();
    this.#session?.end();
    this.#settleClosed();
  }

  #outboxOf(channel: Channel): Outbox {
    return new Outbox(channel, () => {
      // While TLS starts, the failure of the plain connection is the handshake's.
      if (channel === this.#channel) this.destroy();
    });
  }

  #start(channel: Channel, direct?: TlsServer): void {
    this.#read(channel, direct).catch(() => {
      if (channel === this.#channel && !this.#handshaking) this.destroy();
    });
  }

  /** Reads until the end, or until TLS takes the channel over. `direct`: it may begin with TLS. */
  async #read(channel: Channel, direct: TlsServer | undefined): Promise<void> {
    for (let first = true; ; first = false) {
      const chunk = await channel.read();
      // The handshake reads the same channel now, and gets the same bytes.
      if (this.#handshaking || channel !== this.#channel || this.#gone) return;
      if (!chunk) return this.#inputEnded();
      if (this.#ending) continue;
      if (first && direct && chunk[0] === tlsHandshakeByte) return this.#directTls(direct, chunk);
      const pending = this.#session?.receive(chunk);
      if (this.#handshaking) return;
      if (pending) await this.#pause(pending);
    }
  }

  /** Waits for the session, or for the end of it. */
  #pause(pending: Promise<void>): Promise<void> {
    this.#paused = Promise.withResolvers();
    pending.then(() => this.#resume());
    // A session that has ended while it took the bytes does not settle what it promised.
    if (this.#ending) this.#resume();
    return this.#paused?.promise ?? Promise.resolve();
  }

  #resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  /** The client sends no more. It may still read, or be gone: only a failing write would tell. */
  #inputEnded(): void {
    this.#halfClosed = true;
    if (this.#ending) return void this.#outbox.flush().then(() => this.destroy());
    this.#timer = setTimeout(() => this.#session?.end(), this.#options.lostClientGrace);
    this.#session?.finish();
  }

  /** Direct TLS, as PostgreSQL 17 and later take it: the connection begins with the handshake. */
  #directTls(tls: TlsServer, first: Uint8Array): void {
    this.#handshake(tls, first).then(
      ({ alpn }) => {
        // Without ALPN the client may not know whom it talks to (ALPACA attacks); PostgreSQL requires it, too.
        if (alpn !== "postgresql") this.#session?.end();
      },
      () => {},
    );
  }

  /** A handshake that fails ends the session without an answer: there is no common language to give one in. */
  async #handshake(tls: TlsServer, first?: Uint8Array): Promise<TlsInfo> {
    this.#handshaking = true;
    try {
      await this.#outbox.flush();
      const { channel, info } = await tls.accept(this.#channel, first);
      if (this.#gone) {
        channel.close();
        throw new Error("the connection was closed during the TLS handshake");
      }
      this.#channel = channel;
      this.#outbox = this.#outboxOf(channel);
      this.tls = info;
      this.#handshaking = false;
      this.#start(channel);
      return info;
    } catch (error) {
      this.#handshaking = false;
      this.destroy();
      throw error;
    }
  }
}
