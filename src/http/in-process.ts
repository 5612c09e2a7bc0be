/**
 * A session in this process, and the client's end of its connection: what comes by HTTP goes through the same startup,
 * authentication, limits and upstreams as what comes over a socket.
 */
import type { ByteStream } from "../client/mod.ts";
import { Session, type SessionOptions } from "../session/mod.ts";

export interface InProcess {
  readonly stream: ByteStream;
  readonly session: Session;
}

/** Bytes under way in one direction before the writer has to wait. */
const highWater = 64 * 1024;

/** Opens a session whose client is the stream. `address` is that of the client behind the HTTP request. */
export function openInProcess(options: SessionOptions, address?: string): InProcess {
  const toServer = new Pipe((chunk) => session.receive(chunk));
  const toClient = new Pipe((chunk) => stream.onData(chunk));
  let over = false;

  /** Either side has closed: the other one hears of it behind what was sent before. */
  function closed(): void {
    if (over) return;
    over = true;
    toClient.end(() => stream.onClose(undefined));
  }

  const stream: ByteStream = {
    write: (bytes) => toServer.write(bytes),
    end: () => toServer.end(() => session.end()),
    destroy() {
      toClient.cut();
      toServer.cut();
      session.end();
    },
    onData() {},
    onClose() {},
  };
  const session = new Session(
    {
      write: (bytes) => toClient.write(bytes),
      end: closed,
      destroy: closed,
      ...(address !== undefined && { address }),
    },
    options,
  );
  return { stream, session };
}

/**
 * One direction. Chunks are handed over in a turn of their own: a side that writes while it reads would else be called
 * from inside of itself.
 */
class Pipe {
  readonly #receive: (chunk: Uint8Array) => void | Promise<void>;
  #chunks: Uint8Array[] = [];
  #size = 0;
  #delivering = false;
  #drained: PromiseWithResolvers<void> | undefined;
  #last: (() => void) | undefined;
  #over = false;

  constructor(receive: (chunk: Uint8Array) => void | Promise<void>) {
    this.#receive = receive;
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#over || this.#last) return;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    this.#start();
    if (this.#size < highWater) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /** Calls `last` behind all that was written; nothing is written any more. */
  end(last: () => void): void {
    if (this.#over || this.#last) return;
    this.#last = last;
    this.#start();
  }

  /** Drops what is under way. */
  cut(): void {
    this.#over = true;
    this.#chunks = [];
    this.#drained?.resolve();
  }

  #start(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    queueMicrotask(() => this.#deliver());
  }

  /** Neither side throws or rejects: what goes wrong there ends its own half. */
  async #deliver(): Promise<void> {
    for (let chunk = this.#chunks.shift(); chunk && !this.#over; chunk = this.#chunks.shift()) {
      const pressure = this.#receive(chunk);
      if (pressure) await pressure;
      this.#size -= chunk.length;
      if (this.#size < highWater) {
        this.#drained?.resolve();
        this.#drained = undefined;
      }
    }
    this.#delivering = false;
    if (this.#over || !this.#last) return;
    this.#over = true;
    this.#last();
  }
}
