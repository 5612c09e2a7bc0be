// Neon's API for the upstreams part: edgewire's own /sql and /v2 before the database of EDGEWIRE_BENCH_DATABASE.

import { listenHttp } from "../../adapters/node/http.ts";
import { openers } from "../../adapters/node/mod.ts";
import { createGateway } from "../../src/gateway/mod.ts";
import { createApp } from "../../src/http/mod.ts";
import { endWhenTold } from "./announce.ts";
import { announceBehindWire } from "./delayed-wire.ts";

endWhenTold();
const url = process.env.EDGEWIRE_BENCH_DATABASE ?? "pglite:";
const gateway = createGateway({ databases: new Map([["main", url]]), users: new Map() }, openers);
await gateway.open();
const app = createApp({ gateway });
let requests = 0;
const fetch: typeof app.fetch = (...request) => {
  requests++;
  return app.fetch(...request);
};
const server = await listenHttp({ fetch }, { webSockets: { session: gateway.sessionsOver("websocket") } });
await announceBehindWire(server.port, () => {
  const counted = requests;
  requests = 0;
  return counted;
});
