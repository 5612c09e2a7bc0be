// Runs on Deno: listeners over upstreams that count, started and asked by lines of JSON on standard input. The tests
// have one of it for a file.

import process from "node:process";
import { createInterface } from "node:readline";
import {
  clientAddress,
  connectUrl,
  type Listener,
  listenHttp,
  serve,
  tlsServer,
} from "../../../../adapters/deno/mod.ts";
import { staticAuthSource } from "../../../../src/auth/mod.ts";
import { copyOut, query } from "../../../../src/client/mod.ts";
import { createGateway } from "../../../../src/gateway/mod.ts";
import { createApp } from "../../../../src/http/mod.ts";
import { type CountingUpstream, countingUpstream } from "../../node/counting-upstream.ts";
import type { Answers, Called, Started } from "../protocol.ts";

interface Served {
  readonly listener: Pick<Listener, "size" | "close">;
  readonly upstream: CountingUpstream;
  readonly tls: { reload(): void } | undefined;
  readonly errors: string[];
}

const served: Served[] = [];
const stray: string[] = [];
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  stray.push(String((event as PromiseRejectionEvent).reason));
});

const methods: {
  [Name in keyof Answers]: (...args: Answers[Name][0]) => Answers[Name][1] | Promise<Answers[Name][1]>;
} = {
  async start({ users, cert, tls: files, ...options }): Promise<Started> {
    const upstream = countingUpstream();
    const errors: string[] = [];
    const tls = files && tlsServer(files);
    const auth = cert ? { find: () => ({ method: "cert" as const }) } : users && staticAuthSource(users);
    const listener = await serve({
      ...options,
      upstream,
      auth,
      tls,
      onError: (_, cause) => void errors.push(String(cause)),
    });
    const { host, port, path } = listener;
    return { id: served.push({ listener, upstream, tls, errors }) - 1, host, port, path };
  },
  async startHttp({ tls, maxConnections }): Promise<Started> {
    const upstream = countingUpstream();
    const databases = new Map([["any", "counting:"]]);
    const gateway = createGateway({ databases, users: new Map() }, { counting: () => upstream });
    const app = createApp({ gateway, address: clientAddress });
    const webSockets = { session: gateway.sessionsOver("websocket"), maxConnections };
    const listener = await listenHttp(app, { tls, webSockets });
    const { host, port } = listener;
    const id = served.push({ listener, upstream, tls: listener, errors: [] }) - 1;
    return { id, host, port, path: undefined };
  },
  // JSON has no undefined.
  close: (id, grace) => at(id).listener.close(grace ?? undefined),
  size: (id) => at(id).listener.size,
  counts: (id) => at(id).upstream.counts,
  errors: (id) => at(id).errors,
  logins: (id) =>
    [...at(id).upstream.clients].map(({ login: { address, tls } }) => ({
      address,
      protocol: tls?.protocol,
      alpn: tls?.alpn,
      serverName: tls?.serverName,
      serverCertificate: tls?.serverCertificate?.toBase64(),
      commonName: tls?.clientCertificate?.commonName,
    })),
  notify(id, size, times) {
    const payload = "x".repeat(size);
    for (const client of at(id).upstream.clients) {
      for (let sent = 0; sent < times; sent++) client.notify("news", payload);
    }
  },
  reload: (id) => at(id).tls?.reload(),
  async query(url, sql) {
    const connection = await connectUrl(url);
    const [result] = await query(connection, sql);
    connection.close();
    return { rows: result?.rows ?? [], protocol: connection.tls?.protocol };
  },
  async readSlowly(url, count) {
    const connection = await connectUrl(url);
    const before = memory().external;
    let [lines, external] = [0, 0];
    for await (const _line of copyOut(connection, `copy out ${count}`)) {
      if (++lines % 2_000 !== 0) continue;
      await new Promise((resolve) => setTimeout(resolve, 50));
      external = Math.max(external, memory().external - before);
    }
    connection.close();
    return { lines, external };
  },
  memory,
  stray: () => stray,
};

/** After a collection. */
function memory(): Deno.MemoryUsage {
  (globalThis as { gc?: () => void }).gc?.();
  return Deno.memoryUsage();
}

function at(id: number): Served {
  const found = served[id];
  if (!found) throw new Error(`there is no listener ${id}`);
  return found;
}

for await (const line of createInterface({ input: process.stdin })) {
  void answer(JSON.parse(line));
}
Deno.exit(0);

async function answer({ call, method, args }: Called): Promise<void> {
  let outcome: object;
  try {
    const run = methods[method] as (...args: unknown[]) => unknown;
    outcome = { result: await run(...args) };
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    outcome = { error: { message, code } };
  }
  console.log(JSON.stringify({ call, ...outcome }));
}
