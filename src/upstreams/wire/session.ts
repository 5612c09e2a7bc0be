/** One client on a server connection of its own: messages pass both ways undecoded, and only their types are looked at. */
import {
  type Connection,
  cancel,
  type FrameReceiver,
  type OpenStream,
  type TlsOptions,
} from "../../client/mod.ts";
import type { Relay, RelayPeer, RelaySession, TransactionStatus } from "../../session/upstream.ts";
import { type ErrorFields, PgError } from "../../wire/error.ts";
import type { Frame } from "../../wire/framer.ts";
import { backendCodes, decodeBackend } from "../../wire/mod.ts";
import { Writer } from "../../wire/writer.ts";
import { FrameRun } from "../frame-run.ts";
import { Outstanding } from "./outstanding.ts";
import type { Pool } from "./pool.ts";
import type { SessionNotes } from "./session-notes.ts";
import { capture, type WireState } from "./suspend.ts";

/** How to reach the server for a cancel request. */
export interface CancelRoute extends TlsOptions {
  readonly open: OpenStream;
}

/** A message of a type that does not exist: the server answers what came before it, and then ends the connection. */
const noMessage: Uint8Array = Uint8Array.of(0x7a, 0, 0, 0, 4);

/** What a client has besides its connection, where it may be suspended. */
export interface Suspension {
  readonly notes: SessionNotes;
  /** For a resumed session: what the client has to be told anew. */
  readonly parameters?: Iterable<readonly [string, string]> | undefined;
}

export class WireSession implements RelaySession, Relay, FrameReceiver {
  readonly parameters: Iterable<readonly [string, string]>;
  readonly suspend?: () => Promise<WireState | undefined>;
  readonly #connection: Connection;
  readonly #pool: Pool;
  readonly #processIds: Map<number, number>;
  readonly #route: CancelRoute;
  readonly #writer: Writer = new Writer();
  readonly #run: FrameRun = new FrameRun();
  readonly #outstanding: Outstanding = new Outstanding();
  /** Cancel requests on their way: they may hit whatever runs on the connection when they arrive. */
  readonly #cancels: Set<Promise<void>> = new Set();
  readonly #notes: SessionNotes | undefined;
  /** The connection was given another session's settings, and has told them. */
  readonly #restored: boolean;
  #peer!: RelayPeer;
  #status: TransactionStatus = "I";
  /** ReadyForQuery has passed since the client was last told that it is idle. */
  #ready = false;
  #pressure: void | Promise<void> = undefined;
  /** The answer to a broken message of the client: ends what `settle` waits for. */
  #settled: (() => void) | undefined;
  /** The server said that it ends the connection. */
  #ending = false;
  #closed = false;

  /** `processIds`: those that clients were told, by those of the server's processes. */
  constructor(
    connection: Connection,
    pool: Pool,
    route: CancelRoute,
    processId: number,
    processIds: Map<number, number>,
    suspension?: Suspension,
  ) {
    this.#processIds = processIds;
    processIds.set(connection.processId, processId);
    this.#connection = connection;
    this.#pool = pool;
    this.#route = route;
    this.parameters = suspension?.parameters ?? connection.parameters;
    this.#restored = suspension?.parameters !== undefined;
    const notes = suspension?.notes;
    this.#notes = notes;
    if (notes) this.suspend = () => this.#suspend(notes);
  }

  relay(peer: RelayPeer): Relay {
    this.#peer = peer;
    this.#connection.takeOver(this);
    return this;
  }

  get waiting(): boolean {
    return this.#outstanding.copying;
  }

  // --- from the client ---

  send(frame: Frame): void {
    this.#outstanding.sent(frame.code);
    this.#notes?.sent(frame);
    this.#writer.raw(frame.bytes);
  }

