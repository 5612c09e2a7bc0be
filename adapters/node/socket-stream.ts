// A client's byte stream over a Node socket: TCP or a Unix socket, and TLS on top of it.
import { readFileSync } from "node:fs";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import type { TlsInfo } from "../../src/auth/mod.ts";
import type { ByteStream, ServerAddress, TlsVerification } from "../../src/client/mod.ts";
import { fatal, type PgError, sqlstate } from "../../src/wire/mod.ts";

/** Milliseconds before TCP keepalive probes, so that a vanished server does not leave a query waiting for hours. */
const keepAliveDelay = 60_000;
/** Milliseconds that a server may take to close its side after ours; then the connection is cut. */
const lingerTimeout = 5_000;

/**
 * Opens a connection to a server. `timeout`: milliseconds for that, 0 leaves it to the system.
 * @throws PgError 08001 that says where, and why not
 */
export async function openSocket(address: ServerAddress, timeout = 10_000): Promise<ByteStream> {
  const { host, port } = address;
  const path = host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : undefined;
  const where = path ?? (isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`);
  const socket = path === undefined ? connectTcp({ host, port, noDelay: true }) : connectTcp(path);
  socket.setKeepAlive(true, keepAliveDelay);
  const timer =
    timeout > 0 ? setTimeout(() => socket.destroy(new Error("timeout expired")), timeout) : undefined;
  try {
    await opened(socket, "connect", `connection to server at ${where} failed`);
  } finally {
    clearTimeout(timer);
  }
  return new SocketStream(socket, path === undefined ? address : undefined);
}

class SocketStream implements ByteStream {
  tls: TlsInfo | undefined;
  readonly startTls?: (verification: TlsVerification) => Promise<TlsInfo>;
  onData: ByteStream["onData"] = () => {};
  onClose: ByteStream["onClose"] = () => {};
  #socket: Socket;
  #drained: PromiseWithResolvers<void> | undefined;
  #error: Error | undefined;

  /** Without an address there is no TLS, as over Unix sockets. */
  constructor(socket: Socket, address: ServerAddress | undefined) {
    this.#socket = socket;
    if (address) this.startTls = (verification) => this.#startTls(address, verification);
    this.#listen();
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (!this.#socket.writable || this.#socket.write(bytes)) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  end(): void {
    const socket = this.#socket;
    socket.end();
    // Paused for back-pressure, it would not see the server's end.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), lingerTimeout);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("data", (chunk: Buffer) => {
      const pending = this.onData(chunk);
      if (!pending) return;
      socket.pause();
      pending.then(() => socket.resume());
    });
    socket.on("drain", () => this.#release());
    socket.on("error", (error) => {
      this.#error ??= error;
    });
    socket.once("close", () => {
      this.#release();
      this.onClose(this.#error);
    });
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  async #startTls(address: ServerAddress, verification: TlsVerification): Promise<TlsInfo> {
    const plain = this.#socket;
    const options = tlsOptions(address, verification);
    for (const event of ["data", "drain", "error", "close"]) plain.removeAllListeners(event);
    plain.on("error", () => {});
    const secure = connectTls({ ...options, socket: plain });
    this.#socket = secure;
    this.#listen();
    await opened(secure, "secureConnect", "TLS handshake failed");
    this.tls = info(secure);
    return this.tls;
  }
}

/** @throws PgError 08001 if a file cannot be read */
function tlsOptions(address: ServerAddress, verification: TlsVerification): ConnectionOptions {
  const { host, rootCertificate, certificate, key } = address;
  try {
    return {
      host,
      // An address is no server name (RFC 6066).
      ...(isIP(host) === 0 && { servername: host }),
      ALPNProtocols: ["postgresql"],
      rejectUnauthorized: verification !== "none",
      // Whose certificate it is does not matter then, only who signed it.
      ...(verification === "authority" && { checkServerIdentity: () => undefined }),
      ...(rootCertificate !== undefined && { ca: readFileSync(rootCertificate) }),
      ...(certificate !== undefined && { cert: readFileSync(certificate) }),
      ...(key !== undefined && { key: readFileSync(key) }),
    };
  } catch (error) {
    throw failed("TLS cannot be started", error as Error);
  }
}

function info(socket: TLSSocket): TlsInfo {
  const certificate = socket.getPeerCertificate();
  return {
    protocol: socket.getProtocol() ?? "unknown",
    ...(socket.alpnProtocol && { alpn: socket.alpnProtocol }),
    ...(certificate.raw && { serverCertificate: certificate.raw }),
  };
}

/** Waits for the event, which an error or the end may forestall. */
function opened(socket: Socket, event: "connect" | "secureConnect", failure: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let cause = new Error("server closed the connection unexpectedly");
    const remember = (error: Error): void => {
      cause = error;
    };
    const fail = (): void => reject(failed(failure, cause));
    socket.once("error", remember);
    socket.once("close", fail);
    socket.once(event, () => {
      socket.off("error", remember);
      socket.off("close", fail);
      resolve();
    });
  });
}

function failed(failure: string, cause: Error): PgError {
  // Several addresses of a host are tried; the error of each is inside of one without a text.
  const text = cause.message || (cause as NodeJS.ErrnoException).code || "unknown error";
  return fatal(sqlstate.sqlclientUnableToEstablishSqlconnection, `${failure}: ${text}`);
}
