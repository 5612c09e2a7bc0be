// The main thread's end of PGlite's thread: bytes in and out of the rings, and PostgreSQL's signals.
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { type Channel, type InterruptAddresses, type WorkerMessage, word } from "./pglite-channel.ts";
import { setLatch } from "./pglite-latch.ts";
import type { FolderLock } from "./pglite-lock.ts";

/** How many bytes one `onData` gets at most. */
const chunkLength = 64 * 1024;

/** How much is handed out before the event loop gets to do something else. */
const sliceLength = 1024 * 1024;

/** Milliseconds for which the answer to a message is looked for by polling: sleep and wake-up would take half of it. */
const pollMilliseconds = 0.3;

/** The most that setTimeout takes, in milliseconds. PostgreSQL sets its timer again when it was too early. */
const longestTimer = 2 ** 31 - 1;

/** Milliseconds. */
const alarmRepeat = 5;

/** Milliseconds after which a cancel that has had no effect is repeated. */
const cancelRepeat = 2;

/** Milliseconds until a statement that does not want to be cancelled is killed by `close`. */
const closeTimeout = 5000;

/** See PgliteBackend for what its members promise. */
export class WorkerBackend {
  onData: (chunk: Uint8Array) => void | Promise<void> = () => {};
  onClose: (error: Error | undefined) => void = () => {};
  /** Called once, before anything else. */
  onReady: () => void = () => {};
  parameters: ReadonlyMap<string, string> = new Map();

