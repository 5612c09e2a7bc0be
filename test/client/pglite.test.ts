/** The client half against edgewire's own server half, with PGlite behind it. */
import { openPglite } from "../../adapters/node/pglite.ts";
import { sharedUpstream } from "../../src/upstreams/mod.ts";
import { testServer } from "./server.ts";
import { clientSuite } from "./suite.ts";

clientSuite(async () => {
  const upstream = sharedUpstream(await openPglite(undefined));
  const server = testServer({ upstream });
  return {
    open: server.open,
    async close() {
      await server.closed();
      await upstream.close?.();
    },
  };
});
