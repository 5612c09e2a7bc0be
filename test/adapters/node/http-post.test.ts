import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { httpPost } from "../../../adapters/node/http-post.ts";
import { neverSent } from "../../../src/upstreams/http-failure.ts";

const compress: Record<string, (text: string) => Buffer> = {
  gzip: gzipSync,
  br: brotliCompressSync,
  identity: (text) => Buffer.from(text),
};

let answering: RequestListener;
let connections = 0;
let server: Server;
let url: string;
beforeAll(async () => {
  server = createServer((request, response) => answering(request, response));
  server.on("connection", () => connections++);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sql`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const post = httpPost();
const send = (body: string, signal = new AbortController().signal, headers: Record<string, string> = {}) =>
  post(url, { method: "POST", headers, body, signal });

test("sends the body, and gives status and text, over one connection", async () => {
  answering = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const encoding = request.headers["x-encoding"] as string;
    response.writeHead(418, { "content-encoding": encoding });
    response.end(compress[encoding]?.(`${request.method} ${request.url} ${Buffer.concat(chunks)}`));
  };
  connections = 0;
  for (const encoding of ["identity", "gzip", "br"]) {
    const { status, text } = await send("Grüße 🐘", undefined, { "x-encoding": encoding });
    expect([status, await text()]).toEqual([418, "POST /sql Grüße 🐘"]);
  }
  expect(connections).toBe(1);
});

test("an abort ends the request", async () => {
  const abort = new AbortController();
  const gone = new Promise<void>((resolve) => {
    answering = (request) => {
      request.on("close", () => resolve());
      abort.abort(new Error("enough"));
    };
  });
  await expect(send("x", abort.signal)).rejects.toThrow();
  await gone;
});

test("an answer that breaks off is an error, and may have been a request that ran", async () => {
  answering = (_, response) => {
    response.writeHead(200, { "content-length": 100 });
    response.write("half", () => response.destroy());
  };
  const error: unknown = await send("x").catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(Error);
  expect(neverSent(error)).toBe(false);
});

test("where nobody listens, nothing was sent", async () => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  await new Promise((resolve) => other.close(resolve));
  const signal = new AbortController().signal;
  const failed = post(`http://127.0.0.1:${port}/sql`, { method: "POST", headers: {}, body: "", signal });
  expect(neverSent(await failed.catch((cause: unknown) => cause))).toBe(true);
});
