// The library's face on Node: a server over an upstream of your own, or over a gateway's databases.
import { type AuthSource, trustAuthSource } from "../../src/auth/mod.ts";
import {
  memoryCancelRegistry,
  type SessionOptions,
  type StatementSession,
  type Upstream,
} from "../../src/session/mod.ts";
import { type Listener, type ListenOptions, listen } from "./listen.ts";
import { type TlsFiles, type TlsServer, tlsServer } from "./tls.ts";

export interface ServeOptions extends Omit<ListenOptions, "tls">, Omit<Partial<SessionOptions>, "upstream"> {
  /**
   * What answers the queries: an upstream, or just the `query` function of one that needs no state for each client.
   */
  readonly upstream: Upstream | StatementSession["query"];
  /** Who may connect. Default: everyone, so listen on loopback only. */
  readonly auth?: AuthSource;
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
export function serve(options: ServeOptions): Promise<Listener> {
  const { host, port, path, maxConnections, tls, upstream, ...session } = options;
  const served: Upstream = typeof upstream === "function" ? { connect: () => ({ query: upstream }) } : upstream;
  return listen(
    {
      ...session,
      auth: session.auth ?? trustAuthSource(),
      cancels: session.cancels ?? memoryCancelRegistry(),
      upstream: () => served,
    },
    { host, port, path, maxConnections, tls: tls && ("cert" in tls ? tlsServer(tls) : tls) },
  );
}
