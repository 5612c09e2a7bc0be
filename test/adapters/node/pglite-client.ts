// The client's end of a backend, as little as its tests need: send, collect, wait for a message.
import type { PgliteBackend } from "../../../adapters/node/pglite.ts";
import { type BackendMessage, backendLimits, decodeBackend, Framer } from "../../../src/wire/mod.ts";
import { concat, frontendBytes } from "../../wire/bytes.ts";

/** Milliseconds that any answer may take; the machine may be busy. */
const patience = 60_000;

export const query = (text: string): Uint8Array => frontendBytes({ type: "Query", query: text });

export function messagesOf(bytes: Uint8Array): BackendMessage[] {
  const framer = new Framer({ limits: backendLimits() });
  framer.push(bytes);
  const messages: BackendMessage[] = [];
  for (let frame = framer.next(); frame; frame = framer.next()) {
    messages.push(decodeBackend(frame.code, frame.body));
  }
  return messages;
}

/** An answer in short: types, with what tells one from another. */
export function outline(messages: readonly BackendMessage[]): string[] {
  const decoder = new TextDecoder();
  return messages.map((message) => {
    switch (message.type) {
      case "DataRow":
        return message.values.map((value) => (value === null ? "null" : decoder.decode(value))).join("|");
      case "CommandComplete":
        return message.tag;
      case "ErrorResponse":
      case "NoticeResponse":
        return `${message.fields.severity} ${message.fields.code}: ${message.fields.message}`;
      case "ReadyForQuery":
        return `ready ${message.status}`;
      case "NotificationResponse":
        return `notification ${message.channel} ${message.payload}`;
      case "ParameterStatus":
        return `${message.name}=${message.value}`;
      default:
        return message.type;
    }
  });
}

export class PgliteClient {
  readonly backend: PgliteBackend;
  readonly closed: Promise<Error | undefined>;
  #chunks: Uint8Array[] = [];
  #messages: BackendMessage[] = [];
  readonly #framer: Framer = new Framer({ limits: backendLimits() });
  #changed: () => void = () => {};
  #isClosed = false;

  constructor(backend: PgliteBackend) {
    this.backend = backend;
    backend.onData = (chunk) => {
      this.#chunks.push(chunk);
      this.#framer.push(chunk);
      for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
        this.#messages.push(decodeBackend(frame.code, frame.body));
      }
      this.#changed();
    };
    this.closed = new Promise((resolve) => {
      backend.onClose = (error) => {
        this.#isClosed = true;
        resolve(error);
        this.#changed();
      };
    });
  }

  /** Waits until a message has arrived since the last `take`. */
  async until(matches: (message: BackendMessage) => boolean, times = 1): Promise<void> {
    const deadline = performance.now() + patience;
    let seen = 0;
    let found = 0;
    for (;;) {
      for (; seen < this.#messages.length; seen++) {
        if (matches(this.#messages[seen] as BackendMessage) && ++found === times) return;
      }
      const last = outline(this.#messages.slice(-5)).join(", ");
      if (this.#isClosed) throw new Error(`the database ended after ${last}`);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`nothing came after ${last}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** What has arrived since the last `take`. */
  take(): { bytes: Uint8Array; messages: BackendMessage[] } {
    const taken = { bytes: concat(...this.#chunks), messages: this.#messages };
    this.#chunks = [];
    this.#messages = [];
    return taken;
  }

  /** Sends, each part by itself, and waits for as many ReadyForQuery. */
  async ask(
    parts: readonly Uint8Array[],
    ready = 1,
  ): Promise<{ bytes: Uint8Array; messages: BackendMessage[] }> {
    for (const part of parts) void this.backend.send(part);
    await this.ready(ready);
    return this.take();
  }

  /** The outline of a simple query's answer. */
  async run(text: string): Promise<string[]> {
    return outline((await this.ask([query(text)])).messages);
  }

  async ready(count = 1): Promise<void> {
    await this.until((message) => message.type === "ReadyForQuery", count);
  }
}
