/** A gateway over the double, and clients of it. */
import pg from "pg";
import postgres from "postgres";
import { loadParser } from "../../../adapters/node/parser.ts";
import { serve } from "../../../adapters/node/serve.ts";
import { signedFetchOf } from "../../../adapters/node/signed-fetch.ts";
import { parseRdsDataUrl, rdsDataUpstream } from "../../../src/upstreams/rds-data/mod.ts";
import { credentials, RdsDataDouble } from "./double.ts";

export interface Gateway {
  readonly double: RdsDataDouble;
  readonly port: number;
  client(options?: pg.ClientConfig): Promise<pg.Client>;
  postgres(options?: postgres.Options<Record<string, never>>): postgres.Sql;
  close(): Promise<void>;
}

export async function startGateway(): Promise<Gateway> {
  const double = await RdsDataDouble.start();
  const { region, ...options } = parseRdsDataUrl(double.url);
  const upstream = rdsDataUpstream({
    ...options,
    signedFetch: signedFetchOf(credentials, region),
    parser: await loadParser(),
    resumeDelays: [5, 10, 20],
  });
  const { port, close } = await serve({ upstream });
  return {
    double,
    port,
    async client(config = {}) {
      const client = new pg.Client({ host: "127.0.0.1", port, user: "someone", database: "main", ...config });
      await client.connect();
      return client;
    },
    postgres: (options = {}) =>
      postgres({
        host: "127.0.0.1",
        port,
        user: "someone",
        database: "main",
        max: 1,
        onnotice: () => {},
        ...options,
      }),
    async close() {
      await close(1_000);
      await double.close();
    },
  };
}
