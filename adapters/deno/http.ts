// HTTP on Deno: the hono app behind Deno.serve, with WebSockets beside it. Needs --allow-net for the address.
import { readFileSync } from "node:fs";
import type { Hono } from "hono";
import { asksForWebSocket } from "../../src/http/websocket-upgrade.ts";
import { within } from "../node/drain.ts";
import type { HttpListener, HttpListenOptions } from "../node/http.ts";
import type { CertificateFiles } from "../node/tls.ts";
import { certificateWithKey } from "./certificate-files.ts";
import { webSocketsOf } from "./websocket.ts";

export type { HttpListener, HttpListenOptions } from "../node/http.ts";

/** Milliseconds that statements over WebSockets, and requests, get to finish before the certificate changes. */
const reloadGrace = 10_000;

/** Milliseconds for the address to be free again, and between two looks at it. */
const rebindTimeout = 5_000;
const rebindPause = 10;

/**
 * Starts listening. On Deno `reload` ends the sessions over WebSockets in good order: their clients have to connect again.
 * Rejects with Deno's error, whose `code` is Node's (EADDRINUSE …), if that fails.
 */
export async function listenHttp(
  app: Pick<Hono, "fetch">,
  options: HttpListenOptions = {},
): Promise<HttpListener> {
  const { tls } = options;
  let upgrades = options.webSockets && webSocketsOf(options.webSockets);
  let server = serve(options.port ?? 0);
  const { hostname, port } = server.addr;
  let replacing: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  function handle(request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>): Response | Promise<Response> {
    if (upgrades && asksForWebSocket(request)) return upgrades.upgrade(request, info.remoteAddr.hostname);
    if (closing) return new Response("the server is shutting down\n", { status: 503 });
    return app.fetch(request, info);
  }

  function serve(at: number): Deno.HttpServer<Deno.NetAddr> {
    const address = { hostname: options.host ?? "127.0.0.1", port: at, onListen: () => {} };
    return Deno.serve({ ...address, ...(tls && certificate(tls)) }, handle);
  }

  /** Deno closes WebSockets as soon as a server is told to shut down, so their sessions come first. */
  async function shutDown(grace: number): Promise<void> {
    await upgrades?.close(grace);
    if (!(await within(grace, server.shutdown()))) server.unref();
  }

  /** Deno.serve keeps its certificate: another server takes the address over. */
  async function replace(): Promise<void> {
    await shutDown(reloadGrace);
    for (const end = performance.now() + rebindTimeout; ; await sleep(rebindPause)) {
      try {
        server = serve(port);
        break;
      } catch (error) {
        // The address is free some moments after the last server has said that it is down.
        if (performance.now() > end) throw error;
      }
    }
    upgrades = options.webSockets && webSocketsOf(options.webSockets);
  }

  async function close(grace: number): Promise<void> {
    await replacing;
    await shutDown(grace);
  }

  return {
    host: hostname,
    port,
    get size() {
      return upgrades?.size ?? 0;
    },
    reload() {
      if (!tls) return;
      // What is unusable is found before anything is ended.
      certificate(tls);
      replacing = (replacing ?? Promise.resolve()).then(replace).catch((error: Error) => {
        console.error(`edgewire: there is no HTTP any more: ${error.message}`);
      });
    },
    close(grace = 10_000) {
      closing ??= close(grace);
      return closing;
    },
  };
}

/** The `address` of an app on Deno. */
export function clientAddress(_request: Request, info: unknown): string | undefined {
  return (info as Deno.ServeHandlerInfo<Deno.NetAddr>).remoteAddr.hostname;
}

function certificate(files: CertificateFiles): { cert: string; key: string } {
  certificateWithKey(files);
  return { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8") };
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
