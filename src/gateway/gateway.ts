/** The gateway: which upstream serves which database, and who may connect. */
import { type AuthSource, type Login, staticAuthSource, trustAuthSource } from "../auth/mod.ts";
import {
  memoryCancelRegistry,
  memoryNotificationBroker,
  type SessionOptions,
  type Upstream,
} from "../session/mod.ts";
import { fatal } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { ConfigError, type GatewayConfig, trusts } from "./config.ts";
import { GatewayMetrics, type TransportName } from "./metrics.ts";

/** Opens an upstream from its URL. */
export type OpenUpstream = (url: string) => Upstream | Promise<Upstream>;

/** Openers by URL scheme, without the colon: an adapter brings those that its runtime can serve. */
export type Openers = Readonly<Record<string, OpenUpstream>>;

/** What sessions need of the gateway. */
export type SessionSource = Pick<SessionOptions, "auth" | "upstream" | "cancels" | "notifications">;

/** What the operator decides for all sessions. */
export type SessionHooks = Pick<SessionOptions, "limits" | "trace" | "onError">;

/** Whether a database can be opened; the reason is for operators. */
export interface Readiness {
  readonly database: string;
  readonly error: Error | undefined;
}

export interface Gateway {
  /** For sessions whose way in nobody counts; others take `sessionsOver`. */
  readonly session: SessionSource;
  readonly metrics: GatewayMetrics;
  /** Everyone may connect, as any user, without proof. */
  readonly trusts: boolean;
  /** Names of the databases; `*` stands for every other name. */
  readonly databases: readonly string[];
  /** For the sessions of one way in, which are counted, and their errors with them. */
  sessionsOver(transport: TransportName, options?: SessionHooks): SessionOptions;
  /** Opens every upstream now instead of at its first client. */
  open(): Promise<void>;
  /** Opens the upstreams that are not open, and tells which cannot be, or have nothing behind them. It never rejects. */
  ready(): Promise<Readiness[]>;
  close(): Promise<void>;
}

/** @throws ConfigError for a URL whose scheme nobody serves, and for a method that would let nobody in. */
export function createGateway(config: GatewayConfig, openers: Openers): Gateway {
  for (const [name, url] of config.databases) openerOf(openers, name, url);
  const opened = new Map<string, Promise<Upstream>>();
  const live = new Map<string, Upstream>();
  const metrics = new GatewayMetrics(() =>
    databases.map((database) => {
      const upstream = live.get(database);
      return { database, open: upstream !== undefined, connections: upstream?.connections };
    }),
  );
  const databases = [...config.databases.keys()];
  // For all ways in: a session that came by one may be cancelled, and notified, by another.
  const shared = {
    auth: authSource(config),
    cancels: memoryCancelRegistry(),
    notifications: memoryNotificationBroker(),
  };

  function open(name: string): Promise<Upstream> | undefined {
    const key = config.databases.has(name) ? name : "*";
    const url = config.databases.get(key);
    if (url === undefined) return undefined;
    let upstream = opened.get(key);
    if (!upstream) {
      const opener = openerOf(openers, key, url);
      upstream = (async () => opener(url))();
      opened.set(key, upstream);
      // One that could not be opened, or has ended, is tried again for the next client.
      const forget = (): void => {
        opened.delete(key);
        live.delete(key);
      };
      upstream.then((upstream) => {
        live.set(key, upstream);
        upstream.closed?.then(forget, forget);
      }, forget);
    }
    return upstream;
  }

  async function find({ database }: Login): Promise<Upstream | undefined> {
    try {
      return await open(database);
    } catch (error) {
      throw fatal(sqlstate.connectionException, `database "${database}" cannot be opened`, {
        detail: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** Names are the client's to invent under `*`, and each would be a series of its own. */
  function nameOf({ database }: Login): string {
    return config.databases.has(database) ? database : "*";
  }

  return {
    session: { ...shared, upstream: find },
    metrics,
    trusts: trusts(config),
    databases,
    sessionsOver: (transport, { limits, trace, onError } = {}) => ({
      ...shared,
      limits,
      trace,
      onError(error, cause) {
        metrics.error(error.code);
        return onError?.(error, cause);
      },
      async upstream(login) {
        const upstream = await find(login);
        return upstream && counted(upstream, () => metrics.session(transport, nameOf(login)));
      },
    }),
    async open() {
      await Promise.all(databases.map((name) => open(name)));
    },
    async ready() {
      const outcomes = await Promise.allSettled(databases.map(async (name) => (await open(name))?.ready?.()));
      return databases.map((database, at) => ({ database, error: reason(outcomes[at]) }));
    },
    async close() {
      const upstreams = await Promise.allSettled(opened.values());
      const closed = await Promise.allSettled(
        upstreams.map(async (upstream) => {
          if (upstream.status === "fulfilled") await upstream.value.close?.();
        }),
      );
      // One that does not close must not keep the others open.
      for (const outcome of closed) if (outcome.status === "rejected") throw outcome.reason;
    },
  };
}

/** The upstream, with its sessions counted: `started` gives what is to be called at a session's end. */
function counted(upstream: Upstream, started: () => () => void): Upstream {
  return {
    connect(...client) {
      const ended = started();
      const [{ signal }] = client;
      if (signal.aborted) ended();
      else signal.addEventListener("abort", ended, { once: true });
      return upstream.connect(...client);
    },
  };
}

function reason(outcome: PromiseSettledResult<unknown> | undefined): Error | undefined {
  if (outcome?.status !== "rejected") return undefined;
  return outcome.reason instanceof Error ? outcome.reason : new Error(String(outcome.reason));
}

function authSource({ users, auth }: GatewayConfig): AuthSource {
  if (users.size > 0) return staticAuthSource(users, auth === undefined ? {} : { method: auth });
  if (auth === undefined || auth === "trust") return trustAuthSource();
  if (auth === "cert") return { find: () => ({ method: "cert" }) };
  throw new ConfigError(`the method ${auth} lets nobody in without users: name them, or choose trust`);
}

function openerOf(openers: Openers, name: string, url: string): OpenUpstream {
  const scheme = url.slice(0, url.indexOf(":")).toLowerCase();
  const opener = Object.hasOwn(openers, scheme) ? openers[scheme] : undefined;
  if (opener) return opener;
  const known = Object.keys(openers)
    .map((known) => `${known}:`)
    .join(", ");
  throw new ConfigError(
    `database "${name}" has a URL that nothing serves here: "${scheme}:" (known: ${known})`,
  );
}
