/** The gateway on Node, in this process. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openers } from "../../../adapters/node/databases.ts";
import { listenHttp } from "../../../adapters/node/http.ts";
import { listen } from "../../../adapters/node/listen.ts";
import { tlsServer } from "../../../adapters/node/tls.ts";
import { createGateway } from "../../../src/gateway/mod.ts";
import { createApp } from "../../../src/http/mod.ts";
import { certificateFolder, makeCertificate } from "../../adapters/node/certificates.ts";
import { directTls, tcp, unix, upgradedTls } from "./sockets.ts";
import type { ServedGateway } from "./transport.ts";
import { webSocket } from "./websockets.ts";

export const nodeTransports: readonly string[] = [
  "TCP",
  "TLS after SSLRequest",
  "direct TLS",
  "Unix socket",
  "WebSocket",
];

export async function startNodeGateway(): Promise<ServedGateway> {
  const config = { databases: new Map([["postgres", "pglite:"]]), users: new Map<string, string>() };
  const gateway = createGateway(config, openers);
  const certificates = certificateFolder();
  const tls = tlsServer(certificates.write("server", makeCertificate({ names: ["localhost"] })));
  const folder = mkdtempSync(join(tmpdir(), "edgewire-"));
  const plain = await listen(gateway.session);
  const secure = await listen(gateway.session, { tls });
  const local = await listen(gateway.session, { path: folder, port: 5432 });
  const http = await listenHttp(createApp({ gateway }), { webSockets: { session: gateway.session } });
  await gateway.open();
  const admin = tcp("TCP", plain.port);
  return {
    runtime: "Node",
    admin,
    transports: [
      admin,
      upgradedTls("TLS after SSLRequest", secure.port),
      directTls("direct TLS", secure.port),
      unix("Unix socket", local.path ?? "", folder, 5432),
      webSocket("WebSocket", `ws://127.0.0.1:${http.port}/v2`),
    ],
    async close() {
      await Promise.all([plain, secure, local, http].map((listener) => listener.close(1_000)));
      await gateway.close();
      certificates.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
