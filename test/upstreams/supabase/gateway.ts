/** A gateway over the real postgres-meta, over the embedded PostgreSQL or an installed server, and clients of it. */
import pg from "pg";
import postgres from "postgres";
import { openEmbedded } from "../../../adapters/node/embedded.ts";
import { loadParser } from "../../../adapters/node/parser.ts";
import { serve } from "../../../adapters/node/serve.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { parseSupabaseUrl, supabaseUpstream } from "../../../src/upstreams/supabase/mod.ts";
import { findPostgres, startPostgres } from "../../servers/postgres.ts";
import { type PostgresMeta, startPostgresMeta } from "./postgres-meta/server.ts";

export interface Database {
  readonly port: number;
  stop(): Promise<void>;
}

async function startEmbedded(): Promise<Database> {
  const { port, close } = await serve({ upstream: await openEmbedded("pglite:") });
  return { port, stop: () => close(1_000) };
}

/** What postgres-meta can be before: the embedded PostgreSQL always, an older server where one is installed. */
export const databases: [string, () => Promise<Database>][] = [["the embedded PostgreSQL", startEmbedded]];
const installed = await findPostgres();
if (installed === undefined)
  console.log("no PostgreSQL server is installed: postgres-meta is tested before PGlite only");
else databases.push(["an installed server", () => startPostgres(installed, { settings: { fsync: "off" } })]);

export interface Gateway {
  readonly meta: PostgresMeta;
  readonly upstream: Upstream;
  readonly port: number;
  /** The texts that were sent since `forget`. */
  readonly asked: string[];
  forget(): void;
  client(options?: pg.ClientConfig): Promise<pg.Client>;
  /** A client of the database itself. */
  direct(): Promise<pg.Client>;
  postgres(options?: postgres.Options<Record<string, never>>): postgres.Sql;
  close(): Promise<void>;
}

export async function startGateway(start: () => Promise<Database> = startEmbedded): Promise<Gateway> {
  const database = await start();
  const meta = await startPostgresMeta(database);
  const asked: string[] = [];
  const upstream = supabaseUpstream({
    ...parseSupabaseUrl(meta.url.replace(/^http/, "supabase+http")),
    parser: loadParser,
    fetch: (url, init) => {
      asked.push((JSON.parse(init.body) as { query: string }).query);
      return fetch(url, init);
    },
  });
  const { port, close } = await serve({ upstream });
  const login = { host: "127.0.0.1", port, user: "someone", database: "main" };
  const connected = async (config: pg.ClientConfig): Promise<pg.Client> => {
    const client = new pg.Client(config);
    await client.connect();
    return client;
  };
  return {
    meta,
    upstream,
    port,
    asked,
    forget: () => {
      asked.length = 0;
    },
    client: (config = {}) => connected({ ...login, ...config }),
    direct: () =>
      connected({ host: "127.0.0.1", port: database.port, user: "postgres", database: "postgres" }),
    postgres: (options = {}) => postgres({ ...login, max: 1, onnotice: () => {}, ...options }),
    async close() {
      await close(1_000);
      await meta.close();
      await database.stop();
    },
  };
}
