// POST by node:http and node:https, for upstreams that take a `fetch`: the standard's one costs Node twice as much time.
import { Agent, type IncomingMessage, request } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import { createBrotliDecompress, createGunzip } from "node:zlib";
import type { Post, PostResponse } from "./post.ts";

/** Milliseconds until a connection must stand: before that nothing is sent. As the standard's fetch has it on Node. */
const connectTimeout = 10_000;

/** What the runtime posts best by: Deno's own fetch is as quick as any. */
export function runtimePost(): Post {
  return process.versions.deno === undefined ? httpPost() : fetch;
}

/** A Post that keeps its connections for the next request. */
export function httpPost(): Post {
  const settings = { keepAlive: true, noDelay: true };
  const agents = { plain: new Agent(settings), secure: new SecureAgent(settings) };
  return (url, { headers, body, signal }) =>
    new Promise<PostResponse>((resolve, reject) => {
      const target = new URL(url);
      const bytes = Buffer.from(body);
      const options = {
        method: "POST",
        headers: { ...headers, "content-length": bytes.length, "accept-encoding": "gzip, br" },
        signal,
      };
      const sent =
        target.protocol === "https:"
          ? secureRequest(target, { ...options, agent: agents.secure })
          : request(target, { ...options, agent: agents.plain });
      sent.on("error", reject);
      sent.on("socket", (socket) => {
        if (!socket.connecting) return;
        const timer = setTimeout(() => sent.destroy(connectTimedOut()), connectTimeout);
        const clear = (): void => clearTimeout(timer);
        socket.once(target.protocol === "https:" ? "secureConnect" : "connect", clear).once("close", clear);
      });
      sent.on("response", (response) => {
        const { statusCode: status = 0, headers: all } = response;
        const get = (name: string): string | null => all[name.toLowerCase()]?.toString() ?? null;
        read(response).then((text) => resolve({ status, headers: { get }, text: async () => text }), reject);
      });
      sent.end(bytes);
    });
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of decoded(response)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function decoded(response: IncomingMessage): AsyncIterable<unknown> {
  const encoding = response.headers["content-encoding"];
  if (encoding !== "gzip" && encoding !== "br") return response;
  const decoder = encoding === "gzip" ? createGunzip() : createBrotliDecompress();
  response.on("error", (error) => decoder.destroy(error));
  return response.pipe(decoder);
}

function connectTimedOut(): Error {
  return Object.assign(new Error("the connection was not made in time"), {
    code: "ERR_SOCKET_CONNECTION_TIMEOUT",
  });
}
