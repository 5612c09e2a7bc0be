/**
 * Neon's proxy for tests: SQL over HTTP and the WebSocket tunnel, of edgewire's own gateway on Node, before the embedded
 * PostgreSQL; and before it a `fetch` that counts, delays and falsifies. It is held to Neon's own driver in
 * double.test.ts. Neon itself was never asked.
 */
import { openers } from "../../../adapters/node/databases.ts";
import { type HttpListener, listenHttp } from "../../../adapters/node/http.ts";
import { type Listener, listen } from "../../../adapters/node/listen.ts";
import { loadParser } from "../../../adapters/node/parser.ts";
import { scramVerifier } from "../../../src/auth/mod.ts";
import { openWebSocket } from "../../../src/client/mod.ts";
import { createGateway, type Gateway } from "../../../src/gateway/mod.ts";
import { createApp } from "../../../src/http/mod.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { type Fetch, type NeonOptions, neonUpstream, parseNeonUrl } from "../../../src/upstreams/neon/mod.ts";

export const user = { name: "app", password: "hush" } as const;

/** A request as it came, and its status. */
export interface Asked {
  readonly statements: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  status: number | undefined;
}

export interface NeonDouble {
  /** The port of its HTTP and its WebSockets. */
  readonly port: number;
  /** `neon+http://…` */
  readonly url: string;
  /** Requests since `forget`. */
  readonly asked: Asked[];
  /** WebSockets opened since `forget`: tunnels, and cancel requests. */
  readonly opened: number;
  forget(): void;
  /** Takes the place of the next request, or stands before it. */
  next: ((request: () => ReturnType<Fetch>, signal: AbortSignal) => ReturnType<Fetch>) | undefined;
  /** The upstream that is tested, before this double. */
  upstream(options?: Partial<NeonOptions>): Upstream;
  close(): Promise<void>;
}

export async function startDouble(backend?: () => Upstream | Promise<Upstream>): Promise<NeonDouble> {
  const users = new Map([[user.name, await scramVerifier(user.password)]]);
  const config = { databases: new Map([["main", backend ? "test:" : "pglite:"]]), users };
  const gateway: Gateway = createGateway(config, backend ? { test: backend } : openers);
  await gateway.open();
  const server: HttpListener = await listenHttp(createApp({ gateway }), {
    webSockets: { session: gateway.sessionsOver("websocket") },
  });
  const url = `neon+http://${user.name}:${user.password}@127.0.0.1:${server.port}/main`;
  let asked: Asked[] = [];
  let opened = 0;

  const counting: Fetch = async (address, init) => {
    const body = JSON.parse(init.body) as { query?: string; queries?: { query: string }[] };
    const statements = body.queries?.map(({ query }) => query) ?? [body.query ?? ""];
    const one: Asked = { statements, headers: init.headers, status: undefined };
    asked.push(one);
    const instead = double.next;
    double.next = undefined;
    const request = (): ReturnType<Fetch> => fetch(address, init);
    const response = await (instead ? instead(request, init.signal) : request());
    one.status = response.status;
    return response;
  };

  const double: NeonDouble = {
    port: server.port,
    url,
    get asked() {
      return asked;
    },
    get opened() {
      return opened;
    },
    forget() {
      asked = [];
      opened = 0;
    },
    next: undefined,
    upstream(options = {}) {
      const { endpoint, tunnel, client, connectionString, fetch: mode } = parseNeonUrl(url);
      const openTunnel = () => {
        opened++;
        return openWebSocket(tunnel);
      };
      return neonUpstream({
        endpoint,
        openTunnel,
        client,
        connectionString,
        mode,
        fetch: counting,
        parser: loadParser,
        ...options,
      });
    },
    async close() {
      await server.close(500);
      await gateway.close();
    },
  };
  return double;
}

/** Clients' way in: TCP, before an upstream. */
export interface Served {
  readonly port: number;
  readonly upstream: Upstream;
  close(): Promise<void>;
}

export async function serve(upstream: Upstream): Promise<Served> {
  const gateway = createGateway(
    { databases: new Map([["*", "neon:"]]), users: new Map() },
    { neon: () => upstream },
  );
  const listener: Listener = await listen(gateway.session);
  return {
    port: listener.port,
    upstream,
    async close() {
      await listener.close(500);
      await gateway.close();
    },
  };
}
