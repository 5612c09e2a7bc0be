// PostgreSQL's main loop (PostgresMain, src/backend/tcop/postgres.c) over the channel. PGlite's own execProtocolRaw
// takes whole requests and reports the end of file when a statement reads past them, which kills the database in the
// middle of a COPY FROM STDIN; here the loop runs as in a server process, and a read without input waits for more.
import { type Channel, type InterruptAddresses, word } from "./pglite-channel.ts";

/** What is used of PGlite's Emscripten module (`PGlite.Module`); the names with an underscore are PostgreSQL's. */
export interface PostgresModule {
  readonly HEAPU8: Uint8Array;
  addFunction(callback: (pointer: number, length: number) => number, signature: "ipi"): number;
  stackSave(): number;
  stackRestore(pointer: number): void;
  _pgl_set_rw_cbs(read: number, write: number): void;
  _pgl_getMyProcPort(): number;
  _ProcessStartupPacket(port: number, sslDone: boolean, gssDone: boolean): number;
  _pgl_sendConnData(): void;
  _pgl_pq_flush(): void;
  _pq_buffer_remaining_data(): number;
  _PostgresMainLoopOnce(): void;
  _PostgresMainLongJmp(): void;
  _PostgresSendReadyForQueryIfNecessary(): void;
  /** Addresses of variables; absent where the build does not export them. */
  readonly _QueryCancelPending?: number;
  readonly _InterruptPending?: number;
  readonly _MyLatch?: number;
  readonly _MyProcPid?: number;
}

/** How long an idle PostgreSQL looks for input before its thread goes to sleep, from which waking takes longer. */
const spinMilliseconds = 0.05;

/** An error whose handling fails again and again is PostgreSQL's PANIC; it gives up by itself long before this. */
const maximumRecoveries = 100;

const copyFail = Uint8Array.of(0x66, 0, 0, 0, 5, 0);
const sync = Uint8Array.of(0x53, 0, 0, 0, 4);

/** StartupMessage of protocol 3.0 for the user and the database that initdb made. */
function startupPacket(): Uint8Array {
  const text = new TextEncoder().encode("user\0postgres\0database\0postgres\0\0");
  const packet = new Uint8Array(8 + text.length);
  new DataView(packet.buffer).setUint32(0, packet.length);
  new DataView(packet.buffer).setUint32(4, 196_608);
  packet.set(text, 8);
  return packet;
}

function queryMessage(query: string): Uint8Array {
  const text = new TextEncoder().encode(`${query}\0`);
  const message = new Uint8Array(5 + text.length);
  message[0] = 0x51;
  new DataView(message.buffer).setUint32(1, 4 + text.length);
  message.set(text, 5);
  return message;
}

/** The ParameterStatus messages among whole backend messages. */
function parameterStatuses(messages: Uint8Array): [name: string, value: string][] {
  const view = new DataView(messages.buffer, messages.byteOffset, messages.length);
  const found: [string, string][] = [];
  for (let at = 0; at + 5 <= messages.length; at += 1 + view.getUint32(at + 1)) {
    if (messages[at] !== 0x53) continue;
    const body = messages.subarray(at + 5, at + 1 + view.getUint32(at + 1));
    const [name = "", value = ""] = new TextDecoder().decode(body).split("\0");
    found.push([name, value]);
  }
  return found;
}

export interface MainLoopOptions {
  module: PostgresModule;
  /** The exit status by which PGlite reports a longjmp to PostgresMain: an error was raised and is to be handled. */
  longjmpStatus: number;
  channel: Channel;
  /** Tells the main thread to look at the rings. */
  wake: () => void;
  interrupt: InterruptAddresses | undefined;
  /** Is told when PostgreSQL waits for a statement, and when it gets one. */
  timer: { idle(): void; read(): void };
  /** Whether another core can bring the next message while this one looks for it. */
  canSpin: boolean;
}

export class MainLoop {
  readonly #module: PostgresModule;
  readonly #longjmpStatus: number;
  readonly #channel: Channel;
  readonly #control: Int32Array;
  readonly #wake: () => void;
  readonly #timer: MainLoopOptions["timer"];
  readonly #canSpin: boolean;
  readonly #interrupt: (InterruptAddresses & { words: Int32Array }) | undefined;
  /** Input of our own, read before that of the channel. */
  #injected: Uint8Array[] = [];
  /** Where the output goes instead of to the channel. */
  #captured: Uint8Array[] | undefined;
  #abandonedCopy = false;

