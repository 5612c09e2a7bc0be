// The client half over the standard's WebSocket, against WebSockets on Node with PGlite behind them: what depends on the
// stream, which is data both ways, cancels, and the end.
import { openPglite } from "../../../adapters/node/pglite.ts";
import { trustAuthSource } from "../../../src/auth/mod.ts";
import { openWebSocket } from "../../../src/client/mod.ts";
import { sharedUpstream } from "../../../src/upstreams/mod.ts";
import { Fixture } from "../../client/fixture.ts";
import { copySuite } from "../../client/suite-copy.ts";
import { eventSuite } from "../../client/suite-events.ts";
import { serveWebSockets } from "./websocket-server.ts";

const fixture = new Fixture(async () => {
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

copySuite(fixture);
eventSuite(fixture);
