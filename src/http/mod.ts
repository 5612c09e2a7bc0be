/** The HTTP side of a gateway: SQL over HTTP, WebSockets, health and metrics, as one hono app for every runtime. */
export { type AppOptions, createApp, type Upgrade, webSocketOptions } from "./app.ts";
export {
  serveWebSocket,
  type WebSocketConnection,
  type WebSocketOptions,
  type WebSocketSession,
  WebSocketTransport,
} from "./websocket.ts";
export { refuseUpgrade, type UpgradePolicy } from "./websocket-upgrade.ts";
