/** The gateway as a Worker, in workerd as `wrangler dev` runs it; its database is on Node, behind a `postgres://` URL. */
import { startUpstream } from "../../adapters/cloudflare/upstream.ts";
import { startWorker } from "../../adapters/cloudflare/wrangler-dev.ts";
import { tcp } from "./sockets.ts";
import type { ServedGateway } from "./transport.ts";
import { webSocket } from "./websockets.ts";

export const workerdTransports: readonly string[] = ["TCP", "WebSocket"];

export async function startWorkerdGateway(): Promise<ServedGateway> {
  const upstream = await startUpstream();
  const worker = await startWorker({
    vars: {
      EDGEWIRE_DATABASES: `postgres=postgres://postgres@127.0.0.1:${upstream.port}/postgres`,
      EDGEWIRE_AUTH: "trust",
    },
  });
  return {
    asking: async () => worker.url,
    admin: tcp("admin", upstream.port),
    transports: [
      tcp("TCP", worker.tcpPort),
      webSocket("WebSocket", `${worker.url.replace(/^http/, "ws")}/v2`),
    ],
    async close() {
      await worker.stop();
      await upstream.stop();
    },
  };
}
