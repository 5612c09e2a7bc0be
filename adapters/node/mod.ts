/**
 * edgewire on Node: the TCP server with TLS, HTTP and WebSockets, the embedded PGlite, connections to PostgreSQL servers,
 * and tunnels to gateways that are reached by WebSocket.
 */
export { connectUrl } from "./connect-url.ts";
export { openers } from "./databases.ts";
export { clientAddress, type HttpListener, type HttpListenOptions, listenHttp } from "./http.ts";
export { type Listener, type ListenOptions, listen } from "./listen.ts";
export { openNeon } from "./neon.ts";
export { loadParser } from "./parser.ts";
export { openPglite, type PgliteBackend, type PgliteOptions } from "./pglite.ts";
export { openPostgres } from "./postgres.ts";
export { type ServeOptions, serve } from "./serve.ts";
export { type CertificateFiles, type TlsFiles, type TlsServer, tlsServer } from "./tls.ts";
export { openTunnel, type TunnelOptions, tunnelUrl } from "./tunnel.ts";
export {
  attachWebSockets,
  type WebSocketListener,
  type WebSocketServerOptions,
} from "./websocket.ts";
