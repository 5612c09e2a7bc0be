// Ten thousand connections that die, in every phase and in every way: nothing of them may stay.
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { afterAll, expect, test } from "vitest";
import { listen } from "../../../adapters/node/listen.ts";
import { tlsServer } from "../../../adapters/node/tls.ts";
import { type AuthSource, type Login, parseVerifier } from "../../../src/auth/mod.ts";
import { memoryCancelRegistry, type Upstream } from "../../../src/session/mod.ts";
import { concat, frontendBytes } from "../../wire/bytes.ts";
import { certificateFolder, makeCertificate } from "./certificates.ts";
import { countingUpstream } from "./counting-upstream.ts";
import { query, sslRequest, startup } from "./raw-client.ts";

const total = 10_000;
const concurrency = 100;

const certificates = certificateFolder();
const tls = tlsServer(certificates.write("server", makeCertificate({ names: ["localhost"] })));
afterAll(() => certificates.remove());

const verifier = parseVerifier(`md5${"0".repeat(32)}`);
const auth: AuthSource = {
  find: async ({ user }) => {
    if (user === "slow") await setTimeout(2);
    if (user === "md5") return { method: "md5", verifier };
    return user === "scram" ? { method: "scram-sha-256" } : { method: "trust" };
  },
};

/** One connection, as far as its phase needs it. */
class Doomed {
  readonly plain: Socket;
  /** The TLS socket once there is one. */
  socket: Socket;
  #text = "";
  #wanted: { marker: string; resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(socket: Socket) {
    this.plain = socket;
    this.socket = socket;
    this.#listen();
  }

  send(...bytes: Uint8Array[]): void {
    this.socket.write(concat(...bytes));
  }

  /** Waits for bytes that the server sends. */
  async sees(marker: string): Promise<void> {
    if (this.#text.includes(marker)) return;
    await new Promise<void>((resolve, reject) => {
      this.#wanted = { marker, resolve, reject };
    });
  }

  async login(user = "anyone"): Promise<void> {
    this.send(startup({ user }));
    await this.sees("Z\0\0\0\x05I");
    this.#text = "";
  }

  async secure(options: ConnectionOptions = {}): Promise<void> {
    this.socket.removeAllListeners("data");
    this.socket = connectTls({ socket: this.socket, rejectUnauthorized: false, ...options });
    this.#listen();
    await new Promise((resolve) => this.socket.once("secureConnect", resolve));
  }

  #listen(): void {
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk) => {
      this.#text += chunk.toString("latin1");
      if (this.#wanted && this.#text.includes(this.#wanted.marker)) this.#wanted.resolve();
    });
    this.socket.on("close", () => this.#wanted?.reject(new Error(`closed before ${this.#wanted.marker}`)));
  }
}

const parse = frontendBytes({ type: "Parse", statement: "s", query: "rows 100000", parameterTypes: [] });
const bind = frontendBytes({
  type: "Bind",
  portal: "p",
  statement: "s",
  parameterFormats: [],
  parameters: [],
  resultFormats: [],
});
const execute = frontendBytes({ type: "Execute", portal: "p", maxRows: 2 });
const flush = frontendBytes({ type: "Flush" });

const phases: Record<string, (client: Doomed) => Promise<void> | void> = {
  "connected only": () => {},
  "half a startup packet": (client) => client.send(startup().subarray(0, 11)),
  "a startup packet, nothing awaited": (client) => client.send(startup()),
  "while the user is looked up": (client) => client.send(startup({ user: "slow" })),
  "while the database is opened": (client) => client.send(startup({ database: "slow" })),
  "while the upstream connects": (client) => client.send(startup({ database: "connects slowly" })),
  "before the password": async (client) => {
    client.send(startup({ user: "md5" }));
    await client.sees("R\0\0\0\x0c");
  },
  "in SCRAM": async (client) => {
    client.send(startup({ user: "scram" }));
    await client.sees("SCRAM-SHA-256");
    const first = new TextEncoder().encode("n,,n=,r=abcdefghijklmnop");
    client.send(frontendBytes({ type: "SASLInitialResponse", mechanism: "SCRAM-SHA-256", data: first }));
  },
  "after SSLRequest": async (client) => {
    client.send(sslRequest);
    await client.sees("S");
  },
  "in the TLS handshake": async (client) => {
    client.send(sslRequest);
    await client.sees("S");
    client.send(Uint8Array.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]));
  },
  "in direct TLS": (client) => client.send(Uint8Array.from([0x16, 3, 1, 2, 0, 1])),
  "after the TLS handshake": async (client) => {
    client.send(sslRequest);
    await client.sees("S");
    await client.secure();
  },
  "logged in over direct TLS": async (client) => {
    await client.secure({ ALPNProtocols: ["postgresql"] });
    await client.login();
  },
  "in the middle of a message": async (client) => {
    await client.login();
    client.send(query("select 1").subarray(0, 9));
  },
  idle: (client) => client.login(),
  "in a query": async (client) => {
    await client.login();
    client.send(query("wait"));
  },
  "with queries behind a query": async (client) => {
    await client.login();
    client.send(query("wait 5"), query("begin"), query("wait"), query("select 1"));
  },
  "in a transaction": async (client) => {
    await client.login();
    client.send(query("begin"));
    await client.sees("Z\0\0\0\x05T");
  },
  "in a failed transaction": async (client) => {
    await client.login();
    client.send(query("begin"), query("fail"));
    await client.sees("Z\0\0\0\x05E");
  },
  "in several statements": async (client) => {
    await client.login();
    client.send(query("select 1; wait; select 2"));
  },
  "in COPY FROM STDIN": async (client) => {
    await client.login();
    client.send(query("copy in"));
    await client.sees("G\0\0\0\x09");
    client.send(frontendBytes({ type: "CopyData", data: new Uint8Array(100) }));
  },
  "in COPY TO STDOUT": async (client) => {
    await client.login();
    client.send(query("copy out slowly 100000"));
    await client.sees("d\0\0");
  },
  "while rows stream": async (client) => {
    await client.login();
    client.send(query("rows slowly 100000"));
    await client.sees("D\0\0");
  },
  "with an open portal": async (client) => {
    await client.login();
    client.send(parse, bind, execute, flush);
    await client.sees("s\0\0\0\x04");
  },
  "in a pipeline": async (client) => {
    await client.login();
    client.send(parse, bind);
  },
  "having spoken nonsense": async (client) => {
    await client.login();
    client.send(Uint8Array.from([0x7a, 0, 0, 0, 4]));
  },
};

