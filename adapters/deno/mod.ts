/** edgewire on Deno: the TCP server with TLS, the embedded PGlite, and connections to PostgreSQL servers. */
export { type Listener, type ListenOptions, listen } from "./listen.ts";
export { type ServeOptions, serve } from "./serve.ts";
export { type CertificateFiles, type TlsFiles, type TlsServer, tlsServer } from "./tls.ts";
