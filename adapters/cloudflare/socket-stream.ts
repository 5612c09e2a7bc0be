// A client's byte stream over `connect()` of cloudflare:sockets: TCP, and TLS on top of it. The connection is the
// invocation's that opened it, and keeps that alive until it is closed.
import { connect } from "cloudflare:sockets";
import { waitUntil } from "cloudflare:workers";
import type { TlsInfo } from "../../src/auth/mod.ts";
import type { ByteStream, ServerAddress } from "../../src/client/mod.ts";
import { type ErrorFields, fatal, type PgError, sqlstate } from "../../src/wire/mod.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** Milliseconds that a server may take to close its side after ours; then the connection is cut. */
const lingerTimeout = 5_000;

/** The length and the code of an SSLRequest, which is the whole message. */
const sslRequestLength = 8;
const sslRequestCode = 80877103;

/**
 * Opens a connection to a server. `timeout`: milliseconds for that, 0 leaves it to the runtime.
 *
 * TLS is always verified as with `verify-full`, whatever less was asked for: Workers check the chain up to the public
 * authorities and the host's name, and cannot be told otherwise.
 * @throws PgError 08001 that says where, and why not
 */
export async function openSocket(
  address: Pick<ServerAddress, "host" | "port">,
  timeout = 10_000,
): Promise<ByteStream> {
  const { host, port } = address;
  const hostname = host.includes(":") ? `[${host}]` : host;
  const failed = (cause: unknown): PgError =>
    failure(`connection to server at ${hostname}:${port} failed`, cause);
  let socket: Socket;
  try {
    socket = connect({ hostname, port }, { secureTransport: "starttls", allowHalfOpen: true });
  } catch (error) {
    // Names that cannot be, and addresses that Workers do not connect to.
    throw failed(error);
  }
  const expired = Promise.withResolvers<never>();
  const timer =
    timeout > 0 ? setTimeout(() => expired.reject(new Error("timeout expired")), timeout) : undefined;
  try {
    await Promise.race([socket.opened, expired.promise]);
  } catch (error) {
    socket.close().catch(() => {});
    throw failed(error);
  } finally {
    clearTimeout(timer);
  }
  const stream = new SocketStream(socket);
  waitUntil(stream.closed);
  return stream;
}

class SocketStream implements ByteStream {
  tls: TlsInfo | undefined;
  onData: ByteStream["onData"] = () => {};
  onClose: ByteStream["onClose"] = () => {};
  /** Settles when the connection is over. */
  readonly closed: Promise<void>;
  #socket: Socket;
  #reader!: ByteReader;
  #writer!: ByteWriter;
  /** SSLRequest was sent: the next chunk decides who reads on, this socket or the one inside of TLS. */
  #deciding: PromiseWithResolvers<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ending = false;
  #gone = false;
  #settleClosed: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    this.#use(socket);
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#ending || this.#gone) return;
    if (this.#deciding) this.#decided();
    else if (isSslRequest(bytes)) this.#deciding = Promise.withResolvers();
    return this.#writer.write(bytes);
  }

  end(): void {
    if (this.#ending || this.#gone) return;
    this.#ending = true;
    this.#decided();
    this.#writer.close();
    this.#timer = setTimeout(() => this.destroy(), lingerTimeout);
  }

  destroy(): void {
    // Not the socket's `close()` alone: that waits until the server has taken what was written.
    if (!this.#gone) this.#writer.abort();
    this.#lost(undefined);
  }

  async startTls(): Promise<TlsInfo> {
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    const secure = this.#socket.startTls();
    this.#socket = secure;
    try {
      await secure.opened;
    } catch (error) {
      this.#lost(error);
      throw failure("TLS handshake failed", error, {
        hint:
          "Workers accept a certificate only if it is valid for the server's name and signed by a public authority. " +
          "Their log has the reason.",
      });
    }
    if (!this.#gone) this.#use(secure);
    this.#decided();
    // The runtime tells neither the version nor the certificate: there is no channel binding.
    this.tls = {};
    return this.tls;
  }

  #use(socket: Socket): void {
    this.#reader = new ByteReader(socket.readable);
    this.#writer = new ByteWriter(socket.writable, (error) => this.#lost(error));
    this.#read(this.#reader);
  }

  async #read(reader: ByteReader): Promise<void> {
    try {
      for (let chunk = await reader.read(); chunk; chunk = await reader.read()) {
        if (this.#gone) return;
        await this.onData(chunk);
        if (this.#deciding) await this.#deciding.promise;
        if (this.#gone || reader !== this.#reader) return;
      }
    } catch (error) {
      return this.#lost(error);
    }
    this.#lost(undefined);
  }

  #decided(): void {
    this.#deciding?.resolve();
    this.#deciding = undefined;
  }

  #lost(cause: unknown): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#socket.close().catch(() => {});
    this.#writer.release();
    this.#decided();
    this.#settleClosed();
    this.onClose(cause === undefined || cause instanceof Error ? cause : new Error(String(cause)));
  }
}

function isSslRequest(bytes: Uint8Array): boolean {
  if (bytes.length !== sslRequestLength) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getUint32(0) === sslRequestLength && view.getUint32(4) === sslRequestCode;
}

function failure(what: string, cause: unknown, fields: Partial<ErrorFields> = {}): PgError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return fatal(sqlstate.sqlclientUnableToEstablishSqlconnection, `${what}: ${text.trim()}`, fields);
}
