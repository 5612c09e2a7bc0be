// HTTP on Node: the app behind a real server.
import { request as requestHttps } from "node:https";
import { afterAll, describe, expect, test } from "vitest";
import {
  clientAddress,
  type HttpListener,
  type HttpListenOptions,
  listenHttp,
} from "../../../adapters/node/http.ts";
import { listen } from "../../../adapters/node/listen.ts";
import { openPostgres } from "../../../adapters/node/postgres.ts";
import { trustAuthSource } from "../../../src/auth/mod.ts";
import { createGateway } from "../../../src/gateway/mod.ts";
import { createApp } from "../../../src/http/mod.ts";
import type { Result, Upstream } from "../../../src/session/mod.ts";
import { scripted } from "../../session/scripted-upstream.ts";
import { certificateFolder, makeCertificate } from "./certificates.ts";

const certificates = certificateFolder();
afterAll(() => certificates.remove());

/** Statements that wait until they are told, or aborted. */
function waiting(): { upstream: Upstream; running: Promise<void>; aborted: Promise<void>; go(): void } {
  const running = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Result>();
  const { upstream } = scripted({
    query(_, { signal }) {
      running.resolve();
      signal.addEventListener("abort", () => {
        aborted.resolve();
        answer.reject(signal.reason);
      });
      return answer.promise;
    },
  });
  const go = (): void => answer.resolve({ type: "rows", columns: [{ name: "a" }], rows: [["done"]] });
  return { upstream, running: running.promise, aborted: aborted.promise, go };
}

async function listening(
  upstream: Upstream = scripted().upstream,
  options: HttpListenOptions = {},
): Promise<{ server: HttpListener; sql(init?: RequestInit): Promise<Response> }> {
  const gateway = createGateway(
    { databases: new Map([["*", "test:"]]), users: new Map() },
    { test: () => upstream },
  );
  const server = await listenHttp(createApp({ gateway, address: clientAddress }), options);
  return {
    server,
    sql: (init) =>
      fetch(`http://127.0.0.1:${server.port}/sql`, {
        method: "POST",
        headers: { "neon-connection-string": "postgres://me@h/d" },
        body: '{"query": "select 1"}',
        ...init,
      }),
  };
}

test("answers, on loopback and a free port", async () => {
  const { server, sql } = await listening();
  expect(server.host).toBe("127.0.0.1");
  expect(server.port).toBeGreaterThan(0);
  const answer = await sql();
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(await answer.json()).toMatchObject({ command: "SELECT", rowCount: 1 });
  await server.close();
  await expect(sql()).rejects.toThrow();
});

test("tells sessions where their client is", async () => {
  const seen = scripted();
  const { server, sql } = await listening(seen.upstream);
  expect((await sql()).status).toBe(200);
  expect(seen.client.login.address).toBe("127.0.0.1");
  await server.close();
});

test("is ready while the server behind it can be reached", async () => {
  const behind = await listen({ auth: trustAuthSource(), upstream: () => scripted().upstream });
  const url = `postgres://me@127.0.0.1:${behind.port}/d?sslmode=disable`;
  const gateway = createGateway(
    { databases: new Map([["app", url]]), users: new Map() },
    { postgres: openPostgres },
  );
  const { fetch } = createApp({ gateway });
  const get = async (path: string): Promise<string> =>
    (await fetch(new Request(`http://gateway${path}`))).text();
  expect(JSON.parse(await get("/ready"))).toMatchObject({ status: "ready" });
  expect(await get("/metrics")).toContain('edgewire_upstream_connections{database="app",state="idle"} 1');
  await behind.close(0);
  await expect
    .poll(() => get("/metrics"))
    .toContain('edgewire_upstream_connections{database="app",state="idle"} 0');
  const databases = [
    { name: "app", ready: false, code: "08001", reason: expect.stringContaining("ECONNREFUSED") },
  ];
  expect(JSON.parse(await get("/ready"))).toEqual({ status: "not ready", databases });
  await gateway.close();
});

test("tells when the port is taken", async () => {
  const { server } = await listening();
  await expect(listening(undefined, { port: server.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await server.close();
});

test("takes bodies in chunks, and refuses those that are too long while they come", async () => {
  const { server, sql } = await listening();
  const chunked = (chunks: number): RequestInit => {
    const body = new ReadableStream({
      start(controller) {
        const encoder = new TextEncoder();
        controller.enqueue(encoder.encode('{"query": "select $1", "params": ["'));
        for (let chunk = 0; chunk < chunks; chunk++)
          controller.enqueue(new Uint8Array(1024 * 1024).fill(120));
        controller.enqueue(encoder.encode('"]}'));
        controller.close();
      },
    });
    return { body, duplex: "half" } as RequestInit;
  };
  expect((await sql(chunked(9))).status).toBe(200);
  // The connection may be cut before the answer is read: the client is still sending.
  const status = await sql(chunked(30)).then(
    (answer) => answer.status,
    () => "cut",
  );
  expect([413, "cut"]).toContain(status);
  expect((await sql()).status).toBe(200);
  await server.close();
});

test("cancels the statement of a client that hangs up", async () => {
  const { upstream, running, aborted } = waiting();
  const { server, sql } = await listening(upstream);
  const leaving = new AbortController();
  const answer = sql({ signal: leaving.signal });
  await running;
  leaving.abort();
  await expect(answer).rejects.toThrow();
  await aborted;
  await server.close();
});

describe("the end", () => {
  test("waits for requests under way", async () => {
    const { upstream, running, go } = waiting();
    const { server, sql } = await listening(upstream);
    const answer = sql();
    await running;
    const closed = server.close();
    await expect(sql()).rejects.toThrow();
    go();
    expect(await (await answer).json()).toMatchObject({ rows: [{ a: "done" }] });
    await closed;
  });

  test("does not wait for ever", async () => {
    const { upstream, running, aborted } = waiting();
    const { server, sql } = await listening(upstream);
    const answer = sql().then(
      () => "answered",
      () => "cut",
    );
    await running;
    await server.close(50);
    expect(await answer).toBe("cut");
    await aborted;
  });
});

test("TLS, with a certificate that can be read again", async () => {
  const tls = certificates.write("http", makeCertificate({ names: ["before"] }));
  const { server } = await listening(undefined, { tls });
  const seen = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const options = {
        host: "127.0.0.1",
        port: server.port,
        path: "/health",
        rejectUnauthorized: false,
        agent: false,
      };
      const request = requestHttps(options, (response) => {
        const { CN } = (response.socket as import("node:tls").TLSSocket).getPeerCertificate().subject;
        response.resume().once("end", () => resolve([response.statusCode, CN]));
      });
      request.once("error", reject).end();
    });
  expect(await seen()).toEqual([200, "before"]);
  certificates.write("http", makeCertificate({ names: ["after"] }));
  expect(await seen()).toEqual([200, "before"]);
  server.reload();
  expect(await seen()).toEqual([200, "after"]);
  await server.close();
});
