/** edgewire on Deno: the TCP server with TLS, HTTP and WebSockets, the embedded PGlite, and connections to PostgreSQL servers. */
export { openPglite, type PgliteBackend, type PgliteOptions } from "../node/pglite.ts";
export { connectUrl } from "./connect-url.ts";
export { openers } from "./databases.ts";
export { clientAddress, type HttpListener, type HttpListenOptions, listenHttp } from "./http.ts";
export { type Listener, type ListenOptions, listen } from "./listen.ts";
export { openPostgres } from "./postgres.ts";
export { type ServeOptions, serve } from "./serve.ts";
export { type CertificateFiles, type TlsFiles, type TlsServer, tlsServer } from "./tls.ts";
export { upgrade } from "./websocket.ts";
