import { describe, expect, test } from "vitest";
import { createGateway, type GatewayConfig, type Openers } from "../../src/gateway/mod.ts";
import { type AppOptions, createApp, webSocketOptions } from "../../src/http/mod.ts";
import { scripted, transactional } from "../session/scripted-upstream.ts";
import { settled, startup } from "../session/test-client.ts";
import { MemoryWebSocket } from "./memory-websocket.ts";

const openers: Openers = {
  memory: () => scripted().upstream,
  broken: () => {
    throw new Error("no such host");
  },
};

type App = (path: string, init?: RequestInit) => Promise<Response>;

function app(config: Partial<GatewayConfig> = {}, options: Partial<AppOptions> = {}): App {
  const databases = new Map([["app", "memory:"]]);
  const gateway = createGateway({ databases, users: new Map(), ...config }, openers);
  const { fetch } = createApp({ ...options, gateway });
  return async (path, init) => fetch(new Request(`http://gateway${path}`, init));
}

describe("health and readiness", () => {
  test("alive is who answers", async () => {
    const answer = await app({ databases: new Map([["app", "broken:"]]) })("/health");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(await answer.json()).toEqual({ status: "ok" });
  });

  test("ready is who has all databases open", async () => {
    const answer = await app()("/ready");
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: "ready", databases: [{ name: "app", ready: true }] });
  });

  const databases = new Map([
    ["app", "memory:"],
    ["logs", "broken://user:secret@host"],
  ]);

  test("else it says which one is not, and why", async () => {
    const answer = await app({ databases })("/ready");
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({
      status: "not ready",
      databases: [
        { name: "app", ready: true },
        { name: "logs", ready: false, code: "XX000", reason: "no such host" },
      ],
    });
  });

  test("where users prove themselves the reason is the operator's alone", async () => {
    const told: unknown[] = [];
    const onError = (_: unknown, cause: unknown): undefined => void told.push(cause);
    const answer = await app({ databases, users: new Map([["me", "secret"]]) }, { onError })("/ready");
    expect(await answer.json()).toHaveProperty("databases.1", {
      name: "logs",
      code: "XX000",
      ready: false,
      reason: "it cannot be opened",
    });
    expect(told).toMatchObject([
      { message: 'the database "logs" is not ready', cause: { message: "no such host" } },
    ]);
  });
});

describe("the page at /", () => {
  test("shows databases by name, escaped, and neither URLs nor scripts", async () => {
    const databases = new Map([
      ["<b>&'\"", "memory://user:secret@host"],
      ["*", "memory:"],
    ]);
    const answer = await app({ databases })("/");
    expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    const page = await answer.text();
    expect(page).toContain("<code>&lt;b&gt;&amp;&#39;&quot;</code>");
    expect(page).toContain("every other name");
    expect(page).not.toMatch(/secret|<script|memory:/);
  });

  test("nothing else is there", async () => {
    expect((await app()("/nothing")).status).toBe(404);
    expect((await app()("/", { method: "POST" })).status).toBe(404);
    const webSocket = await app()("/v2");
    expect(webSocket.status).toBe(426);
    expect(webSocket.headers.get("upgrade")).toBe("websocket");
  });
});

describe("metrics", () => {
  test("count requests, sessions, statements and errors", async () => {
    const get = app({ users: new Map([["me", "secret"]]) });
    const sql = (url: string, query: string): Promise<Response> =>
      get("/sql", {
        method: "POST",
        headers: { "neon-connection-string": url },
        body: JSON.stringify({ query }),
      });
    await sql("postgres://me:secret@h/app", "select 1");
    await sql("postgres://me:secret@h/app", "fail");
    await sql("postgres://me:wrong@h/app", "select 1");
    await get("/nothing");
    await get("/health", { method: "PROPFIND" });
    const answer = await get("/metrics");
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const lines = (await answer.text()).trimEnd().split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "# TYPE edgewire_sessions gauge",
        'edgewire_sessions{transport="http",database="app"} 0',
        'edgewire_sessions_total{transport="http",database="app"} 2',
        'edgewire_http_requests_total{route="/sql",method="POST",status="200"} 1',
        'edgewire_http_requests_total{route="/sql",method="POST",status="400"} 2',
        'edgewire_http_requests_total{route="other",method="GET",status="404"} 1',
        'edgewire_http_requests_total{route="/health",method="other",status="404"} 1',
        "edgewire_http_statements_total 3",
        'edgewire_http_sql_errors_total{class="22"} 1',
        'edgewire_http_sql_errors_total{class="28"} 1',
        'edgewire_errors_total{class="28"} 1',
        'edgewire_database_up{database="app"} 1',
      ]),
    );
    // Every line is a comment or a sample.
    for (const line of lines) expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? \d+)$/);
  });
});

