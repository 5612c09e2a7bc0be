// The PostgreSQL behind the Worker under test: the embedded one, served by the adapter for Node.
import { type ListenOptions, listen } from "../../../adapters/node/listen.ts";
import { openPglite } from "../../../adapters/node/pglite.ts";
import { trustAuthSource } from "../../../src/auth/mod.ts";
import { sharedUpstream } from "../../../src/upstreams/mod.ts";

export interface UpstreamServer {
  /** On 127.0.0.1; everyone is trusted. */
  readonly port: number;
  /** Connections at the moment. */
  readonly size: number;
  stop(): Promise<void>;
}

export async function startUpstream(options: ListenOptions = {}): Promise<UpstreamServer> {
  const upstream = sharedUpstream(await openPglite(undefined));
  const listener = await listen({ auth: trustAuthSource(), upstream: () => upstream }, options);
  return {
    port: listener.port,
    get size() {
      return listener.size;
    },
    async stop() {
      await listener.close(1_000);
      await upstream.close?.();
    },
  };
}
