/** What a client tells of itself and asks of the server (PostgreSQL documentation, 34.1.2 Parameter Key Words). */
import type { AuthMethod } from "../auth/mod.ts";

/**
 * libpq's sslmode, less `allow`. With `prefer` a server that has no TLS is talked to in the clear, but a handshake that
 * fails is an error: libpq would try again without TLS, which whoever disturbs the handshake may want.
 */
export type SslMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

/** libpq's sslnegotiation: SSLRequest first, or TLS from the first byte, as PostgreSQL 17 and later take it. */
export type SslNegotiation = "postgres" | "direct";

export type ChannelBinding = "disable" | "prefer" | "require";

/** How a connection is encrypted. */
export interface TlsOptions {
  /** Default `prefer`. */
  readonly sslMode?: SslMode | undefined;
  /** Default `postgres`; `direct` needs an sslMode of `require` or better. */
  readonly sslNegotiation?: SslNegotiation | undefined;
}

export interface ClientOptions extends TlsOptions {
  readonly user: string;
  /** A function is called when, and only when, the server asks for a password. */
  readonly password?: string | (() => string | Promise<string>) | undefined;
  /** Default: the user's name. */
  readonly database?: string | undefined;
  /**
   * Further startup parameters: application_name, options, settings. With a client_encoding that is not UTF8 the
   * connection is good for a relay, which leaves text alone; here it would be garbled.
   */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  /** Default `prefer`: SCRAM-SHA-256-PLUS where both sides can. */
  readonly channelBinding?: ChannelBinding | undefined;
  /** Authentication methods that are acceptable (libpq's require_auth); default: all. */
  readonly requireAuth?: readonly AuthMethod[] | undefined;
  /** Protocol version to ask for, as in a StartupMessage; default 3.2 (196610), and the server may answer with less. */
  readonly protocol?: number | undefined;
  /** The least version to go on with; default 3.0 (196608). */
  readonly minProtocol?: number | undefined;
  /** Milliseconds until the connection must be ready; 0 waits for ever. Default 10,000. */
  readonly connectTimeout?: number | undefined;
  /** Gives up connecting; it has no effect on a connection that stands. */
  readonly signal?: AbortSignal | undefined;
}

export const defaultConnectTimeout = 10_000;
