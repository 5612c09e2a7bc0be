/** A client that sends what messages it is told to, and shows what comes back up to ReadyForQuery. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  type BackendMessage,
  backendLimits,
  decodeBackend,
  encodeFrontend,
  Framer,
  type FrontendInput,
  Writer,
} from "../../src/wire/mod.ts";
import { startupPacket } from "../conformance/startup-packet.ts";

export class RawClient {
  readonly #socket: Socket;
  readonly #framer = new Framer({ limits: backendLimits() });
  #messages: BackendMessage[] = [];
  #changed: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#framer.push(new Uint8Array(chunk));
      for (let frame = this.#framer.next(); frame; frame = this.#framer.next()) {
        this.#messages.push(decodeBackend(frame.code, frame.body.slice()));
      }
      this.#changed();
    });
    socket.on("close", () => this.#changed());
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const client = new RawClient(socket);
    socket.write(startupPacket());
    await client.until("ReadyForQuery");
    return client;
  }

  send(...messages: FrontendInput[]): void {
    const writer = new Writer();
    for (const message of messages) encodeFrontend(writer, message);
    this.#socket.write(writer.take());
  }

  /** What has come up to the message of that type, which is taken. */
  async until(type: BackendMessage["type"]): Promise<BackendMessage[]> {
    const late = Date.now() + 20_000;
    for (;;) {
      const at = this.#messages.findIndex((message) => message.type === type);
      if (at >= 0) return this.#messages.splice(0, at + 1);
      if (this.#socket.destroyed || Date.now() > late) {
        throw new Error(`no ${type}: ${JSON.stringify(this.#messages)}`);
      }
      const timer = setTimeout(() => this.#changed(), 20_000);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
      clearTimeout(timer);
    }
  }

  /** A Query, with the data of a COPY. */
  async query(query: string, ...data: Uint8Array[]): Promise<BackendMessage[]> {
    this.send({ type: "Query", query });
    if (data.length > 0) {
      const first = await this.#begun();
      if (first.at(-1)?.type === "ReadyForQuery") return first;
      this.send(...data.map((chunk) => ({ type: "CopyData", data: chunk }) as const), { type: "CopyDone" });
      return [...first, ...(await this.until("ReadyForQuery"))];
    }
    return this.until("ReadyForQuery");
  }

  /** The same by the extended protocol: Sync comes early, as from libpq, and again behind the data. */
  async execute(query: string, ...data: Uint8Array[]): Promise<BackendMessage[]> {
    this.send(
      { type: "Parse", statement: "", query, parameterTypes: [] },
      { type: "Bind", portal: "", statement: "", parameterFormats: [], parameters: [], resultFormats: [] },
      { type: "Describe", kind: "P", name: "" },
      { type: "Execute", portal: "", maxRows: 0 },
      { type: "Sync" },
    );
    if (data.length === 0) return this.until("ReadyForQuery");
    const first = await this.#begun();
    if (first.at(-1)?.type === "ReadyForQuery") return first;
    this.send(
      ...data.map((chunk) => ({ type: "CopyData", data: chunk }) as const),
      { type: "CopyDone" },
      {
        type: "Sync",
      },
    );
    return [...first, ...(await this.until("ReadyForQuery"))];
  }

  async #begun(): Promise<BackendMessage[]> {
    const found: BackendMessage[] = [];
    for (;;) {
      const next = await this.#next();
      found.push(next);
      if (next.type === "CopyInResponse" || next.type === "ReadyForQuery") return found;
    }
  }

  async #next(): Promise<BackendMessage> {
    const first = this.#messages[0];
    if (first) return (await this.until(first.type))[0] as BackendMessage;
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
    return this.#next();
  }

  async close(): Promise<void> {
    this.send({ type: "Terminate" });
    this.#socket.end();
    await once(this.#socket, "close");
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
