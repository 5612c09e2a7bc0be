/**
 * The HTTP side of a gateway, for any runtime that has `fetch` handlers: SQL over HTTP as Neon's driver speaks it, health,
 * readiness and metrics, a status page, and the upgrades to WebSockets where the runtime answers those with a Response.
 */
import { type Context, Hono } from "hono";
import type { Gateway, HttpRoute, Readiness, SessionHooks } from "../gateway/mod.ts";
import type { SessionOptions } from "../session/mod.ts";
import { PgError } from "../wire/mod.ts";
import { originsOf } from "./origins.ts";
import { sqlHandler } from "./sql.ts";
import { statusPage } from "./status-page.ts";
import { serveWebSocket, type WebSocketConnection, type WebSocketSession } from "./websocket.ts";
import { asksForWebSocket, refuseUpgrade } from "./websocket-upgrade.ts";

/**
 * Upgrades a request: gives `serve` the open connection, and what that gives the connection's frames. `context` is what
 * the runtime handed to `app.fetch` beside the request: its bindings, or what it knows of the connection.
 */
export type Upgrade = (
  request: Request,
  serve: (connection: WebSocketConnection) => WebSocketSession,
  context: unknown,
) => Response | Promise<Response>;

export interface AppOptions extends SessionHooks {
  readonly gateway: Gateway;
  /** Bytes of a request to /sql; more is refused with 413. Default 10 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Bytes of an answer of /sql; a statement that gives more is cancelled, and answered with 507. Default 10 MiB. */
  readonly maxResponseBytes?: number | undefined;
  /** Requests to /sql at a time; more are refused with 503 and 53300. Default 1,000. */
  readonly maxConnections?: number | undefined;
  /**
   * Origins whose pages may use /sql and WebSockets, such as `https://app.example.com`. Default: all; where the gateway
   * trusts everyone, those of pages from the own machine (`loopback`).
   */
  readonly origins?: readonly string[] | undefined;
  /** The client's address, for logs and authentication rules, as the runtime tells it: see `Upgrade` for `context`. */
  readonly address?: ((request: Request, context: unknown) => string | undefined) | undefined;
  /** Where upgrades are no requests but events of a server of their own, as on Node, there is none. */
  readonly upgrade?: Upgrade | undefined;
}

/** The routes: POST /sql, GET /health, /ready, /metrics and /, and upgrades to WebSockets on any path. */
export function createApp(options: AppOptions): Hono {
  const { gateway, upgrade } = options;
  const { metrics } = gateway;
  const origins = originsOf(options);
  const app = new Hono();

  app.use(async (c, next) => {
    // Deno's requests cannot be looked at any more once they are upgraded.
    const [route, method] = [routeOf(c), c.req.method];
    await next();
    metrics.request(route, method, c.res.status);
  });

  if (upgrade) {
    const { session } = webSocketOptions(options);
    app.use(async (c, next) => {
      const request = c.req.raw;
      if (!asksForWebSocket(request)) return next();
      const address = options.address?.(request, c.env);
      const serve = (connection: WebSocketConnection) => serveWebSocket(connection, session, { address });
      return refuseUpgrade(request, { origins }) ?? upgrade(request, serve, c.env);
    });
  }

  app.get("/", (c) => c.html(statusPage(gateway), 200, pageHeaders));
  // Alive: the process answers. Whether its databases do is /ready's question.
  app.get("/health", (c) => c.json({ status: "ok" }, 200, fresh));
  app.get("/ready", async (c) => {
    const databases = await gateway.ready();
    const ready = databases.every(({ error }) => !error);
    const body = {
      status: ready ? "ready" : "not ready",
      databases: databases.map((database) => readinessOf(database, options)),
    };
    return c.json(body, ready ? 200 : 503, fresh);
  });
  app.get("/metrics", (c) =>
    c.body(metrics.print(), 200, { ...fresh, "content-type": "text/plain; version=0.0.4; charset=utf-8" }),
  );
  const sql = sqlHandler({ ...options, origins });
  app.all("/sql", (c) => sql(c.req.raw, options.address?.(c.req.raw, c.env)));
  app.all("*", (c) =>
    // The driver's paths, asked for without an upgrade.
    /^\/v[12]$/.test(c.req.path)
      ? (refuseUpgrade(c.req.raw, { origins }) ?? c.notFound())
      : c.text("there is nothing at this path\n", 404),
  );
  app.onError((error, c) => {
    options.onError?.(PgError.from(error), error);
    return c.text("internal error\n", 500);
  });
  return app;
}

/** What an app's WebSockets need, for runtimes whose upgrades go past the app. */
export function webSocketOptions(options: AppOptions): {
  readonly session: SessionOptions;
  readonly origins: readonly string[] | undefined;
} {
  const { gateway, limits, trace, onError } = options;
  const session = gateway.sessionsOver("websocket", { limits, trace, onError });
  return { session, origins: originsOf(options) };
}

/** A reason may name hosts and paths: it is for the operator's hook, and for who could ask the database itself. */
function readinessOf({ database: name, error }: Readiness, { gateway, onError }: AppOptions): object {
  if (!error) return { name, ready: true };
  const { code, fields } = PgError.from(error);
  onError?.(PgError.from(error), new Error(`the database "${name}" is not ready`, { cause: error }));
  const told = fields.detail === undefined ? error.message : `${error.message}: ${fields.detail}`;
  return { name, ready: false, code, reason: gateway.trusts ? told : "it cannot be opened" };
}

const fresh = { "cache-control": "no-store" };

const pageHeaders = {
  ...fresh,
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

const routes: ReadonlySet<string> = new Set<HttpRoute>(["/", "/sql", "/health", "/ready", "/metrics"]);

function routeOf(c: Context): HttpRoute {
  if (asksForWebSocket(c.req.raw)) return "websocket";
  return routes.has(c.req.path) ? (c.req.path as HttpRoute) : "other";
}
