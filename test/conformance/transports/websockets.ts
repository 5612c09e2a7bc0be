/** Streams to a gateway over WebSockets, by a client that is none of the project's own. */
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocket } from "ws";
import type { Transport } from "./transport.ts";

export function webSocket(name: string, url: string): Transport {
  return { name, open: () => openWebSocket(url) };
}

async function openWebSocket(url: string): Promise<Duplex> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const stream = createWebSocketStream(socket);
  await once(socket, "open");
  return stream;
}
