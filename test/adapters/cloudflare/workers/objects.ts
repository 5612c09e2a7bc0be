// The Worker under test, with a window on its objects (/test/objects wakes none; /test/tables and /test/crash ask one;
// /test/break and /test/mend are for the brokers), and a database `statements` whose upstream is asked for one statement at
// a time: what a data service would be, with no LISTEN of its own.
import { BrokerObject } from "../../../../adapters/cloudflare/broker-object.ts";
import type { Env } from "../../../../adapters/cloudflare/env.ts";
import { tcpSessions } from "../../../../adapters/cloudflare/gateway.ts";
import { serveRequest } from "../../../../adapters/cloudflare/http.ts";
import { serveSocket } from "../../../../adapters/cloudflare/listen.ts";
import type { SessionCalls } from "../../../../adapters/cloudflare/object-calls.ts";
import { SessionObject } from "../../../../adapters/cloudflare/session-object.ts";
import type worker from "../../../../adapters/cloudflare/worker.ts";
import type { SessionOptions, Upstream } from "../../../../src/session/mod.ts";

/** Every broker refuses. */
let broken = false;

class BreakableBroker extends BrokerObject {
  override fetch(request: Request): Response {
    return broken ? new Response(null, { status: 503 }) : super.fetch(request);
  }

  override addKey(...key: Parameters<BrokerObject["addKey"]>): void {
    if (broken) throw new Error("broken");
    super.addKey(...key);
  }

  override listen(...channels: Parameters<BrokerObject["listen"]>): void {
    if (broken) throw new Error("broken");
    super.listen(...channels);
  }
}

export { BreakableBroker as BrokerObject };

/** `wait` waits until it is cancelled; everything else gives its parameters, or its text. */
const statements: Upstream = {
  connect: () => ({
    query({ sql, parameters }, { signal }) {
      if (sql === "wait") return new Promise((_, reject) => signal.addEventListener("abort", reject));
      const cell = parameters.length > 0 ? parameters.join(",") : sql;
      return { type: "rows", columns: [{ name: "text" }], rows: [[cell]] };
    },
    describe: ({ parameterTypes }) => ({ parameterTypes, columns: [{ name: "text" }] }),
    begin: () => {},
    commit: () => {},
    rollback: () => {},
  }),
};

function withStatements(options: SessionOptions): SessionOptions {
  return {
    ...options,
    upstream: (login) => (login.database === "statements" ? statements : options.upstream(login)),
  };
}

/** An instance of a SessionObject: an object that is evicted gets another one. */
interface Instance {
  readonly id: string;
  readonly instance: string;
  readonly awake: () => boolean;
}

/** All that this isolate has made. */
const instances: Instance[] = [];

class ObservedSession extends SessionObject {
  constructor(...given: ConstructorParameters<typeof SessionObject>) {
    super(...given);
    const [{ id }] = given;
    instances.push({ id: id.toString(), instance: crypto.randomUUID(), awake: () => this.awake });
  }

  /** How many tables its storage has. */
  tables(): number {
    return this.ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table'").toArray().length;
  }

  crash(): void {
    this.ctx.abort("as the test wants it");
  }

  protected override sessionOptions(): SessionOptions {
    return withStatements(super.sessionOptions());
  }
}

export { ObservedSession as SessionObject };

async function observe(path: string, id: string, env: Env): Promise<unknown> {
  if (path === "/break" || path === "/mend") {
    broken = path === "/break";
    return broken;
  }
  if (path === "/objects")
    return instances.map(({ awake, ...instance }) => ({ ...instance, awake: awake() }));
  const objects = env.EDGEWIRE_SESSIONS as DurableObjectNamespace<SessionCalls & ObservedSession>;
  const object = objects.get(objects.idFromString(id));
  return path === "/tables" ? object.tables() : object.crash().catch(() => null);
}

const observed: typeof worker = {
  connect: (socket, env) => serveSocket(socket, withStatements(tcpSessions(env))),
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    if (!pathname.startsWith("/test/")) return serveRequest(request, env, context);
    return Response.json((await observe(pathname.slice(5), searchParams.get("id") ?? "", env)) ?? null);
  },
};

export default observed;
