// The memory that the main thread and PGlite's thread share: a byte ring for each direction of the protocol, and a few
// words that say who waits for what. Bytes cross without a message being posted for each of them, which is what makes
// a short statement cheap: a posted message costs more than PostgreSQL needs for `SELECT 1`.

/** What `workerData` carries; the buffers are the same memory on both sides. */
export interface ChannelMemory {
  control: SharedArrayBuffer;
  input: SharedArrayBuffer;
  output: SharedArrayBuffer;
}

/** The control words, by index. */
export const word = {
  /** Counts up whenever the main thread did something that PGlite's thread may be waiting for; it waits on this. */
  signal: 0,
  /** 1 while the main thread is going to look at the rings without being told. Who finds 0 posts a wake-up. */
  awake: 1,
  /** 1 while the main thread holds input that did not fit, and wants to hear of room. */
  starved: 2,
  /** 1 once the session is to end. */
  closing: 3,
  /** 1 while a turn runs: from the first message that arrives at an idle PostgreSQL until it is idle again. */
  running: 4,
  /** Counts the turns. */
  turn: 5,
  inputHead: 6,
  inputTail: 7,
  outputHead: 8,
  outputTail: 9,
  /** 1 when PostgreSQL's timer is over, until it was told. */
  alarm: 10,
} as const;

/** Frontend bytes on their way; COPY data that exceeds it waits on the main thread. A power of two. */
const inputCapacity = 256 * 1024;

/** Backend bytes that nobody has taken yet: when it is full, PostgreSQL waits as it does for a slow socket. */
const outputCapacity = 2 * 1024 * 1024;

/** One writer, one reader. Positions only grow (modulo 2^32), so equal ones mean empty. */
export class ByteRing {
  readonly #control: Int32Array;
  readonly #head: number;
  readonly #tail: number;
  readonly #bytes: Uint8Array;

  constructor(control: Int32Array, head: number, tail: number, memory: SharedArrayBuffer) {
    this.#control = control;
    this.#head = head;
    this.#tail = tail;
    this.#bytes = new Uint8Array(memory);
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  /** Changes whenever something is written. */
  get written(): number {
    return Atomics.load(this.#control, this.#head);
  }

  /** Bytes written and not released. */
  get used(): number {
    return (Atomics.load(this.#control, this.#head) - Atomics.load(this.#control, this.#tail)) >>> 0;
  }

  get free(): number {
    return this.#bytes.length - this.used;
  }

  /** The writer's: copies as much as fits, and tells how much that was. */
  write(source: Uint8Array): number {
    const length = Math.min(source.length, this.free);
    if (length === 0) return 0;
    const head = Atomics.load(this.#control, this.#head);
    const at = this.#index(head);
    const first = Math.min(length, this.#bytes.length - at);
    this.#bytes.set(source.subarray(0, first), at);
    if (first < length) this.#bytes.set(source.subarray(first, length), 0);
    Atomics.store(this.#control, this.#head, (head + length) | 0);
    return length;
  }

  /** The reader's: copies up to `target.length` bytes out and leaves them in the ring, until `release`. */
  peek(target: Uint8Array): number {
    const length = Math.min(target.length, this.used);
    const at = this.#index(Atomics.load(this.#control, this.#tail));
    const first = Math.min(length, this.#bytes.length - at);
    target.set(this.#bytes.subarray(at, at + first), 0);
    if (first < length) target.set(this.#bytes.subarray(0, length - first), first);
    return length;
  }

  /** The reader's: gives the room of bytes that were peeked back to the writer. */
  release(length: number): void {
    Atomics.store(this.#control, this.#tail, (Atomics.load(this.#control, this.#tail) + length) | 0);
  }

  #index(position: number): number {
    return position & (this.#bytes.length - 1);
  }
}

export interface Channel {
  control: Int32Array;
  input: ByteRing;
  output: ByteRing;
}

export function allocateChannel(): ChannelMemory {
  return {
    control: new SharedArrayBuffer(16 * Int32Array.BYTES_PER_ELEMENT),
    input: new SharedArrayBuffer(inputCapacity),
    output: new SharedArrayBuffer(outputCapacity),
  };
}

/** Either side's view of the channel. */
export function openChannel(memory: ChannelMemory): Channel {
  const control = new Int32Array(memory.control);
  return {
    control,
    input: new ByteRing(control, word.inputHead, word.inputTail, memory.input),
    output: new ByteRing(control, word.outputHead, word.outputTail, memory.output),
  };
}

/** Posted by PGlite's thread. Everything else goes through the rings. */
export type WorkerMessage =
  | { type: "ready"; parameters: [name: string, value: string][]; interrupt: InterruptAddresses | undefined }
  | { type: "wake" }
  /** Start the timer that ends in an alarm, in place of the one that runs; zero: stop it. */
  | { type: "timer"; milliseconds: number }
  /** `error` is absent when the session ended because `closing` was set. */
  | { type: "ended"; error?: string };

/** Where PostgreSQL's signal flags are in its memory: byte addresses of 32-bit integers. */
export interface InterruptAddresses {
  memory: SharedArrayBuffer;
  queryCancelPending: number;
  interruptPending: number;
  /** The address of the pointer `MyLatch`; the struct's first word is `is_set`. */
  myLatch: number;
}

export interface WorkerInput {
  channel: ChannelMemory;
  /** Absolute; undefined keeps the database in memory. */
  dataDir: string | undefined;
  extensions: string[];
  /** Where the initial cluster is kept between starts; undefined: nowhere. */
  cacheDir: string | undefined;
}
