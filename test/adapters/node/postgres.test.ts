/**
 * `postgres://` on Node, and the socket under it, against edgewire's own server: TLS in every mode, certificates, Unix
 * sockets, and a server that comes and goes. What a real server does with it is in
 * test/upstreams/wire/postgres.heavy.test.ts.
 */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Listener } from "../../../adapters/node/listen.ts";
import { openPostgres } from "../../../adapters/node/postgres.ts";
import { type ServeOptions, serve } from "../../../adapters/node/serve.ts";
import { openSocket } from "../../../adapters/node/socket-stream.ts";
import { staticAuthSource } from "../../../src/auth/mod.ts";
import { type ByteStream, type Connection, connect, parseUrl, query } from "../../../src/client/mod.ts";
import { ConfigError } from "../../../src/gateway/mod.ts";
import { errorOf } from "../../client/outcome.ts";
import { testServer } from "../../client/server.ts";
import { type CertificateFolder, certificateFolder, makeCertificate } from "./certificates.ts";

let certificates: CertificateFolder;
let folder: string;
/** PEM files: the authority, one that signed nothing, the server's (localhost), another's, and a client's (u). */
let files: Record<
  "authority" | "stranger" | "server" | "elsewhere" | "client",
  { cert: string; key: string }
>;
const listeners: Listener[] = [];

beforeAll(async () => {
  certificates = certificateFolder();
  folder = await mkdtemp(join(tmpdir(), "edgewire-sockets-"));
  const issuer = makeCertificate({ names: ["authority"], authority: true });
  files = {
    authority: certificates.write("authority", issuer),
    stranger: certificates.write("stranger", makeCertificate({ names: ["stranger"], authority: true })),
    server: certificates.write("server", makeCertificate({ names: ["localhost"], issuer })),
    elsewhere: certificates.write("elsewhere", makeCertificate({ names: ["elsewhere"], issuer })),
    client: certificates.write("client", makeCertificate({ names: ["u"], issuer })),
  };
});

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close(100)));
});

