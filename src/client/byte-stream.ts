/**
 * What the client half needs of a connection to a server: bytes both ways. An adapter makes one of a socket, of
 * `connect()` on Workers, or of a WebSocket.
 */
import type { TlsInfo } from "../auth/source.ts";

/**
 * How much of the server's certificate is checked: nothing (sslmode `prefer` and `require`: TLS keeps out who only
 * listens), the chain to an authority (`verify-ca`), or the chain and the host's name (`verify-full`).
 */
export type TlsVerification = "none" | "authority" | "full";

/** A connection to a server. Its owner sets the callbacks in the turn of the event loop in which it gets the stream. */
export interface ByteStream {
  /**
   * Sends bytes, which belong to the stream from then on. A promise: it is full, wait before sending more. It neither
   * throws nor rejects: the end of the connection is told by `onClose`, and what is written after it is dropped.
   */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  /**
   * Starts TLS as the client: from then on `write` and `onData` are inside of it. Absent: only plain connections.
   * Rejects when the handshake fails or the certificate does not pass.
   */
  startTls?(verification: TlsVerification): Promise<TlsInfo>;
  /** Set where the connection came encrypted: whoever opened it has checked the certificate. */
  readonly tls?: TlsInfo | undefined;
  /** Gets what arrives, cut anywhere. A promise: read no more until it settles; it never rejects. */
  onData: (chunk: Uint8Array) => void | Promise<void>;
  /** The connection is over, with the error that ended it, if one did. Called once. */
  onClose: (error: Error | undefined) => void;
}

/** Opens a connection to the server; each call another one, as CancelRequest and pools need. */
export type OpenStream = () => Promise<ByteStream>;
