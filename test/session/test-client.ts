/** The client's end of a session in memory, as little as tests need: send, wait for messages, read them as lines. */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { trustAuthSource } from "../../src/auth/mod.ts";
import { Session, type SessionOptions, type SessionSnapshot, type Upstream } from "../../src/session/mod.ts";
import {
  type BackendMessage,
  backendLimits,
  decodeBackend,
  encodeFrontend,
  encodeStartup,
  Framer,
  type FrontendInput,
  protocol30,
  Writer,
} from "../../src/wire/mod.ts";
import { MemoryTransport } from "./memory-transport.ts";
import { messageLine } from "./message-lines.ts";

/** Milliseconds that anything may take; the machine may be busy. */
const patience = 20_000;

export type Sent = FrontendInput | Uint8Array;

export interface TestClientOptions extends Partial<Omit<SessionOptions, "upstream">> {
  readonly upstream: Upstream | SessionOptions["upstream"];
  readonly transport?: MemoryTransport;
  /** Gives the bytes to the session one at a time. */
  readonly byteByByte?: boolean;
}

export class TestClient {
  readonly transport: MemoryTransport;
  session: Session;
  /** Everything received, except what `take` took. */
  messages: BackendMessage[] = [];
  closed = false;
  readonly #byteByByte: boolean;
  readonly #options: SessionOptions;
  readonly #framer = new Framer({ limits: backendLimits() });
  #read = 0;
  #skip = 0;
  #changed: () => void = () => {};

  constructor({ upstream, transport, byteByByte, ...options }: TestClientOptions) {
    this.transport = transport ?? new MemoryTransport();
    this.#byteByByte = byteByByte ?? false;
    this.transport.onChange = () => this.#changed();
    this.#options = {
      auth: trustAuthSource(),
      ...options,
      upstream: typeof upstream === "function" ? upstream : () => upstream,
    };
    this.session = new Session(this.transport, this.#options);
    this.#follow(this.session);
  }

  #follow(session: Session): void {
    session.closed.then(() => {
      if (this.session !== session) return;
      this.closed = true;
      this.#changed();
    });
  }

  /** Suspends the session, which has ended then; gives what JSON keeps of it, or undefined. */
  async suspend(): Promise<SessionSnapshot | undefined> {
    await settled();
    const snapshot = await this.session.suspend();
    if (!snapshot) return undefined;
    await this.untilClosed();
    return JSON.parse(JSON.stringify(snapshot)) as SessionSnapshot;
  }

  /** Goes on with a new session, over the same transport. */
  resume(snapshot: SessionSnapshot, options: Partial<SessionOptions> = {}): void {
    this.closed = false;
    this.session = Session.resume(this.transport, { ...this.#options, ...options }, snapshot);
    this.#follow(this.session);
  }

  /** Both, for a session that can be suspended. */
  async pause(): Promise<SessionSnapshot> {
    const snapshot = await this.suspend();
    if (!snapshot) throw new Error("the session was not suspended");
    this.resume(snapshot);
    return snapshot;
  }

  /** Hands all to the session in one chunk, or byte by byte. */
  send(...messages: readonly Sent[]): void | Promise<void> {
    return this.sendBytes(bytesOf(messages));
  }

  sendBytes(bytes: Uint8Array): void | Promise<void> {
    if (!this.#byteByByte) return this.session.receive(bytes);
    return this.#trickle(bytes);
  }

  async #trickle(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) {
      await this.session.receive(Uint8Array.of(byte));
      await turn();
    }
  }

  /** Skips bytes that are no message: the answers to SSLRequest and GSSENCRequest. Gives them as text. */
  async skip(count: number): Promise<string> {
    const end = this.#skip + count;
    await this.#until(() => this.transport.writes.length >= end, `${count} letters`);
    const letters = this.transport.writes.slice(this.#skip, end);
    this.#skip = end;
    this.#read = end;
    return letters.map((letter) => new TextDecoder().decode(letter)).join("");
  }

  /** Waits until `times` messages of that kind have come since the last `take`. */
  async until(type: BackendMessage["type"], times = 1): Promise<void> {
    await this.#until(() => {
      this.read();
      const found = this.messages.filter((message) => message.type === type).length;
      if (found < times && this.transport.ended) throw new Error(`closed: ${this.#seen()}`);
      return found >= times;
    }, type);
  }

  /** Waits for the end of the session, upstream included. */
  async untilClosed(): Promise<void> {
    await this.#until(() => this.closed, "the end of the session");
  }

  /** The messages since the last time, as lines. */
  take(): string[] {
    this.read();
    const lines = this.messages.map(messageLine);
    this.messages = [];
    return lines;
  }

  /** Decodes what was written. */
  read(): void {
    for (; this.#read < this.transport.writes.length; this.#read++) {
      this.#framer.push(this.transport.writes[this.#read] as Uint8Array);
    }
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      this.messages.push(decodeBackend(frame.code, frame.body));
    }
  }

  /** Sends, and gives the answers up to the ReadyForQuery of each Query, FunctionCall and Sync. */
  async ask(...messages: readonly Sent[]): Promise<string[]> {
    const ends = ["Query", "Sync", "FunctionCall"];
    const ready = messages.filter((message) => "type" in message && ends.includes(message.type)).length;
    void this.send(...messages);
    await this.until("ReadyForQuery", Math.max(1, ready));
    return this.take();
  }

  query(sql: string): Promise<string[]> {
    return this.ask(query(sql));
  }

  /** The last message of that type. */
  last<Type extends BackendMessage["type"]>(type: Type): Extract<BackendMessage, { type: Type }> {
    this.read();
    const found = this.messages.findLast((message) => message.type === type);
    if (!found) throw new Error(`no ${type}: ${this.#seen()}`);
    return found as Extract<BackendMessage, { type: Type }>;
  }

  /** The client goes without a word. */
  async vanish(): Promise<void> {
    this.session.end();
    await this.untilClosed();
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        try {
          if (done()) settle(resolve);
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        this.#changed = () => {};
        then();
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no ${what}; received ${this.#seen()}`))),
        patience,
      );
      this.#changed = check;
    });
  }

  #seen(): string {
    this.read();
    return JSON.stringify(this.messages.map(messageLine));
  }
}

