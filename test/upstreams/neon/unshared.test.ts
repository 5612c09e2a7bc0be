// Where a client's I/O is its own (idleTimeout 0, as on Workers), no client waits for another one's request, which may be
// given up with that one; what came of it serves the next.
import pg from "pg";
import { afterEach, expect, test } from "vitest";
import { loadParser } from "../../../adapters/node/parser.ts";
import { type Fetch, neonUpstream } from "../../../src/upstreams/neon/mod.ts";
import { type Served, serve } from "./double.ts";

let server: Served | undefined;

afterEach(() => server?.close());

/** An endpoint that never answers its first request. */
function endpoint(): { fetch: Fetch; readonly requests: number } {
  const fields = ["what", "name", "now", "then"].map((name) => ({ name, dataTypeID: 25 }));
  const rows = [["told", "server_version", "17.0", null]];
  let requests = 0;
  return {
    fetch: () =>
      ++requests === 1
        ? new Promise(() => {})
        : Promise.resolve({ status: 200, text: async () => JSON.stringify({ fields, rows }) }),
    get requests() {
      return requests;
    },
  };
}

async function connect(): Promise<void> {
  const client = new pg.Client({ host: "127.0.0.1", port: server?.port, user: "someone" });
  await client.connect();
  await client.end();
}

test("a client does not wait for another one's request", async () => {
  const http = endpoint();
  server = await serve(
    neonUpstream({
      endpoint: "http://127.0.0.1:1/sql",
      connectionString: "postgres://app@127.0.0.1/main",
      client: { user: "app" },
      openTunnel: () => Promise.reject(new Error("nobody asks for it")),
      fetch: http.fetch,
      idleTimeout: 0,
      parser: loadParser,
    }),
  );
  const first = new pg.Client({ host: "127.0.0.1", port: server.port, user: "someone" });
  first.connect().catch(() => {});
  await expect.poll(() => http.requests).toBe(1);
  await connect();
  await connect();
  expect(http.requests).toBe(2);
  (first as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
});
