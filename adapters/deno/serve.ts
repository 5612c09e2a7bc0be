// The library's face on Deno: a server over an upstream of your own.
import { type AuthSource, trustAuthSource } from "../../src/auth/mod.ts";
import type { SessionOptions, StatementSession, Upstream } from "../../src/session/mod.ts";
import { type Listener, type ListenOptions, listen } from "./listen.ts";
import { type TlsFiles, type TlsServer, tlsServer } from "./tls.ts";

export interface ServeOptions
  extends Omit<ListenOptions, "tls">,
    Omit<SessionOptions, "upstream" | "auth" | "refuse"> {
  /**
   * What answers the queries, whichever database the client names: an upstream, which is closed with the server; or, where
   * nothing needs to be kept for each client, one session for all of them, or just its `query` function.
   */
  readonly upstream: Upstream | Omit<StatementSession, "close"> | StatementSession["query"];
  /** Who may connect. Default: everyone, so listen on loopback only. */
  readonly auth?: AuthSource | undefined;
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
  const { upstream, tls, auth = trustAuthSource() } = options;
  const served = asUpstream(upstream);
  const session: SessionOptions = { ...options, auth, upstream: () => served };
  const listener = await listen(session, { ...options, tls: tls && ("cert" in tls ? tlsServer(tls) : tls) });
  let closing: Promise<void> | undefined;
  return {
    ...listener,
    get size() {
      return listener.size;
    },
    close(grace) {
      closing ??= listener.close(grace).then(() => served.close?.());
      return closing;
    },
  };
}

function asUpstream(upstream: ServeOptions["upstream"]): Upstream {
  if (typeof upstream === "function") return { connect: () => ({ query: upstream }) };
  return "connect" in upstream ? upstream : { connect: () => upstream };
}
