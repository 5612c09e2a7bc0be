// Upgrades to WebSockets: each is handed to a Durable Object of its own, or, where there is no binding for that, served in
// the invocation, which lasts as long as the WebSocket. Workers cannot stop reading one, so what a client sends faster than
// it is taken waits in memory, up to a limit; a SessionObject can make the runtime wait.
import { waitUntil } from "cloudflare:workers";
import type { Upgrade, WebSocketConnection } from "../../src/http/mod.ts";
import type { Env } from "./env.ts";

export const upgrade: Upgrade = (request, serve, env) => {
  const sessions = (env as Env).EDGEWIRE_SESSIONS;
  if (sessions) return sessions.get(sessions.newUniqueId()).fetch(request);
  const { 0: client, 1: server } = new WebSocketPair();
  server.binaryType = "arraybuffer";
  server.accept();
  const session = serve(connectionOf(server));
  server.addEventListener("message", ({ data }) => session.message(data as ArrayBuffer | string));
  const closed = (clean = false): void => {
    session.closed(clean);
    // With the WebSocket the invocation ends, and what is under way in it: the last statement, a ROLLBACK.
    waitUntil(session.session.closed);
  };
  server.addEventListener("close", ({ wasClean }) => closed(wasClean));
  server.addEventListener("error", () => closed());
  return new Response(null, { status: 101, webSocket: client });
};

function connectionOf(socket: WebSocket): WebSocketConnection {
  return {
    send: (bytes) => socket.send(bytes),
    close: (code, reason) => socket.close(code, reason),
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
  };
}