/** Ways to die: with a FIN, with a RST, by closing the own side and by Terminate. */
const deaths: ((client: Doomed) => void)[] = [
  ({ socket }) => socket.destroy(),
  ({ plain }) => plain.resetAndDestroy(),
  ({ socket }) => socket.end(),
  ({ socket }) => void socket.end(frontendBytes({ type: "Terminate" })),
];

test(`${total} connections leave nothing behind`, { timeout: 180_000 }, async () => {
  const upstream = countingUpstream();
  const cancels = memoryCancelRegistry();
  const strangers: unknown[] = [];
  const note = (error: unknown): void => void strangers.push(error);
  process.on("unhandledRejection", note);
  async function open({ database }: Login): Promise<Upstream> {
    if (database === "slow") await setTimeout(2);
    if (database !== "connects slowly") return upstream;
    return {
      async connect(client) {
        const session = await upstream.connect(client);
        await setTimeout(2);
        return session;
      },
    };
  }
  const listener = await listen({ auth, cancels, upstream: open }, { tls, lostClientGrace: 20 });
  const { counts } = upstream;
  const names = Object.keys(phases);
  const died = new Map<string, number>();

  async function live(at: number): Promise<void> {
    const name = names[at % names.length] as string;
    const death = deaths[Math.floor(at / names.length) % deaths.length] as (client: Doomed) => void;
    const socket = connect(listener.port, listener.host);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    const client = new Doomed(socket);
    await phases[name]?.(client);
    // Not only when the server is at rest: also when it is in the middle of what was asked.
    if (at % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    death(client);
    await closed;
    died.set(name, (died.get(name) ?? 0) + 1);
  }

  async function run(count: number): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) await live(next++);
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    await expect.poll(() => listener.size, { timeout: 10_000 }).toBe(0);
    await expect.poll(sockets, { timeout: 10_000 }).toBe(0);
    await expect.poll(() => counts.opened - counts.closed, { timeout: 10_000 }).toBe(0);
  }

  // The first ones warm up what is made once: code, pools, tables.
  await run(1_000);
  const before = measure();
  const timers = count("Timeout");
  await run(total);
  const after = measure();

  expect(strangers).toEqual([]);
  expect([...died.keys()].sort()).toEqual([...names].sort());
  expect(cancels.size).toBe(0);
  expect(upstream.clients.size).toBe(0);
  expect(counts.opened).toBeGreaterThan(total / 2);
  expect(counts.closed).toBe(counts.opened);
  expect(counts.running).toBe(0);
  expect(counts.begun).toBeGreaterThan(total / 10);
  expect(counts.committed + counts.rolledBack).toBe(counts.begun);
  expect(count("Timeout")).toBeLessThanOrEqual(timers);
  // The heap moves by several hundred kilobytes for reasons of V8's own; a session is tens of kilobytes.
  expect((after.heap - before.heap) / total).toBeLessThan(200);
  expect((after.external - before.external) / total).toBeLessThan(200);

  await listener.close(100);
  process.off("unhandledRejection", note);
});

const count = (resource: string) =>
  process.getActiveResourcesInfo().filter((name) => name === resource).length;

const sockets = () => count("TCPSocketWrap") + count("TLSWrap");

function measure(): { heap: number; external: number } {
  if (!globalThis.gc) throw new Error("run with --expose-gc");
  for (let round = 0; round < 3; round++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return { heap: heapUsed, external };
}
