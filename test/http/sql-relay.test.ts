// /sql over upstreams that speak the protocol: the shared embedded PostgreSQL, and a server behind a socket, which is the
// same one once more.

import { listen } from "../../adapters/node/listen.ts";
import { openSocket } from "../../adapters/node/socket-stream.ts";
import { trustAuthSource } from "../../src/auth/mod.ts";
import { wireUpstream } from "../../src/upstreams/mod.ts";
import { RelayUpstream } from "../conformance/relay-upstream.ts";
import { sqlSuite } from "./sql-suite.ts";

sqlSuite("the embedded PostgreSQL", () => RelayUpstream.start());

sqlSuite("a PostgreSQL server", async () => {
  const relay = await RelayUpstream.start();
  const server = await listen({ auth: trustAuthSource(), upstream: () => relay.upstream });
  const address = { host: "127.0.0.1", port: server.port };
  const upstream = wireUpstream({
    client: { user: "postgres", sslMode: "disable" },
    open: () =>
      openSocket({ ...address, rootCertificate: undefined, certificate: undefined, key: undefined }),
  });
  return {
    upstream,
    async close() {
      await upstream.close?.();
      await server.close(0);
      await relay.close();
    },
  };
});
