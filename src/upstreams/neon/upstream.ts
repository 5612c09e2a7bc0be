/** The `neon` upstream: PostgreSQL behind SQL over HTTP, and behind a WebSocket where a statement needs a session. */
import type { ClientOptions, OpenStream } from "../../client/mod.ts";
import { startupSettings } from "../../session/startup-options.ts";
import type { ClientContext, Upstream } from "../../session/upstream.ts";
import type { Parser } from "../../sql/mod.ts";
import { typeCatalogQuery } from "../../types/mod.ts";
import { fatal, PgError } from "../../wire/error.ts";
import { Descriptions } from "../descriptions.ts";
import { KnownTypes } from "../known-types.ts";
import { Pool, type PoolOptions } from "../wire/pool.ts";
import { wireUpstream } from "../wire/upstream.ts";
import { SqlHttp, type SqlHttpOptions } from "./http.ts";
import { NeonSession, type NeonState, type Shared } from "./session.ts";
import { askSettings, type HttpSettings } from "./settings.ts";

export interface NeonOptions extends PoolOptions, Omit<SqlHttpOptions, "url"> {
  /** SQL over HTTP: `https://api.region.aws.neon.tech/sql`. */
  readonly endpoint: string;
  /** Opens a connection through the tunnel: `openWebSocket("wss://host/v2")`. */
  readonly openTunnel: OpenStream;
  /** Whom to connect as through the tunnel. The settings of a client's own startup packet go on top. */
  readonly client: ClientOptions;
  /** `tunnel`: nothing goes by HTTP. Default `http`. */
  readonly mode?: "http" | "tunnel" | undefined;
  /** PostgreSQL's parser, asked for when the first client comes. */
  readonly parser: () => Promise<Parser>;
}

/** What was asked for clients with the same settings, and for how many milliseconds it is good. */
const maxAsked = 100;
const maxAge = 300_000;

interface Asked {
  readonly settings: Promise<HttpSettings>;
  readonly since: number;
}

/** Serves clients by Neon's proxy, or one that speaks as it does: Xata's, Vercel's, edgewire's own. */
export function neonUpstream(options: NeonOptions): Upstream {
  const { client: login, openTunnel: open } = options;
  if (options.mode === "tunnel") return wireUpstream({ ...options, open });
  const http = new SqlHttp({ ...options, url: options.endpoint });
  const pool = new Pool(open, login, options);
  const route = { open, sslMode: login.sslMode };
  const types = new KnownTypes(async (typeOids) => {
    const asked = { sql: typeCatalogQuery, parameters: [typeOids] };
    // Not one client's to give up: others wait for it.
    return (await http.query(asked, new AbortController().signal)).rows;
  });
  const descriptions = new Descriptions(() => types.invalidate());
  const maxBatch = maxBatchOf(options.endpoint);
  const asked = new Map<string, Asked>();

  /** The settings of clients that begin alike are asked for once. */
  function settingsOf(wanted: ReadonlyMap<string, string>): Promise<HttpSettings> {
    const key = JSON.stringify([...wanted]);
    const known = asked.get(key);
    if (known && Date.now() - known.since < maxAge) return known.settings;
    // Not the first client's to give up: others wait for it.
    const settings = askSettings(http, wanted, new AbortController().signal);
    const share = (): void => {
      asked.delete(key);
      if (asked.size >= maxAsked) asked.delete(asked.keys().next().value as string);
      asked.set(key, { settings, since: Date.now() });
    };
    if (options.idleTimeout === 0) {
      // Nor is a request another client's to wait for: it may end unanswered with the client that it is made for.
      settings.then(share, () => {});
    } else {
      share();
      settings.catch(() => asked.delete(key));
    }
    return settings;
  }

  return {
    async connect(client, resumed) {
      const wanted = wantedSettings(login, client);
      try {
        const parser = await options.parser();
        const shared: Shared = { http, pool, route, parser, descriptions, types, maxBatch };
        const startup = Object.fromEntries(wanted);
        if (resumed === undefined) return new NeonSession(shared, client, startup, await settingsOf(wanted));
        const { parameters, missing, set } = resumed as NeonState;
        const settings = { parameters: new Map(parameters), missing: new Map(missing) };
        return new NeonSession(shared, client, startup, settings, new Map(set));
      } catch (error) {
        const { code, message, ...fields } = PgError.from(error).fields;
        throw fatal(code, message, fields);
      }
    },
    async ready() {
      await http.query({ sql: "SELECT 1", parameters: [] }, new AbortController().signal);
    },
    get connections() {
      return { taken: pool.taken, idle: pool.idle };
    },
    close: () => pool.close(),
  };
}

/** Xata's gateway takes a hundred. Answers have a few hundred bytes for each statement, in 10 MiB. */
function maxBatchOf(endpoint: string): number {
  return /\.xata\.(tech|sh)$/i.test(new URL(endpoint).hostname) ? 100 : 1_000;
}

/** The settings of the URL, and those of the client's StartupMessage on top. */
function wantedSettings(login: ClientOptions, client: ClientContext): ReadonlyMap<string, string> {
  const own = startupSettings(new Map(Object.entries(login.parameters ?? {})));
  return new Map([...own, ...startupSettings(client.login.parameters)]);
}
