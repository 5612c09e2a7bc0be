// The client half over the standard's WebSocket, against WebSockets on Node with PGlite behind them.
import { openPglite } from "../../../adapters/node/pglite.ts";
import { trustAuthSource } from "../../../src/auth/mod.ts";
import { openWebSocket } from "../../../src/client/mod.ts";
import { sharedUpstream } from "../../../src/upstreams/mod.ts";
import { clientSuite } from "../../client/suite.ts";
import { serveWebSockets } from "./websocket-server.ts";

clientSuite(async () => {
  const upstream = sharedUpstream(await openPglite(undefined));
  const server = await serveWebSockets(upstream, {
    session: {
      auth: trustAuthSource(),
      upstream: ({ database }) => (database === "nosuch" ? undefined : upstream),
    },
  });
  return {
    open: () => openWebSocket(`${server.url}/v2`),
    async close() {
      await server.close(100);
      await upstream.close?.();
    },
  };
});
