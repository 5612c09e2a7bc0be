// A server of WebSockets alone, and bare clients of it.
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type ClientOptions, createWebSocketStream, WebSocket } from "ws";
import {
  attachWebSockets,
  type WebSocketListener,
  type WebSocketServerOptions,
} from "../../../adapters/node/websocket.ts";
import { trustAuthSource } from "../../../src/auth/mod.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { RawClient } from "./raw-client.ts";

export interface ServedWebSockets {
  readonly port: number;
  /** `ws://127.0.0.1:port`. */
  readonly url: string;
  readonly listener: WebSocketListener;
  close(grace?: number): Promise<void>;
  /** Cuts every connection. */
  terminate(): void;
}

const open = new Set<ServedWebSockets>();

/** For the end of a test. */
export async function closeWebSocketServers(): Promise<void> {
  await Promise.all([...open].map((server) => server.close(100)));
}

export async function serveWebSockets(
  upstream: Upstream,
  options: Partial<WebSocketServerOptions> = {},
): Promise<ServedWebSockets> {
  const server = createServer((_, response) => response.writeHead(404).end());
  const session = { auth: trustAuthSource(), upstream: () => upstream, ...options.session };
  const listener = attachWebSockets(server, { ...options, session });
  const connections = new Set<Socket>();
  server.on("connection", (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const served: ServedWebSockets = {
    port,
    url: `ws://127.0.0.1:${port}`,
    listener,
    async close(grace) {
      if (!open.delete(served)) return;
      const closed = new Promise((resolve) => server.close(resolve));
      await listener.close(grace);
      server.closeAllConnections();
      await closed;
    },
    terminate() {
      for (const socket of connections) socket.destroy();
    },
  };
  open.add(served);
  return served;
}

/** The connection of a WebSocket's client, and the code and reason that it ends with. */
export interface WebSocketClient {
  readonly socket: WebSocket;
  readonly client: RawClient;
  readonly closed: Promise<{ code: number; reason: string }>;
}

/** @throws an error with the status of a refusal */
export async function connectWebSocket(url: string, options: ClientOptions = {}): Promise<WebSocketClient> {
  const socket = new WebSocket(url, { perMessageDeflate: false, ...options });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  const stream = createWebSocketStream(socket);
  return { socket, client: new RawClient(stream as unknown as Socket), closed };
}
