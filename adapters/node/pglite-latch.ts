// Sleeping. PostgreSQL waits in WaitEventSetWait (src/backend/storage/ipc/waiteventset.c) by polling until its latch is
// set or the time is over. PGlite's poll returns at once, so that a `pg_sleep` spins. All that it calls outside of
// WebAssembly meanwhile is the clock, once in each round: here the clock finds out that it is asked by that loop, and
// sleeps a while.
//
// How it knows: the loop sets `maybe_sleeping` of the latch before it polls, and clears it after. We leave a mark there
// whenever the clock is read. A mark that is gone at the next reading means that a round of the loop went by in between;
// EXPLAIN ANALYZE and others that read the clock often leave it alone. A mark wakes nobody up that should not be:
// SetLatch looks at the field only to decide whether to also raise a signal, which a thread that runs does not need.
import { word } from "./pglite-channel.ts";

/** struct Latch (src/include/storage/latch.h): offsets of its fields in 32-bit words. */
const latch = { isSet: 0, maybeSleeping: 1, ownerPid: 3 } as const;

/** Neither 0 nor 1, the values that PostgreSQL writes. */
const mark = 2;

/** Milliseconds. The loop does not tell how long it is going to wait, so each nap is a part of the wait so far. */
const shortestNap = 0.2;
const longestNap = 20;
const napPart = 1 / 8;

/** Sets the latch of the PostgreSQL that lives in `memory`, from any thread. */
export function setLatch(memory: Int32Array, myLatch: number): void {
  const at = Atomics.load(memory, myLatch >> 2) >> 2;
  if (at !== 0) Atomics.store(memory, at + latch.isSet, 1);
}

export class LatchSleeper {
  readonly #control: Int32Array;
  #memory: Int32Array | undefined;
  #myLatch = 0;
  #marked = false;
  #asleepSince = 0;

  constructor(control: Int32Array) {
    this.#control = control;
  }

  /** Begins to work. `myLatch` and `myProcPid` are the addresses of those variables. */
  attach(memory: SharedArrayBuffer, myLatch: number, myProcPid: number): void {
    const words = new Int32Array(memory);
    const at = Atomics.load(words, myLatch >> 2) >> 2;
    // The owner's process id is where we expect it, so the struct still looks as we think.
    if (at === 0 || words[at + latch.ownerPid] !== words[myProcPid >> 2]) return;
    this.#memory = words;
    this.#myLatch = myLatch;
  }

  /** To be called when PostgreSQL reads the clock. */
  clockRead(): void {
    const memory = this.#memory;
    if (memory === undefined) return;
    const at = Atomics.load(memory, this.#myLatch >> 2) >> 2;
    if (at === 0) return;
    const polled = this.#marked && memory[at + latch.maybeSleeping] === 0;
    memory[at + latch.maybeSleeping] = mark;
    this.#marked = true;
    if (!polled) {
      this.#asleepSince = 0;
      return;
    }
    const now = performance.now();
    if (this.#asleepSince === 0) this.#asleepSince = now;
    const nap = Math.min(longestNap, Math.max(shortestNap, (now - this.#asleepSince) * napPart));
    const seen = Atomics.load(this.#control, word.signal);
    if (Atomics.load(memory, at + latch.isSet) === 0) Atomics.wait(this.#control, word.signal, seen, nap);
  }
}
