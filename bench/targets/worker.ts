// The constant upstream as a Worker, by TCP and by WebSockets that have a Durable Object each. Runs in workerd: see
// constant-workerd.ts.

import { tcpSessions } from "../../adapters/cloudflare/gateway.ts";
import { serveRequest } from "../../adapters/cloudflare/http.ts";
import { serveSocket } from "../../adapters/cloudflare/listen.ts";
import { SessionObject } from "../../adapters/cloudflare/session-object.ts";
import type worker from "../../adapters/cloudflare/worker.ts";
import type { SessionOptions } from "../../src/session/mod.ts";
import { constantUpstream } from "./constant-upstream.ts";

export { BrokerObject } from "../../adapters/cloudflare/broker-object.ts";

const constant = (options: SessionOptions): SessionOptions => ({
  ...options,
  upstream: () => constantUpstream,
});

class ConstantObject extends SessionObject {
  protected override sessionOptions(): SessionOptions {
    return constant(super.sessionOptions());
  }
}

export { ConstantObject as SessionObject };

const constantWorker: typeof worker = {
  connect: (socket, env) => serveSocket(socket, constant(tcpSessions(env))),
  fetch: serveRequest,
};

export default constantWorker;
