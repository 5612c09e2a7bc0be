// The way between a Channel and node:tls, which wants a node:stream below it and is one itself. Deno has TLS of its own for
// servers and clients, but none that a server can start on a connection that stands, and none that shows a certificate.
import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Channel } from "./channel.ts";

/** Before it, node:tls on Deno took certificates for good that it had not asked for or not looked at. */
const oldestDeno = [2, 9];

/** @throws Error on a Deno whose TLS cannot be relied on */
export function checkTls(): void {
  const [major = 0, minor = 0] = Deno.version.deno.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldestDeno;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new Error(`TLS needs Deno ${oldestDeno.join(".")} or later; this is ${Deno.version.deno}`);
}

/** A stream over a channel, for TLS to run on. */
export class ChannelStream extends Duplex {
  readonly #channel: Channel;
  #unread: Uint8Array | undefined;
  #isFull: () => boolean = () => false;
  #drained: PromiseWithResolvers<void> | undefined;

  /** `first`: what was read of the channel already. */
  constructor(channel: Channel, first?: Uint8Array) {
    super();
    this.#channel = channel;
    this.#unread = first;
  }

  /**
   * Deno's TLS hands out no more than is taken of what it decrypts, but reads on all the same, and keeps the rest to
   * itself. So it is the stream below that has to stop. It looks at `isFull` before it reads, and again at each `drain`.
   */
  holdWhile(isFull: () => boolean): void {
    this.#isFull = isFull;
  }

  drain(): void {
    if (!this.#drained || this.#isFull()) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }

  override _read(): void {
    this.#next().then(
      (bytes) => this.push(bytes ?? null),
      (error: Error) => this.destroy(error),
    );
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#channel.write(bytes).then(() => done(), done);
  }

  override _final(done: () => void): void {
    // The other side may be gone already, and then there is nobody to tell.
    this.#channel.closeWrite().then(
      () => done(),
      () => done(),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#channel.close();
    this.#drained?.resolve();
    done(error);
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#isFull()) {
      this.#drained = Promise.withResolvers();
      await this.#drained.promise;
    }
    const bytes = this.#unread ?? (await this.#channel.read());
    this.#unread = undefined;
    return bytes;
  }
}

/** What TLS carries, as a channel. */
export class TlsChannel implements Channel {
  readonly #socket: TLSSocket;
  readonly #below: ChannelStream;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #reading: Promise<Uint8Array | undefined> | undefined;

  /** `below` is what the socket runs on. */
  constructor(socket: TLSSocket, below: ChannelStream) {
    this.#socket = socket;
    this.#below = below;
    // Errors are told to whoever reads or writes; here they only must not end the process.
    socket.on("error", () => {});
    below.holdWhile(() => socket.readableLength >= socket.readableHighWaterMark);
    // The end of what the other side sends is not the end of what is sent to it.
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  read(): Promise<Uint8Array | undefined> {
    this.#reading ??= this.#next();
    return this.#reading;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { value, done } = await this.#chunks.next();
      this.#below.drain();
      return done ? undefined : value;
    } finally {
      this.#reading = undefined;
    }
  }
}