  flush(): void | Promise<void> {
    if (this.#writer.length > 0) return this.#connection.write(this.#writer.take());
  }

  settle(): void | Promise<void> {
    if (this.#outstanding.none || this.#connection.closed) return;
    this.#writer.raw(noMessage);
    this.flush();
    return new Promise((resolve) => {
      this.#settled = resolve;
    });
  }

  cancel(): void {
    if (this.#connection.closed) return;
    // Nobody waits for the outcome: it shows as 57014 on this connection, or not at all.
    const sent = this.#sendCancel().catch(() => {});
    this.#cancels.add(sent);
    sent.then(() => this.#cancels.delete(sent));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#processIds.delete(this.#connection.processId);
    this.#settled?.();
    const { none } = this.#outstanding;
    const clean = this.#clean;
    // A running statement must not go on for a client that is gone; the server notices only when it writes.
    if (!none && !this.#ending) this.cancel();
    // A cancel request that is still on its way must not hit the next client's statement.
    await Promise.all(this.#cancels);
    this.#connection.giveBack();
    // The pool would take what it knows of the settings for what they are when they are reset.
    if (clean && this.#restored) this.#connection.close();
    await this.#pool.release(this.#connection, clean);
  }

  /** The server waits for the client, outside of a transaction. */
  get #clean(): boolean {
    const { none, certain } = this.#outstanding;
    return none && certain && !this.#ending && this.#status === "I" && this.#connection.betweenMessages;
  }

  /** Takes the connection for its own questions; nothing comes from the client in the meantime. */
  async #suspend(notes: SessionNotes): Promise<WireState | undefined> {
    // A cancel request that is still on its way would hit one of them.
    await Promise.all(this.#cancels);
    if (this.#closed || !this.#clean) return undefined;
    this.#connection.giveBack();
    try {
      return await capture(this.#connection, notes);
    } catch (error) {
      // A server that cannot tell what its session holds is not asked again and again.
      notes.giveUp();
      throw error;
    } finally {
      if (!this.#closed) this.#connection.takeOver(this);
    }
  }

  // --- from the server ---

  frame(frame: Frame): void {
    if (this.#closed) return;
    this.#outstanding.received(frame.code);
    if (frame.code === backendCodes.ErrorResponse) {
      this.#notes?.failed();
      const fields = fatalError(frame);
      if (fields) return this.#fatal(PgError.fromFields(fields));
    } else if (frame.code === backendCodes.ReadyForQuery) {
      this.#status = String.fromCharCode(frame.body[0] ?? 0x49) as TransactionStatus;
      this.#ready = true;
    } else if (frame.code === backendCodes.NotificationResponse) this.#translate(frame);
    if (this.#run.add(frame.bytes)) return;
    this.#sendRun();
    this.#run.add(frame.bytes);
  }

  /** A client knows its own notifications by the process id of its BackendKeyData, which is the gateway's. */
  #translate({ body }: Frame): void {
    const view = new DataView(body.buffer, body.byteOffset);
    const told = this.#processIds.get(view.getInt32(0));
    if (told !== undefined) view.setInt32(0, told);
  }

  received(): void | Promise<void> {
    this.#sendRun();
    if (this.#ready && this.#outstanding.none) {
      this.#notes?.idle();
      this.#peer.ready(this.#status);
    }
    this.#ready = false;
    if (this.waiting) this.#peer.waiting();
    const pressure = this.#pressure;
    this.#pressure = undefined;
    return pressure;
  }

  lost(error: PgError): void {
    if (this.#closed) return;
    this.#sendRun();
    if (this.#settled) this.#settled();
    else this.#peer.fail(error);
  }

  /** The server ends the connection: the session tells the client so once, and ends too. */
  #fatal(error: PgError): void {
    this.#ending = true;
    this.#sendRun();
    // While settling, the client's own mistake is the error that it is told.
    if (this.#settled) this.#settled();
    else this.#peer.fail(error);
  }

  #sendRun(): void {
    const frames = this.#run.take();
    if (frames) this.#pressure = this.#peer.send(frames) ?? this.#pressure;
  }

  async #sendCancel(): Promise<void> {
    const { open, ...tls } = this.#route;
    await cancel(await open(), this.#connection, tls);
  }
}

function fatalError(frame: Frame): ErrorFields | undefined {
  try {
    const message = decodeBackend(frame.code, frame.body);
    const fields = message.type === "ErrorResponse" ? message.fields : undefined;
    return fields?.severity === "FATAL" || fields?.severity === "PANIC" ? fields : undefined;
  } catch {
    // Text in another encoding: the client shall see for itself.
    return undefined;
  }
}
