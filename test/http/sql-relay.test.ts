// /sql over upstreams that speak the protocol: the shared embedded PostgreSQL, and a server behind a socket, which is the
// same one once more.
import { afterAll, beforeAll } from "vitest";
import { listen } from "../../adapters/node/listen.ts";
import { openPostgres } from "../../adapters/node/postgres.ts";
import { trustAuthSource } from "../../src/auth/mod.ts";
import { RelayUpstream } from "../conformance/relay-upstream.ts";
import { sqlSuite } from "./sql-suite.ts";

let relay: RelayUpstream;
beforeAll(async () => {
  relay = await RelayUpstream.start();
});
afterAll(() => relay?.close());

sqlSuite("the embedded PostgreSQL", async () => ({ upstream: relay.upstream, close: async () => {} }));

sqlSuite("a PostgreSQL server", async () => {
  const server = await listen({ auth: trustAuthSource(), upstream: () => relay.upstream });
  const upstream = openPostgres(`postgres://postgres@127.0.0.1:${server.port}/postgres?sslmode=disable`);
  return {
    upstream,
    async close() {
      await upstream.close?.();
      await server.close(0);
    },
  };
});
