/** Where the double of the RDS Data API runs statements: in PGlite, which is one session, or in sessions of a server. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { PGlite } from "@electric-sql/pglite";
import { encodeFrontend, Writer } from "../../../src/wire/mod.ts";
import { frameAt } from "../../conformance/answer.ts";
import { startupPacket } from "../../conformance/startup-packet.ts";

/** A session that holds nothing, until `free`. */
export interface ServerSession {
  /** Whole messages, and the answer up to ReadyForQuery. */
  send(messages: Uint8Array): Promise<Uint8Array>;
  /** Leaves nothing in it. */
  free(): Promise<void>;
}

export interface Sessions {
  take(): Promise<ServerSession>;
  close(): Promise<void>;
}

function discardAll(): Uint8Array {
  const writer = new Writer();
  encodeFrontend(writer, { type: "Query", query: "discard all" });
  return writer.take();
}

/** One request, or one transaction, at a time. */
export async function embeddedSessions(db: PGlite): Promise<Sessions> {
  await db.execProtocolRaw(startupPacket());
  let turn: Promise<void> = Promise.resolve();
  return {
    async take() {
      const before = turn;
      const { promise, resolve } = Promise.withResolvers<void>();
      turn = promise;
      await before;
      return {
        send: (messages) => db.execProtocolRaw(messages),
        async free() {
          await db.execProtocolRaw(discardAll());
          resolve();
        },
      };
    },
    close: () => db.close(),
  };
}

/** As many as are asked for, of a server that trusts. `settings` are those of each. */
export function serverSessions(port: number, settings: Record<string, string>): Sessions {
  const idle: Socket[] = [];
  const all = new Set<Socket>();
  return {
    async take() {
      const socket = idle.pop() ?? (await open(port, settings));
      all.add(socket);
      const send = async (messages: Uint8Array): Promise<Uint8Array> => {
        const answer = answerOf(socket);
        socket.write(messages);
        return await answer;
      };
      return {
        send,
        async free() {
          await send(discardAll());
          idle.push(socket);
        },
      };
    },
    async close() {
      for (const socket of all) socket.destroy();
    },
  };
}

async function open(port: number, settings: Record<string, string>): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").setNoDelay();
  // A connection that ends is told by the answer that does not come.
  socket.on("error", () => {});
  await once(socket, "connect");
  const answer = answerOf(socket);
  socket.write(startupPacket(settings));
  await answer;
  return socket;
}

/** What comes until ReadyForQuery. */
function answerOf(socket: Socket): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Buffer[] = [];
  let rest = Buffer.alloc(0);
  const closed = () => reject(new Error("the server closed the connection"));
  const data = (chunk: Buffer) => {
    chunks.push(chunk);
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    let last: string | undefined;
    for (let frame = frameAt(rest, 0); frame; frame = frameAt(rest, at)) {
      at = frame.end;
      last = frame.code;
    }
    rest = rest.subarray(at);
    if (last !== "Z" || rest.length > 0) return;
    socket.off("data", data).off("close", closed);
    resolve(Buffer.concat(chunks));
  };
  socket.on("data", data).once("close", closed);
  return promise;
}
