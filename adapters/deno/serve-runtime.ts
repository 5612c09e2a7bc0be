// What `edgewire serve` runs on, on Deno.
import type { ServeRuntime } from "../node/cli-serve.ts";
import { openers } from "./databases.ts";
import { clientAddress, listenHttp } from "./http.ts";
import { listen } from "./listen.ts";
import { type TlsServer, tlsServer } from "./tls.ts";

export const serveRuntime: ServeRuntime<TlsServer> = {
  openers,
  tlsServer,
  listen,
  listenHttp,
  address: clientAddress,
};
