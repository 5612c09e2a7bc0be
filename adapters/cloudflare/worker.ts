// The Worker: `connect` takes PostgreSQL clients over TCP, `fetch` over WebSockets and HTTP.
import type { Env } from "./env.ts";
import { tcpSessions } from "./gateway.ts";
import { serveRequest } from "./http.ts";
import { serveSocket } from "./listen.ts";

const worker: ExportedHandler<Env> = {
  connect: (socket, env) => serveSocket(socket, tcpSessions(env)),
  fetch: serveRequest,
};

export { BrokerObject } from "./broker-object.ts";
export { SessionObject } from "./session-object.ts";
export default worker;
