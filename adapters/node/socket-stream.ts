// A client's byte stream over a Node socket: TCP or a Unix socket, TLS after SSLRequest or from the first byte.
import { readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import type { TlsInfo } from "../../src/auth/mod.ts";
import type { ByteStream, ServerAddress, SslMode } from "../../src/client/mod.ts";
import { PgError, sqlstate } from "../../src/wire/mod.ts";

const keepAliveDelay = 60_000;

/** Opens a connection to a server. @throws PgError 08001 that says where, and why not */
export async function openSocket(address: ServerAddress, sslMode: SslMode): Promise<ByteStream> {
  const { host, port } = address;
  const isPath = host.startsWith("/");
  const socket = isPath ? connectTcp(`${host}/.s.PGSQL.${port}`) : connectTcp({ host, port, noDelay: true });
  socket.setKeepAlive(true, keepAliveDelay);
  await opened(socket, "connect", `${host}:${port}`);
  const stream = new SocketStream(socket, isPath ? undefined : tlsOptions(address, sslMode));
  if (address.directTls) await stream.startTls?.();
  return stream;
}

class SocketStream implements ByteStream {
  tls: TlsInfo | undefined;
  readonly startTls?: () => Promise<TlsInfo>;
  onData: ByteStream["onData"] = () => {};
  onClose: ByteStream["onClose"] = () => {};
  #socket: Socket;
  #drained: PromiseWithResolvers<void> | undefined;
  #closed = false;

  constructor(socket: Socket, tls: ConnectionOptions | undefined) {
    this.#socket = socket;
    if (tls) this.startTls = () => this.#startTls(tls);
    this.#listen();
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#socket.destroyed || this.#socket.write(bytes)) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  end(): void {
    this.#socket.end();
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
    socket.on("error", (error) => this.#close(error));
    socket.on("close", () => this.#close(undefined));
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
    this.onClose(error);
  }

  async #startTls(options: ConnectionOptions): Promise<TlsInfo> {
    const plain = this.#socket;
    plain.removeAllListeners();
    plain.on("error", () => {});
    const secure = connectTls({ socket: plain, ...options });
    await opened(secure, "secureConnect", options.host ?? "");
    this.#socket = secure;
    this.#listen();
    this.tls = info(secure);
    return this.tls;
  }
}

/** verify-full checks chain and name, verify-ca the chain; require and prefer only encrypt, as in libpq. */
function tlsOptions(address: ServerAddress, sslMode: SslMode): ConnectionOptions {
  const verify = sslMode === "verify-ca" || sslMode === "verify-full";
  return {
    host: address.host,
    // An address is no server name (RFC 6066).
    ...(/[a-z]/i.test(address.host) && !address.host.includes(":") && { servername: address.host }),
    ALPNProtocols: ["postgresql"],
    rejectUnauthorized: verify,
    ...(sslMode === "verify-ca" && { checkServerIdentity: () => undefined }),
    ...(address.rootCertificate !== undefined && { ca: readFileSync(address.rootCertificate) }),
  };
}

function info(socket: TLSSocket): TlsInfo {
  const certificate = socket.getPeerCertificate();
  return {
    protocol: socket.getProtocol() ?? "unknown",
    ...(socket.alpnProtocol && { alpn: socket.alpnProtocol }),
    ...(certificate.raw && { serverCertificate: certificate.raw }),
  };
}

function opened(socket: Socket, event: "connect" | "secureConnect", where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.destroy();
      reject(
        new PgError(
          sqlstate.sqlclientUnableToEstablishSqlconnection,
          `connection to server at ${where} failed: ${error.message || (error as NodeJS.ErrnoException).code}`,
          { severity: "FATAL" },
        ),
      );
    };
    socket.once("error", fail);
    socket.once(event, () => {
      socket.off("error", fail);
      resolve();
    });
  });
}
