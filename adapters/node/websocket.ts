// WebSockets on Node: the upgrades of an HTTP server become sessions. What the Neon driver, edgewire's own tunnel and
// browsers connect to.
import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Server as SecureServer } from "node:https";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { defaultMaxFrameBytes, serveWebSocket, type WebSocketSession } from "../../src/http/websocket.ts";
import { type UpgradePolicy, upgradeRefusal } from "../../src/http/websocket-upgrade.ts";
import { memoryCancelRegistry, type SessionOptions } from "../../src/session/mod.ts";
import { drain, tooManyClients, within } from "./drain.ts";
import { atTurnEnd } from "./turn-end.ts";
import { webSocketConnection } from "./websocket-connection.ts";

export interface WebSocketServerOptions extends UpgradePolicy {
  readonly session: SessionOptions;
  /** Sessions at a time; the next client gets FATAL 53300. Default 1,000. */
  readonly maxConnections?: number | undefined;
  /** Sessions that came by other ways and count, too: those of a TCP listener. */
  readonly others?: (() => number) | undefined;
  /** Bytes of one frame; a longer one closes with 1009. Default 64 MiB. */
  readonly maxFrameBytes?: number | undefined;
  /** See ListenOptions. */
  readonly lostClientGrace?: number | undefined;
  /** Milliseconds between two pings: proxies on the way cut connections that say nothing. Default 30,000. */
  readonly pingInterval?: number | undefined;
}

export interface WebSocketListener {
  /** Sessions at the moment. */
  readonly size: number;
  /** Refuses further upgrades with 503, and ends the sessions as Listener.close() does. */
  close(grace?: number): Promise<void>;
}

/** Milliseconds before TCP keepalive probes, so that vanished clients do not hold a transaction for hours. */
const keepAliveDelay = 60_000;

/** Milliseconds after the closing frame for the client's own; then the connection is cut. */
const closeTimeout = 5_000;

/** Milliseconds after the last session's end for clients to read its last words. */
const farewell = 1_000;

/** Sessions above the cap, at a time, that are told so. */
const maxRefused = 100;

/** Takes all upgrades of an HTTP server, on any path. */
export function attachWebSockets(
  server: Server | SecureServer,
  options: WebSocketServerOptions,
): WebSocketListener {
  const { maxConnections = 1_000, maxFrameBytes = defaultMaxFrameBytes, lostClientGrace } = options;
  const { pingInterval = 30_000 } = options;
  const session = { ...options.session, cancels: options.session.cancels ?? memoryCancelRegistry() };
  const sessions = new Set<WebSocketSession>();
  const refused = new Set<WebSocketSession>();
  const open = new Set<WebSocket>();
  const settings = {
    noServer: true,
    // Sessions are known here already.
    clientTracking: false,
    // Compression costs memory for each connection and CPU for each row, and helps who guesses what passes (CRIME).
    perMessageDeflate: false,
    maxPayload: maxFrameBytes,
    closeTimeout,
  };
  const sockets = new WebSocketServer(settings);
  const pings = setInterval(() => {
    for (const webSocket of open) webSocket.ping();
  }, pingInterval).unref();
  let closing: Promise<void> | undefined;
  let allClosed: (() => void) | undefined;

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until the WebSocket has its own listener.
    socket.on("error", () => {});
    const refusal = closing
      ? { status: 503, headers: {}, message: "the server is shutting down" }
      : upgradeRefusal(request.method ?? "", (name) => header(request, name), options);
    if (refusal) return refuse(socket, refusal);
    request.socket.setKeepAlive(true, keepAliveDelay);
    request.socket.setNoDelay(true);
    sockets.handleUpgrade(request, socket, head, (webSocket) => accept(webSocket, request));
  }

  function accept(webSocket: WebSocket, request: IncomingMessage): void {
    const full = sessions.size + (options.others?.() ?? 0) >= maxConnections;
    if (full && refused.size >= maxRefused) return webSocket.terminate();
    const served = serveWebSocket(
      webSocketConnection(webSocket),
      { ...session, ...(full && { refuse: tooManyClients() }) },
      { address: request.socket.remoteAddress, maxFrameBytes, lostClientGrace, atTurnEnd },
    );
    const kept = full ? refused : sessions;
    kept.add(served);
    served.session.closed.then(() => kept.delete(served));
    open.add(webSocket);
    webSocket.on("message", (data, isBinary) => served.message(isBinary ? (data as Buffer) : ""));
    // "close" follows, and says enough: a frame that is too long or broken ends the connection.
    webSocket.on("error", () => {});
    webSocket.on("close", (code) => {
      served.closed(code !== abnormalClosure);
      open.delete(webSocket);
      if (open.size === 0) allClosed?.();
    });
  }

  async function close(grace: number): Promise<void> {
    clearInterval(pings);
    const all = [...sessions, ...refused];
    await drain(
      all.map((served) => ({
        closed: served.session.closed,
        shutdown: (now) => served.shutdown(now),
      })),
      grace,
    );
    if (open.size === 0) return;
    const closed = new Promise<void>((resolve) => {
      allClosed = resolve;
    });
    if (await within(farewell, closed)) return;
    for (const webSocket of open) webSocket.terminate();
    await closed;
  }

  server.on("upgrade", upgrade);
  return {
    get size() {
      return sessions.size;
    },
    close(grace = 10_000) {
      closing ??= close(grace);
      return closing;
    },
  };
}

/** The code that stands for a connection that ended without a closing frame (RFC 6455, 7.1.5). */
const abnormalClosure = 1006;

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

function refuse(
  socket: Duplex,
  {
    status,
    headers,
    message,
  }: { status: number; headers: Readonly<Record<string, string>>; message: string },
): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const body = `${message}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}connection: close\r\n` +
      `content-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