describe("SQL over HTTP", () => {
  const post = (headers: Record<string, string>): RequestInit => ({
    method: "POST",
    headers: { "neon-connection-string": "postgres://me:secret@h/app", ...headers },
    body: '{"query": "select 1"}',
  });
  const users = new Map([["me", "secret"]]);

  test("answers a browser's question", async () => {
    const answer = await app()("/sql", { method: "OPTIONS", headers: { origin: "https://a.example" } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("allow")).toBe("OPTIONS, POST");
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect(answer.headers.get("access-control-max-age")).toBe("86400");
    for (const name of ["neon-connection-string", "neon-batch-deferrable", "authorization", "content-type"]) {
      expect(answer.headers.get("access-control-allow-headers")?.toLowerCase()).toContain(name);
    }
  });

  test.each(["GET", "PUT", "DELETE"])("does not answer %s", async (method) => {
    const answer = await app()("/sql", { method });
    expect(answer.status).toBe(405);
    expect(await answer.json()).toMatchObject({
      message: expect.stringContaining("not supported"),
      code: null,
    });
  });

  test.each<[string, Partial<GatewayConfig>, string[] | undefined, string, number]>([
    ["anybody's page, where users prove themselves", { users }, undefined, "https://evil.example", 200],
    ["a page of this machine, where nobody has to", {}, undefined, "http://localhost:3000", 200],
    ["one by its address", {}, undefined, "http://[::1]:3000", 200],
    ["no strange page, where nobody has to", {}, undefined, "https://evil.example", 403],
    ["none that only looks like this machine", {}, undefined, "http://localhost.evil.example", 403],
    ["none without an origin of its own", {}, undefined, "null", 403],
    ["a page that is named", {}, ["https://a.example/"], "https://A.example", 200],
    ["no other", { users }, ["https://a.example"], "https://evil.example", 403],
    ["all, if that is said", {}, ["*"], "https://evil.example", 200],
  ])("serves %s", async (_, config, origins, origin, status) => {
    const answer = await app(config, { origins })("/sql", post({ origin }));
    expect(answer.status).toBe(status);
  });
});

describe("upgrades", () => {
  const upgrade = { headers: { upgrade: "websocket", connection: "upgrade", "sec-websocket-version": "13" } };

  test("become sessions on any path, with the context of the runtime", async () => {
    const socket = new MemoryWebSocket();
    const gateway = createGateway({ databases: new Map([["*", "memory:"]]), users: new Map() }, openers);
    const { fetch } = createApp({
      gateway,
      upgrade(request, serve, context) {
        expect(new URL(request.url).pathname).toBe("/v2");
        expect(context).toEqual({ binding: 1 });
        serve(socket).message(startup());
        return new Response(null, { status: 200, headers: { upgraded: "yes" } });
      },
    });
    const answer = await fetch(new Request("http://gateway/v2?address=h:5432", upgrade), { binding: 1 });
    expect(answer.headers.get("upgraded")).toBe("yes");
    await settled();
    expect(socket.take().flat().at(-1)).toBe("ReadyForQuery I");
    expect(gateway.metrics.print()).toContain('edgewire_sessions{transport="websocket",database="*"} 1');
  });

  test("are refused to strange pages", async () => {
    const get = app({}, { upgrade: () => new Response("upgraded") });
    const strange = { headers: { ...upgrade.headers, origin: "https://evil.example" } };
    expect((await get("/v2", strange)).status).toBe(403);
    expect((await get("/v2", upgrade)).status).toBe(200);
  });

  test("that go past the app have the same policy", () => {
    const gateway = createGateway({ databases: new Map(), users: new Map() }, openers);
    expect(webSocketOptions({ gateway }).origins).toEqual(["loopback"]);
    expect(webSocketOptions({ gateway, origins: ["https://a.example"] }).origins).toEqual([
      "https://a.example",
    ]);
  });
});

test("a session that is given nothing to do leaves nothing behind", async () => {
  const { upstream, calls } = transactional();
  const gateway = createGateway(
    { databases: new Map([["*", "one:"]]), users: new Map() },
    { one: () => upstream },
  );
  const { fetch } = createApp({ gateway });
  const body = JSON.stringify({ queries: [{ query: "select 1" }, { query: "fail" }] });
  const headers = { "neon-connection-string": "postgres://me@h/app", "neon-batch-read-only": "true" };
  const answer = await fetch(new Request("http://gateway/sql", { method: "POST", headers, body }));
  expect(answer.status).toBe(400);
  await settled();
  expect(calls).toEqual(["begin readOnly=true", "query select 1", "query fail", "rollback", "close"]);
});
