/** One client on a connection of its own: bytes pass both ways, and only ReadyForQuery is looked at. */
import { type ClientOptions, type Connection, cancel, type OpenStream } from "../../client/mod.ts";
import type { Relay, RelayPeer, RelaySession, TransactionStatus } from "../../session/upstream.ts";
import type { Frame } from "../../wire/framer.ts";
import { Framer } from "../../wire/framer.ts";
import { backendCodes, frontendCodes } from "../../wire/mod.ts";
import { Writer } from "../../wire/writer.ts";
import { FrameRun } from "../frame-run.ts";
import type { Pool } from "./pool.ts";

export class WireSession implements RelaySession, Relay {
  readonly parameters: Iterable<readonly [string, string]>;
  readonly #connection: Connection;
  readonly #pool: Pool;
  readonly #server: { readonly open: OpenStream; readonly client: ClientOptions };
  readonly #writer: Writer = new Writer();
  readonly #framer: Framer = new Framer({ limits: () => 0x7fffffff });
  readonly #run: FrameRun = new FrameRun();
  #write!: (bytes: Uint8Array) => void | Promise<void>;
  #peer!: RelayPeer;
  /** Messages since the last ReadyForQuery that will be answered by one. */
  #outstanding = 0;
  /** Messages were sent since the last ReadyForQuery. */
  #quiet = true;
  #status: TransactionStatus = "I";
  #closed = false;

  constructor(
    connection: Connection,
    pool: Pool,
    server: { readonly open: OpenStream; readonly client: ClientOptions },
  ) {
    this.#connection = connection;
    this.#pool = pool;
    this.#server = server;
    this.parameters = new Map(connection.parameters);
  }

  relay(peer: RelayPeer): Relay {
    this.#peer = peer;
    this.#write = this.#connection.detach((chunk) => this.#receive(chunk));
    this.#connection.onLost = (error) => {
      if (!this.#closed) peer.fail(error);
    };
    return this;
  }

  send(frame: Frame): void {
    this.#quiet = false;
    const { code } = frame;
    if (code === frontendCodes.Query || code === frontendCodes.Sync || code === frontendCodes.FunctionCall) {
      this.#outstanding++;
    }
    this.#writer.raw(frame.bytes);
  }

  flush(): void | Promise<void> {
    if (this.#writer.length > 0 && !this.#connection.closed) return this.#write(this.#writer.take());
  }

  cancel(): void {
    const { open, client } = this.#server;
    // Nobody waits for the outcome: it shows as 57014 on this connection, or not at all.
    open()
      .then((stream) => cancel(stream, this.#connection, client.sslMode ?? "prefer"))
      .catch(() => {});
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const clean = this.#quiet && this.#status === "I" && this.#framer.buffered === 0;
    // A running statement must not go on for a client that is gone.
    if (!clean && this.#outstanding > 0 && !this.#connection.closed) this.cancel();
    this.#connection.attach();
    await this.#pool.release(this.#connection, clean);
  }

  #receive(chunk: Uint8Array): void | Promise<void> {
    if (this.#closed) return;
    this.#framer.push(chunk);
    let ready = false;
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      if (!this.#run.add(frame.bytes)) {
        this.#sendRun();
        this.#run.add(frame.bytes);
      }
      if (frame.code === backendCodes.ReadyForQuery) {
        this.#status = String.fromCharCode(frame.body[0] ?? 0x49) as TransactionStatus;
        this.#outstanding = Math.max(0, this.#outstanding - 1);
        ready = this.#outstanding === 0;
        this.#quiet = ready;
      }
    }
    const pressure = this.#sendRun();
    if (ready) this.#peer.ready(this.#status);
    return pressure;
  }

  #sendRun(): void | Promise<void> {
    const frames = this.#run.take();
    if (frames) return this.#peer.send(frames);
  }
}
