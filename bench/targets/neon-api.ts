// Neon's API for the upstreams part: edgewire's own /sql and /v2 before the database of EDGEWIRE_BENCH_DATABASE, and before
// them a wire of any length. `port` is the far end of the wire. `http` is beside it: /count gives the requests of SQL
// over HTTP, and the WebSockets, since it was last asked; /delay?ms=30 makes the wire that much longer.

import { connect, createServer, type Socket } from "node:net";
import { listenHttp } from "../../adapters/node/http.ts";
import { openers } from "../../adapters/node/mod.ts";
import { createGateway } from "../../src/gateway/mod.ts";
import { createApp } from "../../src/http/mod.ts";
import { announce, endWhenTold } from "./announce.ts";

endWhenTold();
const url = process.env.EDGEWIRE_BENCH_DATABASE ?? "pglite:";
const gateway = createGateway({ databases: new Map([["main", url]]), users: new Map() }, openers);
await gateway.open();

const counts = { requests: 0, webSockets: 0 };
let delay = 0;

const app = createApp({ gateway });
const server = await listenHttp(
  {
    fetch(request: Request, ...rest: unknown[]) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/count") {
        const counted = { ...counts };
        counts.requests = 0;
        counts.webSockets = 0;
        return Response.json(counted);
      }
      if (pathname === "/delay") {
        delay = Number(searchParams.get("ms"));
        return new Response();
      }
      counts.requests++;
      return app.fetch(request, ...(rest as []));
    },
  },
  { webSockets: { session: gateway.sessionsOver("websocket") } },
);

/** What a client sends waits for the whole round trip, so that what comes back need not. */
function forward(client: Socket): void {
  const upstream = connect({ host: "127.0.0.1", port: server.port, noDelay: true });
  client.setNoDelay();
  const waiting: { readonly bytes: Buffer; readonly until: number }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const send = (): void => {
    timer = undefined;
    const now = performance.now();
    for (let next = waiting[0]; next; next = waiting[0]) {
      if (next.until > now) {
        timer = setTimeout(send, Math.ceil(next.until - now));
        return;
      }
      upstream.write(next.bytes);
      waiting.shift();
    }
  };
  client.on("data", (bytes: Buffer) => {
    if (bytes.includes("Upgrade: websocket") || bytes.includes("upgrade: websocket")) counts.webSockets++;
    if (delay === 0 && waiting.length === 0) {
      upstream.write(bytes);
      return;
    }
    waiting.push({ bytes, until: performance.now() + delay });
    if (!timer) send();
  });
  upstream.pipe(client);
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.on("error", () => {});
    one.on("close", () => other.destroy());
  }
}

const wire = createServer(forward);
wire.listen(0, "127.0.0.1", () => {
  const address = wire.address();
  if (typeof address === "object" && address)
    announce({ type: "ready", port: address.port, http: server.port });
});