  readonly #worker: Worker;
  readonly #channel: Channel;
  readonly #control: Int32Array;
  readonly #canPoll: boolean = availableParallelism() > 1;
  readonly #exited: Promise<void>;
  #interrupt: (InterruptAddresses & { words: Int32Array }) | undefined;
  /** Input that did not fit into the ring. */
  #waiting: Uint8Array[] = [];
  #nextWaiting = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  /**
   * Who looks at the output next: nobody before a wake-up is posted, #look itself (running, or to run at the next turn
   * of the event loop), or the promise of a consumer that has enough for now.
   */
  #looking: "asleep" | "awake" | "paused" = "asleep";
  #pollUntil = 0;
  #cancelRetry: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #error: Error | undefined;
  #isOver = false;

  constructor(worker: Worker, channel: Channel, lock: FolderLock | undefined) {
    this.#worker = worker;
    this.#channel = channel;
    this.#control = channel.control;
    const { promise, resolve: exited } = Promise.withResolvers<void>();
    this.#exited = promise;
    worker.on("message", (message: WorkerMessage) => this.#receive(message));
    worker.on("error", (cause: Error) => {
      this.#error = new Error(`the embedded PostgreSQL crashed: ${cause.message}`, { cause });
    });
    worker.on("exit", () => {
      lock?.release();
      this.#isOver = true;
      if (!this.#isClosing) this.#error ??= new Error("the thread of the embedded PostgreSQL was terminated");
      exited();
      // What it has written before is still handed out, unless nobody wants it any more.
      if (this.#looking === "asleep" || this.#isClosing) this.#look();
    });
  }

  send(frames: Uint8Array): void | Promise<void> {
    if (this.#isOver || this.#isClosing) return;
    if (this.#isIdle) this.#forgetCancel();
    this.#waiting.push(frames);
    this.#feed();
    if (this.#canPoll) {
      this.#pollUntil = performance.now() + pollMilliseconds;
      if (this.#looking === "asleep") this.#lookSoon();
    }
    if (this.#waiting.length === 0) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  cancel(): boolean {
    if (this.#interrupt === undefined || this.#isOver || this.#isIdle) return false;
    this.#raise();
    const begun = Atomics.load(this.#control, word.running) === 1;
    this.#forgetCancel();
    this.#repeatCancel(
      Atomics.load(this.#control, word.turn) + (begun ? 0 : 1),
      this.#channel.output.written,
    );
    return true;
  }

  async close(): Promise<void> {
    if (this.#isClosing || this.#isOver) return await this.#exited;
    Atomics.store(this.#control, word.closing, 1);
    this.#forgetCancel();
    if (this.#interrupt !== undefined && !this.#isIdle) this.#raise();
    this.#signal();
    const timer = setTimeout(() => void this.#worker.terminate(), closeTimeout);
    await this.#exited;
    clearTimeout(timer);
  }

  get #isClosing(): boolean {
    return Atomics.load(this.#control, word.closing) === 1;
  }

  /** PostgreSQL has done all that it was sent. It says so before its ReadyForQuery can be seen here. */
  get #isIdle(): boolean {
    return (
      Atomics.load(this.#control, word.running) === 0 &&
      this.#channel.input.used === 0 &&
      this.#waiting.length === 0
    );
  }

  #receive(message: WorkerMessage): void {
    switch (message.type) {
      case "wake":
        if (this.#looking === "asleep") this.#look();
        else if (this.#looking === "paused") {
          Atomics.store(this.#control, word.awake, 0);
          this.#feed();
        }
        break;
      case "ready":
        this.parameters = new Map(message.parameters);
        this.#interrupt = message.interrupt && {
          ...message.interrupt,
          words: new Int32Array(message.interrupt.memory),
        };
        if (Atomics.load(this.#control, word.alarm) === 1) this.#alarm();
        this.onReady();
        break;
      case "timer":
        this.#setTimer(message.milliseconds);
        break;
      case "ended":
        if (message.error !== undefined) this.#error = new Error(message.error);
    }
  }

  /** Writes what waits into the ring, as far as there is room. */
  #feed(): void {
    const { input } = this.#channel;
    for (;;) {
      const frames = this.#waiting[this.#nextWaiting];
      if (frames === undefined) break;
      const written = input.write(frames);
      if (written === frames.length) {
        this.#nextWaiting++;
        continue;
      }
      this.#waiting[this.#nextWaiting] = frames.subarray(written);
      Atomics.store(this.#control, word.starved, 1);
      // PGlite's thread tells when half of the ring is free; that may have come true before it could know.
      if (input.used > input.capacity / 2) break;
    }
    this.#signal();
    if (this.#nextWaiting < this.#waiting.length) return;
    this.#waiting = [];
    this.#nextWaiting = 0;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #signal(): void {
    Atomics.add(this.#control, word.signal, 1);
    Atomics.notify(this.#control, word.signal);
  }

  #lookSoon(): void {
    this.#looking = "awake";
    Atomics.store(this.#control, word.awake, 1);
    setImmediate(() => this.#look());
  }

  /** Hands out what PostgreSQL has written, until there is no more or the consumer has enough. */
  #look(): void {
    this.#looking = "awake";
    for (let handed = 0; handed < sliceLength; ) {
      if (this.#waiting.length > 0 && !this.#isOver) this.#feed();
      const available = this.#isClosing ? 0 : this.#channel.output.used;
      if (available === 0) {
        if (this.#isOver) {
          this.#finish();
          return;
        }
        if (!this.#isIdle && performance.now() < this.#pollUntil) break;
        if (this.#fallAsleep()) return;
        continue;
      }
      const chunk = new Uint8Array(Math.min(available, chunkLength));
      this.#channel.output.peek(chunk);
      if (this.#hand(chunk) === "paused") return;
      handed += chunk.length;
    }
    this.#lookSoon();
  }

  /** False if something arrived that PGlite's thread is not going to tell of, as it believed us to be awake. */
  #fallAsleep(): boolean {
    Atomics.store(this.#control, word.awake, 0);
    const { input, output } = this.#channel;
    const canFeed = this.#waiting.length > 0 && input.used <= input.capacity / 2;
    if (!this.#isClosing && (output.used > 0 || canFeed)) {
      Atomics.store(this.#control, word.awake, 1);
      return false;
    }
    this.#looking = "asleep";
    return true;
  }

  #hand(chunk: Uint8Array): "taken" | "paused" {
    let wait: void | Promise<void>;
    try {
      wait = this.onData(chunk);
    } catch (error) {
      this.#acknowledge(chunk);
      this.#lookSoon();
      throw error;
    }
    if (wait === undefined) {
      this.#acknowledge(chunk);
      return "taken";
    }
    this.#looking = "paused";
    // Input goes on meanwhile, as the consumer may be waiting for it.
    Atomics.store(this.#control, word.awake, 0);
    if (this.#waiting.length > 0) this.#feed();
    void wait.finally(() => {
      this.#acknowledge(chunk);
      if (this.#looking !== "paused") return; // it is all over
      Atomics.store(this.#control, word.awake, 1);
      this.#look();
    });
    return "paused";
  }

  #acknowledge(chunk: Uint8Array): void {
    this.#channel.output.release(chunk.length);
    this.#signal();
  }

  #finish(): void {
    this.#looking = "asleep";
    this.#forgetCancel();
    clearTimeout(this.#timer);
    this.#drained?.resolve();
    this.#drained = undefined;
    this.onClose(this.#isClosing ? undefined : this.#error);
  }

  /** What PostgreSQL's handler of SIGINT does (StatementCancelHandler). */
  #raise(): void {
    if (this.#interrupt === undefined) return;
    Atomics.store(this.#interrupt.words, this.#interrupt.queryCancelPending >> 2, 1);
    this.#interruptNow();
  }

  #setTimer(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (milliseconds <= 0) return;
    if (milliseconds < 1) {
      this.#alarm();
      return;
    }
    this.#timer = setTimeout(() => this.#alarm(), Math.min(milliseconds, longestTimer));
    this.#timer.unref();
  }

  /**
   * The time of PostgreSQL's timer is over. Tells so until it is heard: ProcessInterrupts clears InterruptPending after
   * it has looked for the alarm, and may clear one that was set in between. An idle PostgreSQL looks when it goes on.
   */
  #alarm(): void {
    Atomics.store(this.#control, word.alarm, 1);
    this.#interruptNow();
    this.#timer = setTimeout(() => {
      if (Atomics.load(this.#control, word.alarm) === 1 && !this.#isIdle) this.#alarm();
    }, alarmRepeat);
    this.#timer.unref();
  }

  /** Has PostgreSQL look at what is pending, at its next CHECK_FOR_INTERRUPTS or out of its sleep. */
  #interruptNow(): void {
    if (this.#interrupt === undefined) return;
    const { words, interruptPending, myLatch } = this.#interrupt;
    Atomics.store(words, interruptPending >> 2, 1);
    setLatch(words, myLatch);
    this.#signal();
  }

  /**
   * A cancel is lost if it comes before PGlite's thread begins with what it was sent, or while PostgreSQL still reads the
   * statement. So it is repeated until the turn it was meant for has begun and has answered something, or is over.
   */
  #repeatCancel(turn: number, written: number): void {
    this.#cancelRetry = setTimeout(() => {
      const at = Atomics.load(this.#control, word.turn);
      const answered = this.#channel.output.written !== written;
      if (this.#isIdle || at > turn || (at === turn && answered)) return;
      if (at === turn) this.#raise();
      this.#repeatCancel(turn, written);
    }, cancelRepeat);
    this.#cancelRetry.unref();
  }

  #forgetCancel(): void {
    clearTimeout(this.#cancelRetry);
  }
}
