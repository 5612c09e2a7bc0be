/** A WebSocket in memory, and the session behind it: keeps what is sent, and can be full. */
import { trustAuthSource } from "../../src/auth/mod.ts";
import {
  serveWebSocket,
  type WebSocketConnection,
  type WebSocketOptions,
  type WebSocketSession,
} from "../../src/http/websocket.ts";
import type { SessionOptions, Upstream } from "../../src/session/mod.ts";
import { backendLimits, decodeBackend, Framer } from "../../src/wire/mod.ts";
import { messageLine } from "../session/message-lines.ts";
import { bytesOf, type Sent, settled } from "../session/test-client.ts";

/** A client that lets its platform do all that a platform can do. Tests take abilities away. */
export class MemoryWebSocket implements WebSocketConnection {
  frames: Uint8Array[] = [];
  closed: { code: number | undefined; reason: string | undefined } | undefined;
  terminated = false;
  bufferedAmount = 0;
  paused = 0;
  resumed = 0;
  /** What `send` gives. */
  sending: Promise<void> | undefined;

  send(bytes: Uint8Array): void | Promise<void> {
    if (this.closed || this.terminated) throw new Error("sent after the end");
    this.frames.push(bytes);
    return this.sending;
  }

  close(code?: number, reason?: string): void {
    if (this.closed) throw new Error("closed twice");
    this.closed = { code, reason };
  }

  terminate(): void {
    this.terminated = true;
  }

  pause(): void {
    this.paused++;
  }

  resume(): void {
    this.resumed++;
  }

  /** The messages since the last time, as lines; each array is a frame's. */
  take(): string[][] {
    const frames = this.frames;
    this.frames = [];
    return frames.map((frame) => {
      const framer = new Framer({ limits: backendLimits() });
      const lines: string[] = [];
      framer.push(frame);
      for (let message = framer.next(); message; message = framer.next()) {
        lines.push(messageLine(decodeBackend(message.code, message.body)));
      }
      return lines;
    });
  }
}

export interface Served {
  readonly socket: MemoryWebSocket;
  readonly served: WebSocketSession;
  /** Sends a frame of these messages, and waits until nothing more is to be expected. */
  send(...messages: Sent[]): Promise<void>;
}

export function serve(
  upstream: Upstream,
  options: WebSocketOptions = {},
  session: Partial<SessionOptions> = {},
  socket: MemoryWebSocket = new MemoryWebSocket(),
): Served {
  const served = serveWebSocket(
    socket,
    { auth: trustAuthSource(), upstream: () => upstream, ...session },
    options,
  );
  return {
    socket,
    served,
    async send(...messages) {
      served.message(bytesOf(messages));
      await settled();
    },
  };
}
