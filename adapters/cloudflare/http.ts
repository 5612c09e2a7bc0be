// The `fetch` handler: the hono app, whose WebSockets are served in the invocation, or handed to a Durable Object each.
import { createApp, type Upgrade, type WebSocketConnection } from "../../src/http/mod.ts";
import type { Env } from "./env.ts";
import { gatewayOf } from "./gateway.ts";

type App = ReturnType<typeof createApp>;

const apps = new WeakMap<Env, App>();

/** Answers one request. */
export function serveRequest(
  request: Request,
  env: Env,
  context: ExecutionContext,
): Response | Promise<Response> {
  let app = apps.get(env);
  if (!app) {
    const { gateway, variables } = gatewayOf(env);
    app = createApp({ gateway, limits: variables.limits, ...variables.http, upgrade, address });
    apps.set(env, app);
  }
  return app.fetch(request, env, context);
}

const address = (request: Request): string | undefined =>
  request.headers.get("cf-connecting-ip") ?? undefined;

const upgrade: Upgrade = (request, serve, env) => {
  const sessions = (env as Env).EDGEWIRE_SESSIONS;
  if (sessions) return sessions.get(sessions.newUniqueId()).fetch(request);
  const { 0: client, 1: server } = new WebSocketPair();
  const session = serve(connectionOf(server));
  server.binaryType = "arraybuffer";
  server.accept();
  server.addEventListener("message", ({ data }) => session.message(data as ArrayBuffer | string));
  server.addEventListener("close", ({ wasClean }) => session.closed(wasClean));
  server.addEventListener("error", () => session.closed());
  return new Response(null, { status: 101, webSocket: client });
};

function connectionOf(socket: WebSocket): WebSocketConnection {
  return {
    send: (bytes) => {
      try {
        socket.send(bytes);
      } catch {
        // It is closing, and whoever waits for that is told.
      }
    },
    close: (code, reason) => socket.close(code, reason),
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
  };
}