/** A client that is through its startup. */
export async function connect(
  options: TestClientOptions,
  parameters: Record<string, string> = {},
): Promise<TestClient> {
  const client = new TestClient(options);
  void client.sendBytes(startup(parameters));
  await client.until("ReadyForQuery");
  client.take();
  return client;
}

export function bytesOf(messages: readonly Sent[]): Uint8Array {
  const writer = new Writer();
  for (const message of messages) {
    if (message instanceof Uint8Array) writer.raw(message);
    else encodeFrontend(writer, message);
  }
  return writer.take().slice();
}

/** The StartupMessage of user `postgres`, with what is to be different. */
export function startup(parameters: Record<string, string> = {}, version: number = protocol30): Uint8Array {
  const writer = new Writer();
  const all = { user: "postgres", database: "postgres", ...parameters };
  encodeStartup(writer, { type: "StartupMessage", version, parameters: new Map(Object.entries(all)) });
  return writer.take();
}

/** A turn of the event loop: everything that did not wait for a timer has happened. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Several turns, after which nothing more is to be expected. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await turn();
}

// The messages that tests send.

export const sync: Sent = { type: "Sync" };
export const flush: Sent = { type: "Flush" };

export function query(sql: string): Sent {
  return { type: "Query", query: sql };
}

export function parse(sql: string, statement = "", parameterTypes: number[] = []): Sent {
  return { type: "Parse", statement, query: sql, parameterTypes };
}

export interface BindOptions {
  readonly portal?: string;
  readonly statement?: string;
  readonly formats?: number[];
  readonly results?: number[];
}

export function bind(
  parameters: readonly (string | Uint8Array | null)[] = [],
  { portal = "", statement = "", formats = [], results = [] }: BindOptions = {},
): Sent {
  return { type: "Bind", portal, statement, parameterFormats: formats, parameters, resultFormats: results };
}

export function describePortal(name = ""): Sent {
  return { type: "Describe", kind: "P", name };
}

export function describeStatement(name = ""): Sent {
  return { type: "Describe", kind: "S", name };
}

export function execute(maxRows = 0, portal = ""): Sent {
  return { type: "Execute", portal, maxRows };
}

/** What most drivers send for a statement, without the Sync. */
export function run(sql: string, ...parameters: readonly (string | null)[]): Sent[] {
  return [parse(sql), bind(parameters), describePortal(), execute()];
}

export function copyData(data: string): Sent {
  return { type: "CopyData", data: new TextEncoder().encode(data) };
}

export const copyDone: Sent = { type: "CopyDone" };
