/** Servers that tests play, one for each connection that is opened. */
import type { ByteStream, OpenStream } from "../../../src/client/mod.ts";
import { ScriptedServer } from "../../client/scripted-server.ts";

export class ScriptedServers {
  /** How often a connection was opened. */
  opened = 0;
  /** What opening a connection fails with, once. */
  failure: Error | undefined;
  readonly #servers: ScriptedServer[] = [];
  #wake: (() => void) | undefined;

  readonly open: OpenStream = async (): Promise<ByteStream> => {
    this.opened++;
    const { failure } = this;
    this.failure = undefined;
    if (failure) throw failure;
    const server = new ScriptedServer();
    this.#servers.push(server);
    this.#wake?.();
    return server.stream;
  };

  /** The server of the next connection. */
  async next(): Promise<ScriptedServer> {
    while (this.#servers.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#servers.shift() as ScriptedServer;
  }

  /** The server of the next connection, which has taken the client in. */
  async accepted(): Promise<ScriptedServer> {
    const server = await this.next();
    await server.accept();
    return server;
  }
}

/** Expects DISCARD ALL, and does as if. */
export async function discard(server: ScriptedServer): Promise<void> {
  const { query } = await server.expect("Query");
  if (query !== "DISCARD ALL") throw new Error(`expected DISCARD ALL, got ${query}`);
  server.send({ type: "CommandComplete", tag: "DISCARD ALL" }, { type: "ReadyForQuery", status: "I" });
}
