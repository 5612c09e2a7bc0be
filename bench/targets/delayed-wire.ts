// A wire of any length before a server of this process, for the upstreams part. The target's `port` is the far end of the
// wire; its `http` is beside it: /count gives what was counted since it was last asked, /delay?ms=30 makes the wire's round
// trip that much longer.

import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { announce } from "./announce.ts";

export interface Counts {
  readonly requests: number;
  readonly webSockets: number;
}

let delay = 0;
let webSockets = 0;

/** `requests`: those that the server has had since it was last asked. */
export async function announceBehindWire(port: number, requests: () => number): Promise<void> {
  const wire = createServer((client) => forward(client, port));
  const control = createHttpServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://127.0.0.1");
    if (pathname === "/delay") delay = Number(searchParams.get("ms"));
    const counts: Counts = { requests: requests(), webSockets };
    webSockets = 0;
    response.end(JSON.stringify(counts));
  });
  for (const server of [wire, control]) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
  const [far, beside] = [wire, control].map((server) => (server.address() as AddressInfo).port);
  announce({ type: "ready", port: far as number, http: beside as number });
}

/** What a client sends waits for the whole round trip, so that what comes back need not. */
function forward(client: Socket, port: number): void {
  const server = connect({ host: "127.0.0.1", port, noDelay: true });
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
      server.write(next.bytes);
      waiting.shift();
    }
  };
  client.on("data", (bytes: Buffer) => {
    if (/upgrade: websocket/i.test(bytes.subarray(0, 2_000).toString("latin1"))) webSockets++;
    if (delay === 0 && waiting.length === 0) {
      server.write(bytes);
      return;
    }
    waiting.push({ bytes, until: performance.now() + delay });
    if (!timer) send();
  });
  server.pipe(client);
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on("error", () => {});
    one.on("close", () => other.destroy());
  }
}
