// WebSockets on Deno: Deno.upgradeWebSocket answers the request, and the socket becomes a session.
import {
  refuseUpgrade,
  serveWebSocket,
  type Upgrade,
  type WebSocketConnection,
  type WebSocketSession,
} from "../../src/http/mod.ts";
import { memoryCancelRegistry } from "../../src/session/mod.ts";
import { drain, tooManyClients, within } from "../node/drain.ts";
import { atTurnEnd } from "../node/turn-end.ts";
import type { WebSocketListener, WebSocketServerOptions } from "../node/websocket.ts";

/** Seconds between a ping and its answer; then the client has vanished, and its transaction is not held any longer. */
const idleTimeout = 60;

/** Bytes of the reason in a closing frame (RFC 6455, 5.5). */
const reasonLength = 123;

/** Sessions above the cap, at a time, that are told so. */
const maxRefused = 100;

/** Milliseconds after the last session's end for clients to read its last words. */
const farewell = 1_000;

/** For `createApp`. */
export const upgrade: Upgrade = (request, serve) => upgraded(request, serve);

function upgraded(
  request: Request,
  serve: (connection: WebSocketConnection) => WebSocketSession,
  closed: () => void = () => {},
): Response {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout });
  let session: WebSocketSession | undefined;
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    session = serve(connectionOf(socket));
  });
  socket.addEventListener("message", ({ data }) => session?.message(data));
  // "close" follows.
  socket.addEventListener("error", (event) => event.preventDefault());
  // Deno (2.9) says it twice if the connection is reset while it closes.
  const once = { once: true };
  socket.addEventListener(
    "close",
    ({ wasClean }) => {
      session?.closed(wasClean);
      closed();
    },
    once,
  );
  return response;
}

/** Deno cannot stop reading a WebSocket: a session bounds what may wait. */
function connectionOf(socket: WebSocket): WebSocketConnection {
  return {
    send(bytes) {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes as Uint8Array<ArrayBuffer>);
    },
    close(code, reason) {
      socket.close(code, reason && shortened(reason));
    },
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
  };
}

function shortened(reason: string): string {
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= reasonLength) return reason;
  // What is left of a character that is cut in two is not decoded.
  return new TextDecoder().decode(bytes.subarray(0, reasonLength), { stream: true });
}

export interface WebSockets extends WebSocketListener {
  /** Answers a request that asks for an upgrade. `address`: the client's. */
  upgrade(request: Request, address: string | undefined): Response;
}

/** The WebSockets of a server, on any path: counted, bounded in number, and ended with it. */
export function webSocketsOf(options: WebSocketServerOptions): WebSockets {
  const { maxConnections = 1_000, maxFrameBytes, lostClientGrace } = options;
  const session = { ...options.session, cancels: options.session.cancels ?? memoryCancelRegistry() };
  const sessions = new Set<WebSocketSession>();
  const refused = new Set<WebSocketSession>();
  let open = 0;
  let closing: Promise<void> | undefined;
  let allClosed: (() => void) | undefined;

  async function close(grace: number): Promise<void> {
    const all = [...sessions, ...refused].map((served) => ({
      closed: served.session.closed,
      shutdown: (now?: boolean) => served.shutdown(now),
    }));
    await drain(all, grace);
    if (open === 0) return;
    const closed = new Promise<void>((resolve) => {
      allClosed = resolve;
    });
    await within(farewell, closed);
  }

  return {
    get size() {
      return sessions.size;
    },
    upgrade(request, address) {
      if (closing) return new Response("the server is shutting down\n", { status: 503 });
      const refusal = refuseUpgrade(request, options);
      if (refusal) return refusal;
      const full = sessions.size + (options.others?.() ?? 0) >= maxConnections;
      if (full && refused.size >= maxRefused) return new Response("too many clients\n", { status: 503 });
      open++;
      const serve = (connection: WebSocketConnection): WebSocketSession => {
        const served = serveWebSocket(
          connection,
          { ...session, ...(full && { refuse: tooManyClients() }) },
          { address, maxFrameBytes, lostClientGrace, atTurnEnd },
        );
        const kept = full ? refused : sessions;
        kept.add(served);
        served.session.closed.then(() => kept.delete(served));
        return served;
      };
      return upgraded(request, serve, () => {
        open--;
        if (open === 0) allClosed?.();
      });
    },
    close(grace = 10_000) {
      closing ??= close(grace);
      return closing;
    },
  };
}
