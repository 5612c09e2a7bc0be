// PostgreSQL's timer: statement_timeout and its kin (src/backend/utils/misc/timeout.c) set an interval timer whose
// signal runs the handlers that are due. PGlite leaves it to setTimeout, which never fires in a thread that PostgreSQL
// blocks. Here the main thread keeps the time. When it is over, that thread makes PostgreSQL look for interrupts, as for
// a cancel, and on its way into ProcessInterrupts (which callOnEntry has changed) PostgreSQL gets the signal.
//
// Two kinds of timeouts are left out, as they end the session, and with it the database of everybody who shares it.
// idle_session_timeout and idle_in_transaction_session_timeout are on from the end of a statement until the next one is
// read, and no signal comes in between. While transaction_timeout is set, no timeout works at all.
import { callOnEntry } from "./pglite-module.ts";
import type { InstanceHooks, WebAssemblyImports } from "./pglite-shared-memory.ts";

/** setitimer()'s first argument for the one timer that PostgreSQL uses. */
const realTimer = 0;

/** What callOnEntry passes in its place. */
const entered = 63;

/** Milliseconds after which a signal that was held back is tried again: PostgreSQL waits for it, and sets no other. */
const retry = { soon: 0.1, later: 1000 } as const;

/** Emscripten's half of setitimer(): to be called back after some milliseconds, or not any more if that is zero. */
type SetTimer = (which: number, milliseconds: number) => number;

/** What is used of the instance that has the timer. */
interface TimerExports {
  /** Raises SIGALRM, and begins the timer's next interval. */
  _emscripten_timeout(which: number, now: number): void;
  GetConfigOption(name: number, missingOk: number, restrictPrivileged: number): number;
  malloc(size: number): number;
}

export interface TimerOptions {
  /** Have `alarm` be true after this time; zero: never mind. */
  set(milliseconds: number): void;
  /** Whether the time is over; tells it once. */
  alarm(): boolean;
}

/** Tells whether transaction_timeout is on. */
function transactionTimeout(
  { GetConfigOption, malloc }: TimerExports,
  memory: { buffer: ArrayBufferLike },
): () => boolean {
  const text = new TextEncoder().encode("transaction_timeout\0");
  let name = 0;
  return () => {
    if (name === 0) {
      name = malloc(text.length);
      new Uint8Array(memory.buffer, name, text.length).set(text);
    }
    const value = GetConfigOption(name, 1, 0);
    // "0"; the unit is left out, and there is none if the setting does not exist.
    return value !== 0 && new DataView(memory.buffer).getUint16(value, true) !== "0".charCodeAt(0);
  };
}

export class PostgresTimer implements InstanceHooks {
  readonly #options: TimerOptions;
  /**
   * Whether the idle timeouts may be on: they are while PostgreSQL is idle, and still when it looks for interrupts for
   * the first time after it has read (secure_read, src/backend/libpq/be-secure.c).
   */
  #state: "idle" | "has read" | "busy" = "idle";

  constructor(options: TimerOptions) {
    this.#options = options;
  }

  /** PostgreSQL is going to wait for the next statement. */
  idle(): void {
    this.#state = "idle";
  }

  /** PostgreSQL is given input. */
  read(): void {
    this.#state = "has read";
  }

  rewrite(bytes: Uint8Array): Uint8Array {
    return callOnEntry(bytes, "ProcessInterrupts", { module: "env", name: "_setitimer_js" }, entered);
  }

  prepare(imports: WebAssemblyImports): (exports: Record<string, unknown>) => void {
    let signal = () => {};
    if (imports.env !== undefined) {
      const setTimer: SetTimer = (which, milliseconds) => {
        if (which === realTimer) this.#options.set(milliseconds);
        else if (which === entered) this.#lookForInterrupts(signal);
        return 0;
      };
      imports.env._setitimer_js = setTimer;
    }
    return (exports) => {
      const { _emscripten_timeout, GetConfigOption, malloc } = exports as Partial<TimerExports>;
      const memory = imports.env?.memory as { buffer: ArrayBufferLike } | undefined;
      if (!_emscripten_timeout || !GetConfigOption || !malloc || !memory) return;
      const wouldEnd = transactionTimeout({ _emscripten_timeout, GetConfigOption, malloc }, memory);
      signal = () => {
        if (wouldEnd()) this.#options.set(retry.later);
        else _emscripten_timeout(realTimer, performance.now());
      };
    };
  }

  #lookForInterrupts(signal: () => void): void {
    const held = this.#state !== "busy";
    if (this.#state === "has read") this.#state = "busy";
    if (!this.#options.alarm()) return;
    if (held) this.#options.set(retry.soon);
    else signal();
  }
}