  constructor(options: MainLoopOptions) {
    this.#module = options.module;
    this.#longjmpStatus = options.longjmpStatus;
    this.#channel = options.channel;
    this.#control = options.channel.control;
    this.#wake = options.wake;
    this.#timer = options.timer;
    this.#canSpin = options.canSpin;
    this.#interrupt = options.interrupt && {
      ...options.interrupt,
      words: new Int32Array(options.interrupt.memory),
    };
    const read = this.#module.addFunction((pointer, length) => this.#read(pointer, length), "ipi");
    const write = this.#module.addFunction((pointer, length) => this.#write(pointer, length), "ipi");
    this.#module._pgl_set_rw_cbs(read, write);
  }

  get closing(): boolean {
    return Atomics.load(this.#control, word.closing) === 1;
  }

  /** What a client would be told after its startup packet. */
  start(): [name: string, value: string][] {
    const answers = this.#capture(startupPacket(), () => {
      const status = this.#module._ProcessStartupPacket(this.#module._pgl_getMyProcPort(), true, true);
      if (status !== 0) throw new Error("PGlite refused the startup packet");
      this.#module._pgl_sendConnData();
    });
    const parameters = new Map(parameterStatuses(answers));
    // Single-user mode leaves session_authorization empty, a server does not. With this first statement come settings
    // that the startup did not report yet.
    const first = this.#runAlone("SET SESSION AUTHORIZATION postgres");
    for (const [name, value] of parameterStatuses(first)) parameters.set(name, value);
    return [...parameters];
  }

  /** Serves the channel until `closing` is set. Whatever it throws means that the database has ended. */
  run(): void {
    while (!this.closing) {
      if (this.#hasInput()) this.#step(() => this.#module._PostgresMainLoopOnce());
      else this.#idle();
    }
  }

  #hasInput(): boolean {
    return this.#channel.input.used > 0 || this.#module._pq_buffer_remaining_data() > 0;
  }

  /** One statement before anybody is connected; its answer. */
  #runAlone(query: string): Uint8Array {
    return this.#capture(queryMessage(query), () => this.#step(() => this.#module._PostgresMainLoopOnce()));
  }

  #capture(input: Uint8Array, run: () => void): Uint8Array {
    const chunks: Uint8Array[] = [];
    this.#injected = [input];
    this.#captured = chunks;
    run();
    this.#finish();
    this.#captured = undefined;
    return Buffer.concat(chunks);
  }

  /** Everything that arrived is done. Sends what a client waits for, then waits itself. */
  #idle(): void {
    this.#timer.idle();
    // Before the ReadyForQuery: who has seen that may send the next message, and must not find the last turn running.
    Atomics.store(this.#control, word.running, 0);
    this.#finish();
    this.#waitForInput();
    if (this.#interrupt) {
      const { words, queryCancelPending, interruptPending } = this.#interrupt;
      // A cancel that came when its statement was over must not hit the next one. An alarm still counts.
      Atomics.store(words, queryCancelPending >> 2, 0);
      if (Atomics.load(this.#control, word.alarm) === 1) Atomics.store(words, interruptPending >> 2, 1);
    }
    Atomics.add(this.#control, word.turn, 1);
    Atomics.store(this.#control, word.running, 1);
  }

  #finish(): void {
    this.#step(() => {
      this.#module._PostgresSendReadyForQueryIfNecessary();
      this.#module._pgl_pq_flush();
    });
  }

  /** Runs into PostgreSQL, and handles an error there as the sigsetjmp block of PostgresMain does. */
  #step(run: () => void): void {
    const stack = this.#module.stackSave();
    let attempt = run;
    for (let recoveries = 0; ; recoveries++) {
      try {
        attempt();
        return;
      } catch (error) {
        const { status } = error as { status?: unknown };
        if (status !== this.#longjmpStatus || recoveries >= maximumRecoveries) throw error;
        this.#module.stackRestore(stack);
        attempt = () => this.#module._PostgresMainLongJmp();
      }
    }
  }

  /** recv(): waits for at least one byte. */
  #read(pointer: number, length: number): number {
    const target = this.#module.HEAPU8.subarray(pointer, pointer + length);
    this.#timer.read();
    if (this.#injected.length === 0) {
      this.#waitForInput();
      if (this.closing) this.#abandon();
    }
    const own = this.#injected[0];
    if (own !== undefined) {
      const taken = own.subarray(0, length);
      target.set(taken);
      if (taken.length === own.length) this.#injected.shift();
      else this.#injected[0] = own.subarray(taken.length);
      return taken.length;
    }
    if (this.closing) return 0; // the end of file: PostgreSQL ends this session
    const taken = this.#channel.input.peek(target);
    this.#channel.input.release(taken);
    this.#callForMore();
    return taken;
  }

  /** A COPY FROM STDIN is still reading when the session ends: let it fail, so that the database can shut down. */
  #abandon(): void {
    if (this.#abandonedCopy) return;
    this.#abandonedCopy = true;
    this.#injected.push(copyFail, sync);
  }

  /** Tells the main thread that there is room for the input that it holds. */
  #callForMore(): void {
    if (Atomics.load(this.#control, word.starved) === 0) return;
    if (this.#channel.input.used > this.#channel.input.capacity / 2) return;
    if (Atomics.exchange(this.#control, word.starved, 0) === 1) this.#wakeUp();
  }

  /** send(): waits while the main thread has not taken what it was given before. */
  #write(pointer: number, length: number): number {
    const { output } = this.#channel;
    const bytes = this.#module.HEAPU8.subarray(pointer, pointer + length);
    if (this.#captured !== undefined) {
      this.#captured.push(bytes.slice());
      return length;
    }
    for (let at = 0; at < length; ) {
      at += output.write(bytes.subarray(at));
      this.#wakeUp();
      if (at === length) break;
      // A quarter of the ring at a time: room byte by byte would wake this thread for each of them.
      const room = Math.min(length - at, output.capacity / 4);
      this.#waitUntil(() => output.free >= room);
      if (this.closing) break; // nobody listens any more
    }
    return length;
  }

  #wakeUp(): void {
    if (Atomics.exchange(this.#control, word.awake, 1) === 0) this.#wake();
  }

  #waitForInput(): void {
    const { input } = this.#channel;
    if (this.#canSpin) {
      const end = performance.now() + spinMilliseconds;
      while (input.used === 0 && !this.closing && performance.now() < end);
    }
    this.#waitUntil(() => input.used > 0);
  }

  /** Sleeps until the condition holds or the session is to end. */
  #waitUntil(condition: () => boolean): void {
    for (;;) {
      const seen = Atomics.load(this.#control, word.signal);
      if (condition() || this.closing) return;
      Atomics.wait(this.#control, word.signal, seen);
    }
  }
}
