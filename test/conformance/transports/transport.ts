/**
 * A way into a gateway: how a client of this process gets a stream of bytes to it. The suites of this folder are run over
 * each; what one cannot have, it names.
 */
import type { Duplex } from "node:stream";
import { WireClient } from "../wire-client.ts";

export interface Transport {
  readonly name: string;
  /** What has to be done before its first connection. */
  prepare?(): Promise<void>;
  /** Opens one more connection: encrypted already where the transport is, and before any startup packet. */
  open(): Promise<Duplex>;
  /** Where drivers connect by themselves. Absent: they are handed a stream of `open`. */
  readonly address?: Address;
  /** Transcripts whose answer is another one over this transport, for a reason that is the transport's own. */
  readonly otherwise?: readonly Otherwise[];
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** `direct`: without an SSLRequest before it. */
  readonly tls?: "upgrade" | "direct";
}

export interface Otherwise {
  readonly because: string;
  /** Topic, and the names of its transcripts. */
  readonly of: Readonly<Record<string, readonly string[]>>;
}

/** A gateway on some runtime, with one embedded PostgreSQL behind all of its ways in. */
export interface ServedGateway {
  readonly transports: readonly Transport[];
  /**
   * Where HTTP and WebSockets are for those who prove that they are users, without a slash at the end. From the first call
   * on there may be no other way in.
   */
  asking(): Promise<string>;
  /** A connection to the same database that is no test's: whatever runs over `transports` finds what is made here. */
  readonly admin: Transport;
  close(): Promise<void>;
}

/** A transport's stream as the client of a transcript. */
export async function wireClient(transport: Transport): Promise<WireClient> {
  const stream = await transport.open();
  const client = new WireClient({
    send: (bytes) => void stream.write(bytes),
    destroy: () => stream.destroy(),
  });
  stream.on("data", (chunk: Uint8Array) => client.received(chunk));
  // A server that closes with bytes unread answers them with a reset.
  stream.on("error", () => {});
  stream.on("end", () => client.closed());
  stream.on("close", () => client.closed());
  return client;
}
