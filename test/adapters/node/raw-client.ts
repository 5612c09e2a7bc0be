// A client with a bare socket, to do what no driver would: half messages, half connections, no reading.
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import {
  type BackendMessage,
  backendLimits,
  decodeBackend,
  encodeStartup,
  Framer,
  type StartupPacket,
  Writer,
} from "../../../src/wire/mod.ts";
import { concat, frontendBytes } from "../../wire/bytes.ts";
import { outline } from "./pglite-client.ts";

/** Milliseconds that any answer may take; the machine may be busy. */
const patience = 15_000;

export const query = (text: string): Uint8Array => frontendBytes({ type: "Query", query: text });

export function startupBytes(packet: StartupPacket): Uint8Array {
  const writer = new Writer();
  encodeStartup(writer, packet);
  return writer.take();
}

export const sslRequest: Uint8Array = startupBytes({ type: "SSLRequest" });

export function startup(parameters: Record<string, string> = {}): Uint8Array {
  const all = new Map(Object.entries({ user: "tester", ...parameters }));
  return startupBytes({ type: "StartupMessage", version: 196608, parameters: all });
}

/** Where to connect: what a Listener tells of itself. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly path?: string | undefined;
}

const clients = new Set<RawClient>();

/** For the end of a test. */
export function destroyClients(): void {
  for (const client of clients) client.destroy();
}

export class RawClient {
  readonly socket: Socket;
  /** Settles when the connection is gone, whichever way. */
  readonly closed: Promise<void>;
  #chunks: Uint8Array[] = [];
  #messages: BackendMessage[] = [];
  #taken = 0;
  #ended = false;
  #changed: () => void = () => {};
  readonly #framer: Framer = new Framer({ limits: backendLimits() });

  constructor(socket: Socket) {
    this.socket = socket;
    clients.add(this);
    socket.on("error", () => {});
    socket.once("close", () => clients.delete(this));
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("end", () => this.#end());
    socket.on("close", () => this.#end());
    socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
      this.#changed();
    });
  }

  static async connect(address: Address, options: Partial<NetConnectOpts> = {}): Promise<RawClient> {
    const where = address.path ? { path: address.path } : { host: address.host, port: address.port };
    const socket = connect({ ...where, allowHalfOpen: true, ...options } as NetConnectOpts);
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new RawClient(socket);
  }

  /** Asks for TLS with SSLRequest, and gives a client over it. */
  async upgrade(options: ConnectionOptions = {}): Promise<RawClient> {
    this.send(sslRequest);
    const answer = await this.bytes(1);
    if (answer[0] !== 0x53)
      throw new Error(`the answer to SSLRequest is ${String.fromCharCode(answer[0] ?? 0)}`);
    return this.#secure(options);
  }

  /** Starts TLS without asking. */
  direct(options: ConnectionOptions = {}): Promise<RawClient> {
    return this.#secure({ ALPNProtocols: ["postgresql"], ...options });
  }

  async #secure(options: ConnectionOptions): Promise<RawClient> {
    this.socket.removeAllListeners("data");
    this.socket.removeAllListeners("end");
    const secure = connectTls({ socket: this.socket, rejectUnauthorized: false, ...options });
    await new Promise<void>((resolve, reject) => {
      secure.once("secureConnect", resolve).once("error", reject);
      secure.once("close", () => reject(new Error("closed during the handshake")));
    });
    return new RawClient(secure);
  }

  get tls(): TLSSocket {
    return this.socket as TLSSocket;
  }

  send(...bytes: Uint8Array[]): void {
    this.socket.write(concat(...bytes));
  }

  /** Closes the own side only. */
  half(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Connects as a user without a password, up to the first ReadyForQuery. */
  async login(parameters: Record<string, string> = {}): Promise<this> {
    this.send(startup(parameters));
    await this.until("ReadyForQuery");
    return this;
  }

  /** Runs a simple query and gives its answer in short. */
  async query(text: string): Promise<string[]> {
    this.send(query(text));
    return outline(await this.until("ReadyForQuery"));
  }

  /** Waits for so many bytes that are no message, and takes them. */
  async bytes(count: number): Promise<Uint8Array> {
    await this.#wait(() => this.#chunks.length > 0 || this.#ended, `${count} bytes`);
    const all = concat(...this.#chunks);
    this.#chunks = all.length > count ? [all.subarray(count)] : [];
    return all.subarray(0, count);
  }

  /** Gives the messages up to the next one of the type. @throws if the connection ends before. */
  async until(type: BackendMessage["type"]): Promise<BackendMessage[]> {
    const at = (): number => {
      this.#decode();
      return this.#messages.findIndex((message, index) => index >= this.#taken && message.type === type);
    };
    await this.#wait(() => at() >= 0 || this.#ended, type);
    const found = at();
    if (found < 0)
      throw new Error(`the connection ended before ${type}: ${outline(this.#messages).join(", ")}`);
    const messages = this.#messages.slice(this.#taken, found + 1);
    this.#taken = found + 1;
    return messages;
  }

  /** Waits for the server to close its side, and gives what came before in short. */
  async end(): Promise<string[]> {
    await this.#wait(() => this.#ended, "the end");
    this.#decode();
    const rest = this.#messages.slice(this.#taken);
    this.#taken = this.#messages.length;
    return outline(rest);
  }

  #decode(): void {
    for (const chunk of this.#chunks) this.#framer.push(chunk);
    this.#chunks = [];
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      this.#messages.push(decodeBackend(frame.code, frame.body));
    }
  }

  #end(): void {
    this.#ended = true;
    this.#changed();
  }

  async #wait(done: () => boolean, what: string): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#changed = () => {};
        this.#decode();
        reject(new Error(`no ${what} after ${patience} ms; received ${outline(this.#messages).join(", ")}`));
      }, patience);
      this.#changed = () => {
        if (!done()) return;
        clearTimeout(timer);
        this.#changed = () => {};
        resolve();
      };
    });
  }
}
