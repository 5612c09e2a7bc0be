/**
 * What a session needs of a connection: bytes out, and the end. Bytes in are pushed into `Session.receive` by the
 * adapter that owns the socket. The only place where a runtime's sockets meet the session.
 */
import type { TlsInfo } from "../auth/source.ts";

/** One client connection, as an adapter gives it to a session. */
export interface Transport {
  /**
   * Sends bytes. A promise means that the transport is full: the session writes no rows until it settles.
   * The bytes belong to the transport; the session never writes to that memory again.
   */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
  /** Set when the connection is encrypted: from the start (direct TLS) or after `startTls`. */
  readonly tls?: TlsInfo | undefined;
  /**
   * Starts TLS as the server, after the session answered `S` to an SSLRequest. Bytes pushed into the session from then
   * on are decrypted ones. Absent: SSLRequest is answered `N`.
   */
  startTls?(): Promise<TlsInfo>;
  /** The peer's address, for logs and authentication rules. */
  readonly address?: string | undefined;
}
