/**
 * What the client half needs of a connection to a server: bytes both ways. An adapter makes one of a socket, of
 * `connect()` on Workers, or of a WebSocket.
 */
import type { TlsInfo } from "../auth/source.ts";

/** A connection to a server. */
export interface ByteStream {
  /** Sends bytes, which belong to the stream from then on. A promise: it is full, wait before sending more. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  /** Starts TLS as the client, after the server answered `S` to SSLRequest. Absent: only plain connections. */
  startTls?(): Promise<TlsInfo>;
  /** Set where the connection is encrypted already (direct TLS). */
  readonly tls?: TlsInfo | undefined;
  /** Set by the owner: gets what arrives, cut anywhere. A promise: read no more until it settles. */
  onData: (chunk: Uint8Array) => void | Promise<void>;
  /** Set by the owner: the connection is over, with the error that ended it, if one did. Called once. */
  onClose: (error: Error | undefined) => void;
}

/** Opens another connection to the same server, as CancelRequest needs. */
export type OpenStream = () => Promise<ByteStream>;
