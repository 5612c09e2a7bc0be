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

/** A stream over a channel, for TLS to run on. `first`: what was read of the channel already. */
export function duplexOf(channel: Channel, first?: Uint8Array): Duplex {
  let unread = first;
  const next = async (): Promise<Uint8Array | undefined> => {
    const bytes = unread ?? (await channel.read());
    unread = undefined;
    return bytes;
  };
  return new Duplex({
    read(this: Duplex): void {
      next().then(
        (bytes) => this.push(bytes ?? null),
        (error: Error) => this.destroy(error),
      );
    },
    write(bytes: Uint8Array, _encoding, done): void {
      channel.write(bytes).then(() => done(), done);
    },
    final(done): void {
      // The other side may be gone already, and then there is nobody to tell.
      channel.closeWrite().then(
        () => done(),
        () => done(),
      );
    },
    destroy(error, done): void {
      channel.close();
      done(error);
    },
  });
}

/** What TLS carries, as a channel. */
export class TlsChannel implements Channel {
  readonly #socket: TLSSocket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #reading: Promise<Uint8Array | undefined> | undefined;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    // Errors are told to whoever reads or writes; here they only must not end the process.
    socket.on("error", () => {});
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
      return done ? undefined : value;
    } finally {
      this.#reading = undefined;
    }
  }
}
