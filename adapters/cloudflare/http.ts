// The `fetch` handler: the hono app, made once for each isolate.
import { createApp } from "../../src/http/mod.ts";
import type { Env } from "./env.ts";
import { gatewayOf } from "./gateway.ts";
import { upgrade } from "./websocket.ts";

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
