/** edgewire on Node: the TCP server with TLS, the embedded PGlite, and connections to PostgreSQL servers. */
export { connectUrl } from "./connect-url.ts";
export { openers } from "./databases.ts";
export { clientAddress, type HttpListener, type HttpListenOptions, listenHttp } from "./http.ts";
export { type Listener, type ListenOptions, listen } from "./listen.ts";
export { openPglite, type PgliteBackend, type PgliteOptions } from "./pglite.ts";
export { openPostgres } from "./postgres.ts";
export { type ServeOptions, serve } from "./serve.ts";
export { type CertificateFiles, type TlsFiles, type TlsServer, tlsServer } from "./tls.ts";
