/** The gateway: which upstream serves which database, and who may connect. */
import { type AuthSource, staticAuthSource, trustAuthSource } from "../auth/mod.ts";
import { memoryCancelRegistry, type SessionOptions, type Upstream } from "../session/mod.ts";
import { fatal } from "../wire/error.ts";
import { sqlstate } from "../wire/sqlstate.ts";
import { ConfigError, type GatewayConfig } from "./config.ts";

/** Opens an upstream from its URL. */
export type OpenUpstream = (url: string) => Upstream | Promise<Upstream>;

/** Openers by URL scheme, without the colon: an adapter brings those that its runtime can serve. */
export type Openers = Readonly<Record<string, OpenUpstream>>;

export interface Gateway {
  readonly session: Pick<SessionOptions, "auth" | "upstream" | "cancels">;
  /** Opens every upstream now instead of at its first client. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/** @throws ConfigError for a URL whose scheme nobody serves, and for a method that would let nobody in. */
export function createGateway(config: GatewayConfig, openers: Openers): Gateway {
  for (const [name, url] of config.databases) openerOf(openers, name, url);
  const opened = new Map<string, Promise<Upstream>>();

  function open(name: string): Promise<Upstream> | undefined {
    const key = config.databases.has(name) ? name : "*";
    const url = config.databases.get(key);
    if (url === undefined) return undefined;
    let upstream = opened.get(key);
    if (!upstream) {
      upstream = Promise.resolve(openerOf(openers, key, url)(url));
      opened.set(key, upstream);
      // One that could not be opened, or has ended, is tried again for the next client.
      const forget = (): void => {
        opened.delete(key);
      };
      upstream.then(({ closed }) => closed?.then(forget), forget);
    }
    return upstream;
  }

  return {
    session: {
      auth: authSource(config),
      cancels: memoryCancelRegistry(),
      async upstream({ database }) {
        try {
          return await open(database);
        } catch (error) {
          throw fatal(sqlstate.connectionException, `database "${database}" cannot be opened`, {
            detail: error instanceof Error ? error.message : String(error),
          });
        }
      },
    },
    async open() {
      await Promise.all([...config.databases.keys()].map((name) => open(name)));
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
