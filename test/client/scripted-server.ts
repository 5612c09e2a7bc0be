/**
 * A server that does what a test tells it, step by step: expect this message, send that one. For what no real server
 * does, and for the moment at which one does it.
 */
import { setTimeout } from "node:timers/promises";
import type { ByteStream } from "../../src/client/mod.ts";
import {
  type BackendInput,
  decodeFrontend,
  decodeStartup,
  encodeBackend,
  Framer,
  type FrontendMessage,
  type PasswordKind,
  type StartupPacket,
  type TransactionStatus,
  Writer,
} from "../../src/wire/mod.ts";
import { type DuplexOptions, duplex } from "./duplex.ts";

type Received = FrontendMessage | StartupPacket;
type OfType<Type extends Received["type"]> = Extract<Received, { type: Type }>;

/** Milliseconds that a message may be waited for. */
const patience = 5_000;

export class ScriptedServer {
  /** The client's end. */
  readonly stream: ByteStream;
  /** Whether the client has closed the connection. */
  clientClosed = false;
  /** What the next `p` message is. */
  password: PasswordKind = "PasswordMessage";
  readonly #server: ReturnType<typeof duplex>["server"];
  readonly #framer: Framer = new Framer({ startup: true });
  #changed: () => void = () => {};

  constructor(options: DuplexOptions = {}) {
    const { client, server } = duplex(options);
    this.stream = client;
    this.#server = server;
    server.onData = (chunk) => {
      this.#framer.push(chunk);
      this.#changed();
    };
    server.onClose = () => {
      this.clientClosed = true;
      this.#changed();
    };
  }

  /** The next message, which has to be of this type. */
  async expect<Type extends Received["type"]>(type: Type): Promise<OfType<Type>> {
    const message = await this.#next(type);
    if (message?.type !== type) throw new Error(`expected ${type}, got ${message?.type ?? "the end"}`);
    return message as OfType<Type>;
  }

  async expectAll(...types: Received["type"][]): Promise<void> {
    for (const type of types) await this.expect(type);
  }

  /** Waits for the client to close the connection. What it sends until then does not matter. */
  async expectClose(): Promise<void> {
    await this.#until(() => this.clientClosed, "close");
  }

  /** A promise: the client does not read. */
  send(...messages: readonly (BackendInput | Uint8Array)[]): void | Promise<void> {
    const writer = new Writer();
    for (const message of messages) {
      if (message instanceof Uint8Array) writer.raw(message);
      else encodeBackend(writer, message);
    }
    return this.#server.write(writer.take());
  }

  /** Reads no more until the promise settles. */
  pause(until: Promise<void>): void {
    const { onData } = this.#server;
    this.#server.onData = (chunk) => {
      onData(chunk);
      return until;
    };
  }

  /** Bytes that are no message. */
  sendRaw(...bytes: readonly number[]): void {
    this.#server.write(Uint8Array.from(bytes));
  }

  startTls(): Promise<unknown> | undefined {
    return this.#server.startTls?.();
  }

  /** Closes the connection behind what was sent. */
  close(): void {
    this.#server.end();
  }

  /** The start that most tests want. */
  async accept(status: TransactionStatus = "I"): Promise<OfType<"StartupMessage">> {
    const message = await this.expect("StartupMessage");
    this.send(
      { type: "AuthenticationOk" },
      { type: "ParameterStatus", name: "client_encoding", value: "UTF8" },
      { type: "BackendKeyData", processId: 42, secretKey: Uint8Array.of(1, 2, 3, 4) },
      { type: "ReadyForQuery", status },
    );
    return message;
  }

  async #next(expected: string): Promise<Received | undefined> {
    let frame = this.#framer.next();
    await this.#until(() => {
      frame ??= this.#framer.next();
      return frame !== undefined || this.clientClosed;
    }, expected);
    if (!frame) return undefined;
    if (!this.#framer.startup) return decodeFrontend(frame.code, frame.body, this.password);
    const packet = decodeStartup(frame.body);
    this.#framer.startup = packet.type !== "StartupMessage";
    return packet;
  }

  async #until(done: () => boolean, expected: string): Promise<void> {
    if (done()) return;
    const late = new AbortController();
    const arrived = new Promise<void>((resolve) => {
      this.#changed = () => done() && resolve();
    });
    const overdue = setTimeout(patience, "late", { signal: late.signal }).catch(() => {});
    const outcome = await Promise.race([arrived, overdue]);
    late.abort();
    this.#changed = () => {};
    if (outcome === "late") throw new Error(`no ${expected} after ${patience} ms`);
  }
}
