/** A backend that a test plays: it keeps what it is sent, and says what the test tells it to. */
import type { ProtocolBackend } from "../../../src/upstreams/mod.ts";
import {
  type BackendInput,
  decodeFrontend,
  encodeBackend,
  Framer,
  type FrontendMessage,
  frontendLimits,
  Writer,
} from "../../../src/wire/mod.ts";

export class FakeBackend implements ProtocolBackend {
  readonly parameters: ReadonlyMap<string, string> = new Map([["TimeZone", "UTC"]]);
  /** Every message so far, the gateway's own included. */
  readonly received: FrontendMessage[] = [];
  cancels = 0;
  closes = 0;
  /** What `send` gives: a promise is back-pressure. */
  pressure: void | Promise<void> = undefined;
  /** Queries of this text are not answered by themselves. */
  held: RegExp | undefined;
  /** Nothing is answered by itself. */
  muted = false;
  onData: (chunk: Uint8Array) => void | Promise<void> = () => {};
  onClose: (error: Error | undefined) => void = () => {};
  readonly #framer = new Framer({ limits: frontendLimits() });

  send(frames: Uint8Array): void | Promise<void> {
    this.#framer.push(frames.slice());
    for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
      const message = decodeFrontend(frame.code, frame.body);
      this.received.push(message);
      queueMicrotask(() => this.#answer(message));
    }
    return this.pressure;
  }

  /** Sends messages, in one chunk. */
  say(...messages: readonly BackendInput[]): void | Promise<void> {
    const writer = new Writer();
    for (const message of messages) encodeBackend(writer, message);
    return this.onData(writer.take());
  }

  /** The texts of the queries that came since the last time. */
  queries(): string[] {
    return this.received.splice(0).flatMap((message) => (message.type === "Query" ? [message.query] : []));
  }

  cancel(): boolean {
    this.cancels++;
    return true;
  }

  async close(): Promise<void> {
    this.closes++;
    this.onClose(undefined);
  }

  #answer(message: FrontendMessage): void {
    if (this.muted) return;
    switch (message.type) {
      case "Query":
        if (this.held?.test(message.query)) return;
        void this.say(...row("f"), { type: "ReadyForQuery", status: "I" });
        return;
      case "Parse":
        void this.say({ type: "ParseComplete" });
        return;
      case "Bind":
        void this.say({ type: "BindComplete" });
        return;
      case "Close":
        void this.say({ type: "CloseComplete" });
        return;
      case "Execute":
        void this.say(...row("f").slice(1));
        return;
      case "Sync":
        void this.say({ type: "ReadyForQuery", status: "I" });
    }
  }
}

/** A result of one cell. */
export function row(value: string): BackendInput[] {
  const field = {
    name: "a",
    tableOid: 0,
    columnAttribute: 0,
    typeOid: 25,
    typeSize: -1,
    typeModifier: -1,
    format: 0,
  };
  return [
    { type: "RowDescription", fields: [field] },
    { type: "DataRow", values: [value] },
    { type: "CommandComplete", tag: "SELECT 1" },
  ];
}

export const ready = (status: "I" | "T" | "E" = "I"): BackendInput => ({ type: "ReadyForQuery", status });
