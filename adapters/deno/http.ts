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

/** Starts listening. Rejects with Deno's error, whose `code` is Node's (EADDRINUSE …), if that fails. */
export async function listenHttp(
  app: Pick<Hono, "fetch">,
  options: HttpListenOptions = {},
): Promise<HttpListener> {
  const { tls } = options;
  const upgrades = options.webSockets && webSocketsOf(options.webSockets);
  let server = serve(options.port ?? 0);
  const { hostname, port } = server.addr;
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

  async function close(grace: number): Promise<void> {
    // Deno closes WebSockets as soon as a server is told to shut down, so their sessions come first; what else asks for
    // something meanwhile is answered 503.
    await upgrades?.close(grace);
    if (!(await within(grace, server.shutdown()))) server.unref();
  }

  return {
    host: hostname,
    port,
    get size() {
      return upgrades?.size ?? 0;
    },
    reload() {
      if (!tls) return;
      // Deno.serve keeps its certificate: another one takes the address over. It is looked at before that.
      certificate(tls);
      const last = server;
      last.shutdown();
      server = serve(port);
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
