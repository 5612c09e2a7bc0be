// A server over an upstream of one's own, on any runtime that can listen.
import { type AuthSource, trustAuthSource } from "../../src/auth/mod.ts";
import type { SessionOptions, StatementSession, Upstream } from "../../src/session/mod.ts";
import type { Listener } from "./listen.ts";

export interface UpstreamOptions extends Omit<SessionOptions, "upstream" | "auth" | "refuse"> {
  /**
   * What answers the queries, whichever database the client names: an upstream, which is closed with the server; or, where
   * nothing needs to be kept for each client, one session for all of them, or just its `query` function.
   */
  readonly upstream: Upstream | Omit<StatementSession, "close"> | StatementSession["query"];
  /** Who may connect. Default: everyone, so listen on loopback only. */
  readonly auth?: AuthSource | undefined;
}

/** Serves the upstream where `listen` listens, and closes it with that. */
export async function serveUpstream(
  { upstream, auth = trustAuthSource(), ...options }: UpstreamOptions,
  listen: (session: SessionOptions) => Promise<Listener>,
): Promise<Listener> {
  const served = asUpstream(upstream);
  const listener = await listen({ ...options, auth, upstream: () => served });
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

function asUpstream(upstream: UpstreamOptions["upstream"]): Upstream {
  if (typeof upstream === "function") return { connect: () => ({ query: upstream }) };
  return "connect" in upstream ? upstream : { connect: () => upstream };
}
