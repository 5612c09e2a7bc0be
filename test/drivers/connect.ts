/** pg and postgres over each transport: by themselves where they can, else over a stream that they are handed. */
import type { Duplex } from "node:stream";
import pg from "pg";
import postgres from "postgres";
import type { Transport } from "../conformance/transports/transport.ts";

const login = { user: "postgres", database: "postgres" } as const;

/** Of these servers nobody needs to be sure that they are who they say. */
const anyCertificate = { rejectUnauthorized: false };

/** `pipeline`: it sends queries without waiting for the answers of those before. */
export async function connectPg(
  transport: Transport,
  options: { pipeline?: boolean } = {},
): Promise<pg.Client> {
  const client = new pg.Client({ ...login, ...(await pgOptions(transport)), ...options });
  await client.connect();
  return client;
}

async function pgOptions(transport: Transport): Promise<pg.ClientConfig> {
  const { address } = transport;
  if (address === undefined) {
    const stream = socketOf(await transport.open());
    return { stream: () => stream };
  }
  const { host, port, tls } = address;
  return {
    host,
    port,
    ...(tls !== undefined && { ssl: anyCertificate }),
    ...(tls === "direct" && { sslnegotiation: "direct" }),
  };
}

/** pg asks for a cancel on a connection of its own: a client that only does that. */
export async function cancelPg(transport: Transport, client: pg.Client): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  for (const [at, word] of [16, 80877102, processID, secretKey | 0].entries())
    request.writeInt32BE(word, at * 4);
  const stream = await transport.open();
  const closed = new Promise((resolve) => stream.once("end", resolve).once("close", resolve));
  stream.on("error", () => {}).resume();
  stream.write(request);
  await closed;
  stream.destroy();
}

export function connectPostgres(
  transport: Transport,
  options: postgres.Options<Record<string, never>> = {},
): postgres.Sql {
  const { address } = transport;
  // It knows no direct TLS.
  if (address === undefined || address.tls === "direct")
    return postgres({ ...login, ...options, socket: () => transport.open() } as typeof options);
  const { host, port, tls } = address;
  return postgres({ ...login, ...options, host, port, ssl: tls === undefined ? false : anyCertificate });
}

/** As much of a socket as pg wants of a stream that is open already. */
function socketOf(stream: Duplex): Duplex {
  return Object.assign(stream, {
    connect: () => void queueMicrotask(() => stream.emit("connect")),
    setNoDelay: () => stream,
    setKeepAlive: () => stream,
    ref: () => stream,
    unref: () => stream,
  });
}
