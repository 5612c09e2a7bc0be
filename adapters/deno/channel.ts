// Bytes both ways, as everything here reads and writes them: a Deno.Conn, or TLS on top of one (tls-channel.ts).

export interface Channel {
  /**
   * What came next, which belongs to the caller; undefined: the other side sends no more. A call while another one waits
   * gets the same bytes. Rejects when the connection is gone.
   */
  read(): Promise<Uint8Array | undefined>;
  /** Settles when the system has taken all of the bytes. One call at a time. Rejects when the connection is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Tells the other side that no more is sent. */
  closeWrite(): Promise<void>;
  /** Closes at once. What waits to read or write is rejected. */
  close(): void;
}

/** What is used of a Deno.Conn. */
export interface Connection {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

/**
 * Bytes of the buffer that an idle connection waits with, and of the one that a busy one reads into. A buffer belongs to
 * the system while it waits, so connections cannot share one.
 */
const smallBuffer = 2 * 1024;
const largeBuffer = 64 * 1024;

export class ConnChannel implements Channel {
  readonly #connection: Connection;
  #buffer: Uint8Array | undefined;
  #size = smallBuffer;
  #reading: Promise<Uint8Array | undefined> | undefined;
  #closed = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  read(): Promise<Uint8Array | undefined> {
    this.#reading ??= this.#next();
    return this.#reading;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let written = await this.#connection.write(bytes);
    while (written < bytes.length) written += await this.#connection.write(bytes.subarray(written));
  }

  closeWrite(): Promise<void> {
    return this.#connection.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }

  async #next(): Promise<Uint8Array | undefined> {
    const buffer = this.#buffer ?? new Uint8Array(this.#size);
    this.#buffer = buffer;
    try {
      const count = await this.#connection.read(buffer);
      return count === null ? undefined : this.#take(buffer, count);
    } finally {
      this.#reading = undefined;
    }
  }

  /** Little is copied out of the buffer; a buffer that is well filled is given away. */
  #take(buffer: Uint8Array, count: number): Uint8Array {
    if (count < buffer.length / 2) {
      if (buffer.length > smallBuffer && count < smallBuffer / 2) this.#resize(smallBuffer);
      return buffer.slice(0, count);
    }
    this.#resize(count === buffer.length ? largeBuffer : buffer.length);
    return buffer.subarray(0, count);
  }

  #resize(size: number): void {
    this.#size = size;
    this.#buffer = undefined;
  }
}
