// The library's face on Node: a server over an upstream of your own.
import { type Listener, type ListenOptions, listen } from "./listen.ts";
import { serveUpstream, type UpstreamOptions } from "./serve-upstream.ts";
import { type TlsFiles, type TlsServer, tlsServer } from "./tls.ts";

export interface ServeOptions extends Omit<ListenOptions, "tls">, UpstreamOptions {
  /** A certificate, or one loaded by `tlsServer`, which can be reloaded. */
  readonly tls?: TlsFiles | TlsServer | undefined;
}

/**
 * Serves the PostgreSQL protocol.
 *
 * ```ts
 * const server = await serve({
 *   port: 5432,
 *   upstream: ({ sql }) => ({ type: "rows", columns: [{ name: "you sent" }], rows: [[sql]] }),
 * });
 * ```
 */
export async function serve(options: ServeOptions): Promise<Listener> {
  const { tls } = options;
  const listening = { ...options, tls: tls && ("cert" in tls ? tlsServer(tls) : tls) };
  return serveUpstream(options, (session) => listen(session, listening));
}
