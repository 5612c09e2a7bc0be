// A WebSocket of the `ws` package, a server's or a client's, as sessions see one. In a file of its own, since its type is one
// of a package that those who use edgewire's types need not have.
import type { WebSocket } from "ws";
import type { WebSocketConnection } from "../../src/http/websocket.ts";

/** Bytes that may wait in a socket before who sends has to. */
const highWater = 64 * 1024;

export function webSocketConnection(webSocket: WebSocket): WebSocketConnection {
  return {
    send(bytes) {
      if (webSocket.bufferedAmount + bytes.length <= highWater) return void webSocket.send(bytes);
      return new Promise((resolve) => webSocket.send(bytes, () => resolve()));
    },
    close: (code, reason) => webSocket.close(code, reason),
    terminate: () => webSocket.terminate(),
    get bufferedAmount() {
      return webSocket.bufferedAmount;
    },
    pause: () => webSocket.pause(),
    resume: () => webSocket.resume(),
  };
}
