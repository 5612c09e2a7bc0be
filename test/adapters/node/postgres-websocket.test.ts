// A PostgreSQL behind a WebSocket as an upstream: `postgres+ws://`, here another gateway's endpoint.
import { Hono } from "hono";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectUrl } from "../../../adapters/node/connect-url.ts";
import { openers } from "../../../adapters/node/databases.ts";
import { type HttpListener, listenHttp } from "../../../adapters/node/http.ts";
import { type Listener, listen } from "../../../adapters/node/listen.ts";
import { staticAuthSource } from "../../../src/auth/mod.ts";
import { query } from "../../../src/client/mod.ts";
import { createGateway, type Gateway } from "../../../src/gateway/mod.ts";
import { type CountingUpstream, countingUpstream } from "./counting-upstream.ts";

let upstream: CountingUpstream;
let http: HttpListener;
let gateway: Gateway;
let listener: Listener;

beforeEach(async () => {
  upstream = countingUpstream();
  const auth = staticAuthSource({ gateway: "secret" });
  http = await listenHttp(new Hono(), { webSockets: { session: { auth, upstream: () => upstream } } });
  const databases = new Map([
    ["app", `postgres+ws://gateway:secret@127.0.0.1:${http.port}/postgres?pool_size=1`],
    // Nobody listens on the first port, which needs privileges.
    ["down", "postgresql+ws://gateway:secret@127.0.0.1:1/postgres"],
    ["unpooled", "postgres+ws://gateway@127.0.0.1:1/postgres?pool_size=none"],
    ["pathless", "postgres+wss://gateway@127.0.0.1:1/postgres?ws_path=none"],
  ]);
  gateway = createGateway({ databases, users: new Map() }, openers);
  listener = await listen(gateway.session);
});

afterEach(async () => {
  await listener.close(100);
  await gateway.close();
  await http.close(100);
});

async function echo(database: string): Promise<unknown> {
  const connection = await connectUrl(`postgres://client@127.0.0.1:${listener.port}/${database}`);
  const [result] = await query(connection, "select hello");
  connection.close();
  return result?.rows;
}

test("serves clients one after the other over connections of a pool", async () => {
  for (const _ of [1, 2, 3]) expect(await echo("app")).toEqual([["select hello"]]);
  expect(upstream.counts.opened).toBe(1);
});

test("that is down is 08001, and says where", async () => {
  await expect(echo("down")).rejects.toMatchObject({
    code: "08001",
    message: expect.stringContaining("connection to server at ws://127.0.0.1:1/v2 failed"),
  });
});

test.each([
  ["unpooled", "pool_size is a whole number"],
  ["pathless", "ws_path begins with"],
])("by a URL that makes no sense (%s) cannot be opened", async (database, detail) => {
  await expect(echo(database)).rejects.toMatchObject({
    code: "08000",
    fields: { detail: expect.stringContaining(detail) },
  });
});
