// The Worker: `connect` takes PostgreSQL clients over TCP, `fetch` over WebSockets and HTTP.
import { trustAuthSource } from "../../src/auth/mod.ts";
import type { Env } from "./env.ts";
import { serveSocket } from "./listen.ts";

const worker: ExportedHandler<Env> = {
  async connect(socket, _env, _ctx) {
    await serveSocket(socket, {
      auth: trustAuthSource(),
      upstream: () => ({
        connect: () => ({
          query: ({ sql }) => ({ type: "rows", columns: [{ name: "you sent" }], rows: [[sql]] }),
        }),
      }),
    });
  },
  fetch() {
    return new Response("ok\n");
  },
};

export default worker;
