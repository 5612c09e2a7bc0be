// HTTP on Node: the hono app behind node:http or node:https, with WebSockets beside it.
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import type { Hono } from "hono";
import { within } from "./drain.ts";
import type { CertificateFiles } from "./tls.ts";
import { attachWebSockets, type WebSocketServerOptions } from "./websocket.ts";

export interface HttpListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 (default) takes a free port. */
  readonly port?: number | undefined;
  /** Serves https and wss with this certificate. */
  readonly tls?: CertificateFiles | undefined;
  /** Takes upgrades to WebSockets, on any path. Absent: they are refused. */
  readonly webSockets?: WebSocketServerOptions | undefined;
}

export interface HttpListener {
  /** As it was bound. */
  readonly host: string;
  readonly port: number;
  /** Sessions over WebSockets at the moment. */
  readonly size: number;
  /** Reads the certificate again. @throws if it is unusable: nothing changes */
  reload(): void;
  /**
   * Takes no more connections, and waits for the requests under way; after `grace` milliseconds, default 10,000, they are
   * cut off. Sessions over WebSockets end as those of a Listener do.
   */
  close(grace?: number): Promise<void>;
}

/** Milliseconds for a client to send a request's headers. Its body, and its answer, may take their time. */
const headersTimeout = 30_000;

/** Starts listening. Rejects with Node's error (EADDRINUSE …) if that fails. */
export async function listenHttp(
  app: Pick<Hono, "fetch">,
  options: HttpListenOptions = {},
): Promise<HttpListener> {
  const { tls, webSockets } = options;
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const settings = { headersTimeout, keepAlive: true, noDelay: true };
  const server: Server | SecureServer = tls
    ? createSecureServer({ ...settings, ...certificate(tls) }, listener)
    : createServer(settings, listener);
  const upgrades = webSockets && attachWebSockets(server, webSockets);
  await bound(server, options.host ?? "127.0.0.1", options.port ?? 0);
  // A connection that could not be accepted (too many files) is no reason to end those that stand.
  server.on("error", () => {});
  const address = server.address();
  let closing: Promise<void> | undefined;

  async function close(grace: number): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const drained = upgrades?.close(grace);
    if (!(await within(grace, Promise.all([closed, drained])))) server.closeAllConnections();
    await drained;
    await closed;
  }

  return {
    host: typeof address === "object" && address ? address.address : "",
    port: typeof address === "object" && address ? address.port : 0,
    get size() {
      return upgrades?.size ?? 0;
    },
    reload() {
      if (tls) (server as SecureServer).setSecureContext(certificate(tls));
    },
    close(grace = 10_000) {
      closing ??= close(grace);
      return closing;
    },
  };
}

/** The `address` of an app on Node. */
export function clientAddress(_request: Request, context: unknown): string | undefined {
  return (context as HttpBindings).incoming.socket.remoteAddress;
}

function certificate({ cert, key }: CertificateFiles): { cert: Buffer; key: Buffer; minVersion: "TLSv1.2" } {
  return { cert: readFileSync(cert), key: readFileSync(key), minVersion: "TLSv1.2" };
}

function bound(server: Server | SecureServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
