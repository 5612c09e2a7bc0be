/**
 * A connection in memory: the client's byte stream, and the transport that a session has at the other end. Bytes arrive
 * later than they are sent, cut as asked for, with back-pressure, and a close comes behind what was written before it.
 */
import { setImmediate } from "node:timers";
import type { TlsInfo } from "../../src/auth/mod.ts";
import type { ByteStream } from "../../src/client/mod.ts";
import type { Transport } from "../../src/session/mod.ts";

export interface DuplexOptions {
  /** Longest chunk that arrives; 1 is byte by byte. Default: as it was written. */
  readonly cut?: number | undefined;
  /** Bytes on the way until `write` asks to wait. Default 64 KiB. */
  readonly highWater?: number | undefined;
  /** Both ends can start TLS, and are told this of it. Nothing is encrypted. */
  readonly tls?: { readonly client: TlsInfo; readonly server: TlsInfo } | undefined;
}

/** The server's end: what a session writes to, and who is told what the client does. */
export interface ServerEnd extends Transport {
  onData: (chunk: Uint8Array) => void | Promise<void>;
  /** The client has closed the connection. */
  onClose: () => void;
}

export interface Duplex {
  readonly client: ByteStream;
  readonly server: ServerEnd;
}

export function duplex(options: DuplexOptions = {}): Duplex {
  const toServer = new Pipe(options);
  const toClient = new Pipe(options);
  const cutOff = (): void => {
    toServer.cutOff();
    toClient.cutOff();
  };
  const client: ByteStream & { tls?: TlsInfo } = {
    write: (bytes) => toServer.write(bytes),
    end: () => toServer.end(),
    destroy: cutOff,
    onData: () => {},
    onClose: () => {},
  };
  const server: ServerEnd & { tls?: TlsInfo } = {
    write: (bytes) => toClient.write(bytes),
    end: () => toClient.end(),
    destroy: cutOff,
    onData: () => {},
    onClose: () => {},
  };
  toServer.onData = (chunk) => server.onData(chunk);
  toClient.onData = (chunk) => client.onData(chunk);
  // A socket whose one end has closed closes at the other end too, once that has read everything.
  toServer.onEnd = () => {
    toClient.end();
    server.onClose();
  };
  toClient.onEnd = () => {
    toServer.end();
    client.onClose(undefined);
  };
  if (options.tls) {
    const { tls } = options;
    client.startTls = async () => {
      client.tls = tls.client;
      return tls.client;
    };
    server.startTls = async () => {
      server.tls = tls.server;
      return tls.server;
    };
  }
  return { client, server };
}

/** One direction. */
class Pipe {
  onData: (chunk: Uint8Array) => void | Promise<void> = () => {};
  onEnd: () => void = () => {};
  readonly #cut: number;
  readonly #highWater: number;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #ending = false;
  #over = false;
  #busy = false;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor({ cut = Number.POSITIVE_INFINITY, highWater = 64 * 1024 }: DuplexOptions) {
    this.#cut = cut;
    this.#highWater = highWater;
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#ending || bytes.length === 0) return;
    // The writer may not touch them again, and neither side may count on their place in memory.
    for (let at = 0; at < bytes.length; at += this.#cut) this.#chunks.push(bytes.slice(at, at + this.#cut));
    this.#size += bytes.length;
    this.#schedule();
    if (this.#size < this.#highWater) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#schedule();
  }

  cutOff(): void {
    this.#chunks = [];
    this.#size = 0;
    this.#drained?.resolve();
    this.end();
  }

  #schedule(): void {
    if (this.#busy || this.#over) return;
    this.#busy = true;
    setImmediate(() => this.#deliver());
  }

  async #deliver(): Promise<void> {
    // Several chunks for each turn of the event loop, as a socket has several in its buffer.
    for (let count = 0; count < 64 && this.#chunks.length > 0; count++) {
      const chunk = this.#chunks.shift() as Uint8Array;
      this.#size -= chunk.length;
      const pressure = this.onData(chunk);
      if (pressure) await pressure;
    }
    if (this.#size < this.#highWater) {
      this.#drained?.resolve();
      this.#drained = undefined;
    }
    this.#busy = false;
    if (this.#chunks.length > 0) this.#schedule();
    else if (this.#ending && !this.#over) {
      this.#over = true;
      this.onEnd();
    }
  }
}