afterAll(() => {
  certificates.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<ServeOptions> = {}): Promise<Listener> {
  const listener = await serve({
    upstream: ({ sql }) => ({ type: "rows", columns: [{ name: "sql" }], rows: [[sql]] }),
    ...options,
  });
  listeners.push(listener);
  return listener;
}

async function connectTo(url: string): Promise<Connection> {
  const { options, ...address } = parseUrl(url);
  return connect(await openSocket(address, options.connectTimeout), options);
}

/** What comes back of a query, or the error. */
async function attempt(url: string): Promise<string> {
  const connecting = connectTo(url);
  try {
    const connection = await connecting;
    const [result] = await query(connection, "it works");
    connection.close();
    return String(result?.rows[0]?.[0]);
  } catch {
    return errorOf(connecting);
  }
}

describe("TLS", () => {
  const scram = staticAuthSource({ u: "secret" });
  const url = ({ port }: Listener, parameters: string, host = "localhost"): string =>
    `postgres://u:secret@${host}:${port}/d?${parameters}`;

  test.each(["prefer", "require", "verify-ca", "verify-full"])(
    "sslmode=%s, with channel binding",
    async (mode) => {
      const listener = await start({ tls: files.server, auth: scram });
      const parameters = `sslmode=${mode}&channel_binding=require&sslrootcert=${files.authority.cert}`;
      expect(await attempt(url(listener, parameters))).toBe("it works");
      expect(await attempt(url(listener, parameters, "127.0.0.1"))).toBe("it works");
    },
  );

  test("direct, with channel binding", async () => {
    const listener = await start({ tls: files.server, auth: scram });
    const parameters = `sslmode=verify-full&sslnegotiation=direct&channel_binding=require&sslrootcert=${files.authority.cert}`;
    const connection = await connectTo(url(listener, parameters));
    expect(connection.tls).toMatchObject({ alpn: "postgresql", protocol: "TLSv1.3" });
    connection.close();
  });

  test("direct to a server without TLS", async () => {
    const listener = await start({ auth: scram });
    expect(await attempt(url(listener, "sslmode=require&sslnegotiation=direct"))).toMatch(
      /^FATAL 08001 TLS handshake failed: /,
    );
  });

  test("the certificate of another host: for verify-ca good enough", async () => {
    const listener = await start({ tls: files.elsewhere, auth: scram });
    const parameters = (mode: string) => `sslmode=${mode}&sslrootcert=${files.authority.cert}`;
    expect(await attempt(url(listener, parameters("verify-full")))).toMatch(
      /^FATAL 08001 TLS handshake failed: Hostname\/IP does not match certificate's altnames/,
    );
    expect(await attempt(url(listener, parameters("verify-ca")))).toBe("it works");
  });

  test("a certificate that a stranger signed: for require good enough", async () => {
    const listener = await start({ tls: files.server, auth: scram });
    for (const mode of ["verify-ca", "verify-full"]) {
      for (const root of [`&sslrootcert=${files.stranger.cert}`, ""]) {
        expect(await attempt(url(listener, `sslmode=${mode}${root}`))).toMatch(
          /^FATAL 08001 TLS handshake failed: .*certificate/,
        );
      }
    }
    expect(await attempt(url(listener, "sslmode=require"))).toBe("it works");
  });

  test("a server without", async () => {
    const listener = await start({ auth: scram });
    expect(await attempt(url(listener, "sslmode=prefer"))).toBe("it works");
    expect(await attempt(url(listener, "sslmode=require"))).toBe(
      "FATAL 08001 server does not support SSL, but SSL was required",
    );
  });

  test("a client certificate", async () => {
    const listener = await start({
      tls: { ...files.server, ca: files.authority.cert },
      auth: staticAuthSource({ u: "" }, { method: "cert" }),
    });
    const { cert, key } = files.client;
    expect(await attempt(url(listener, `sslmode=require&sslcert=${cert}&sslkey=${key}`))).toBe("it works");
    expect(await attempt(url(listener, "sslmode=require"))).toMatch(/^FATAL 28000 /);
    expect(await attempt(url(listener, `sslmode=require&sslcert=/nowhere&sslkey=${key}`))).toMatch(
      /^FATAL 08001 TLS cannot be started: ENOENT/,
    );
  });
});

describe("reaching the server", () => {
  test("over a Unix socket", async () => {
    await start({ path: folder, port: 5499 });
    const host = encodeURIComponent(folder);
    expect(await attempt(`postgres://u@${host}:5499/d?sslmode=require`)).toBe("it works");
    expect(await attempt(`postgres://u@${host}:5498/d`)).toMatch(
      new RegExp(`^FATAL 08001 connection to server at ${folder}/.s.PGSQL.5498 failed: .*ENOENT`),
    );
  });

  test("over IPv6, where there is a loopback of it", async () => {
    const listener = await start({ host: "::1" }).catch((error: Error) => error);
    if (listener instanceof Error) return console.log(`IPv6 is not tested: ${listener.message}`);
    expect(await attempt(`postgres://u@[::1]:${listener.port}/d`)).toBe("it works");
    await listener.close(100);
    expect(await attempt(`postgres://u@[::1]:${listener.port}/d`)).toMatch(
      /^FATAL 08001 connection to server at \[::1\]:\d+ failed: .*ECONNREFUSED/,
    );
  });

  test("nobody listens, or the name is nobody's", async () => {
    const listener = await start();
    await listener.close(100);
    for (const host of ["127.0.0.1", "localhost"]) {
      expect(await attempt(`postgres://u@${host}:${listener.port}/d`)).toMatch(
        new RegExp(`^FATAL 08001 connection to server at ${host}:${listener.port} failed: .*ECONNREFUSED`),
      );
    }
    expect(await attempt("postgres://u@nosuch.invalid/d")).toMatch(
      /^FATAL 08001 connection to server at nosuch.invalid:5432 failed: /,
    );
  });

  test("a server that says nothing", async () => {
    const silent = await listening(() => {});
    expect(await attempt(`postgres://u@127.0.0.1:${silent.port}/d?connect_timeout=1`)).toBe(
      "FATAL 08001 timeout expired",
    );
    await silent.close();
  });
});

/** A bare TCP server. */
async function listening(
  accept: (socket: Socket) => void,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

describe("the socket", () => {
  async function open(
    accept: (socket: Socket) => void,
  ): Promise<{ stream: ByteStream; close(): Promise<void> }> {
    const server = await listening(accept);
    const { options, ...address } = parseUrl(`postgres://u@127.0.0.1:${server.port}/d`);
    return { stream: await openSocket(address, options.connectTimeout), close: server.close };
  }

  /** Writes until the stream is full. */
  function fill(stream: ByteStream): Promise<void> {
    for (let megabytes = 0; megabytes < 100; megabytes++) {
      const full = stream.write(new Uint8Array(1_000_000));
      if (full) return full;
    }
    throw new Error("it is never full");
  }

  test("is full when the server does not read, and drains when it does", async () => {
    const accepted = Promise.withResolvers<Socket>();
    const { stream, close } = await open((socket) => accepted.resolve(socket.pause()));
    const socket = await accepted.promise;
    const full = fill(stream);
    socket.resume();
    await full;
    stream.destroy();
    await close();
  });

  test("waits for the reader", async () => {
    const { stream, close } = await open((socket) => {
      const send = (): void => {
        while (socket.write(new Uint8Array(100_000)));
        socket.once("drain", send);
      };
      send();
    });
    const reading = Promise.withResolvers<void>();
    let received = 0;
    stream.onData = (chunk) => {
      received += chunk.length;
      return reading.promise;
    };
    await setTimeout(100);
    const before = received;
    await setTimeout(50);
    expect(received).toBe(before);
    stream.onData = (chunk) => {
      received += chunk.length;
    };
    reading.resolve();
    await setTimeout(50);
    expect(received).toBeGreaterThan(before);
    stream.destroy();
    await close();
  });

  test("tells the end once, with its cause, and takes nothing more", async () => {
    const accepted = Promise.withResolvers<Socket>();
    const { stream, close } = await open((socket) => accepted.resolve(socket));
    const ends: unknown[] = [];
    const ended = new Promise<void>((resolve) => {
      stream.onClose = (error) => {
        ends.push((error as NodeJS.ErrnoException | undefined)?.code);
        resolve();
      };
    });
    (await accepted.promise).resetAndDestroy();
    await ended;
    expect(stream.write(Uint8Array.of(1))).toBeUndefined();
    stream.end();
    stream.destroy();
    await setTimeout(10);
    expect(ends).toEqual(["ECONNRESET"]);
    await close();
  });

  test("releases who waits for it to drain when it is destroyed", async () => {
    const { stream, close } = await open((socket) => socket.pause());
    const full = fill(stream);
    stream.destroy();
    await full;
    await close();
  });
});

describe("openPostgres", () => {
  const login = { user: "anybody", sslMode: "disable" } as const;

  test("serves a server", async () => {
    const listener = await start({ tls: files.server, auth: staticAuthSource({ u: "secret" }) });
    const root = `sslrootcert=${files.authority.cert}`;
    const upstream = openPostgres(
      `postgres://u:secret@localhost:${listener.port}/d?sslmode=verify-full&${root}`,
    );
    const front = testServer({ upstream });
    const client = await connect(await front.open(), login);
    expect((await query(client, "through both"))[0]?.rows).toEqual([["through both"]]);
    client.close();
    await front.closed();
    await upstream.close?.();
  });

  test("a server that is not there, and is back", async () => {
    const { port } = await start();
    const upstream = openPostgres(`postgres://u@127.0.0.1:${port}/d`);
    const front = testServer({ upstream });
    const first = await connect(await front.open(), login);
    await query(first, "x");
    // Restarted under an idle client: it is told, and so is everyone who comes until the server is back.
    await Promise.all(listeners.splice(0).map((listener) => listener.close(100)));
    expect(await errorOf(query(first, "x"))).toMatch(/^FATAL 57P01 /);
    expect(await errorOf(connect(await front.open(), login))).toMatch(/^FATAL 08001 .*ECONNREFUSED/);
    await start({ port });
    const second = await connect(await front.open(), login);
    expect((await query(second, "back"))[0]?.rows).toEqual([["back"]]);
    second.close();
    await front.closed();
    await upstream.close?.();
  });

  test.each([
    ["postgres://u@h/d?pool_size=0", 'pool_size is a whole number from 1, not "0"'],
    ["postgres://u@h/d?pool_size=many", 'pool_size is a whole number from 1, not "many"'],
    ["postgres://u@h/d?pool_size=", 'pool_size is a whole number from 1, not ""'],
    ["postgres://u@h:port/d", /^the connection URL has no valid port/],
    ["postgres://u@h/d?sslmode=maybe", /^invalid sslmode value: "maybe"/],
  ])("%s is refused", (url, message) => {
    expect(() => openPostgres(url)).toThrow(message);
    expect(() => openPostgres(url)).toThrow(ConfigError);
  });
});
