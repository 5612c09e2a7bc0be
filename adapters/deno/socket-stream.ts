// A client's byte stream over a Deno.Conn: TCP or a Unix socket, and TLS on top of it. TLS is Node's node:tls, which Deno
// has too: Deno.startTls checks every certificate, or none for the whole process, trusts public authorities beside the one
// that is named, has no certificate of the client's and does not show the server's. Needs --allow-net for the address.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import type { TlsInfo } from "../../src/auth/mod.ts";
import type { ByteStream, ServerAddress, TlsVerification } from "../../src/client/mod.ts";
import { fatal, type PgError, sqlstate } from "../../src/wire/mod.ts";
import { certificatesIn, certificateWithKey, isVersion3 } from "./certificate-files.ts";
import { type Channel, ConnChannel } from "./channel.ts";
import { Outbox } from "./outbox.ts";
import { ChannelStream, checkTls, TlsChannel } from "./tls-channel.ts";

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
  try {
    if (path !== undefined) {
      const connection = await inTime(Deno.connect({ transport: "unix", path }), timeout);
      return new ConnStream(new ConnChannel(connection), undefined);
    }
    const connection = await inTime(Deno.connect({ hostname: host, port }), timeout);
    connection.setNoDelay();
    // A vanished server must not leave a query waiting for ever. When to look for it is the system's to say.
    connection.setKeepAlive();
    return new ConnStream(new ConnChannel(connection), address);
  } catch (error) {
    throw failed(`connection to server at ${where} failed`, error as Error);
  }
}

/** What comes when nobody waits for it any more is closed. */
async function inTime<Connection extends Deno.Conn>(
  connecting: Promise<Connection>,
  timeout: number,
): Promise<Connection> {
  if (timeout <= 0) return connecting;
  const expired = Promise.withResolvers<never>();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    expired.reject(new Error("timeout expired"));
  }, timeout);
  connecting.then(
    (connection) => {
      if (late) connection.close();
    },
    () => {},
  );
  return Promise.race([connecting, expired.promise]).finally(() => clearTimeout(timer));
}

class ConnStream implements ByteStream {
  tls: TlsInfo | undefined;
  readonly startTls?: (verification: TlsVerification) => Promise<TlsInfo>;
  onData: ByteStream["onData"] = () => {};
  onClose: ByteStream["onClose"] = () => {};
  /** That of TLS once there is one. */
  #channel: Channel;
  #outbox: Outbox;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Settles when the consumer wants to read on, or the connection is over. */
  #paused: PromiseWithResolvers<void> | undefined;
  #handshaking = false;
  #ending = false;
  #gone = false;

  /** Without an address there is no TLS, as over Unix sockets. */
  constructor(channel: Channel, address: ServerAddress | undefined) {
    this.#channel = channel;
    this.#outbox = this.#outboxOf(channel);
    if (address) this.startTls = (verification) => this.#startTls(address, verification);
    // The owner sets its callbacks first.
    queueMicrotask(() => this.#start(channel));
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#ending || this.#gone) return;
    return this.#outbox.write(bytes);
  }

  end(): void {
    if (this.#ending || this.#gone) return;
    this.#ending = true;
    const channel = this.#channel;
    this.#outbox
      .flush()
      .then(() => channel.closeWrite())
      .catch((error: Error) => this.#close(error));
    // Paused for back-pressure, it would not see the server's end.
    this.#resume();
    this.#timer = setTimeout(() => this.#close(undefined), lingerTimeout);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  destroy(): void {
    this.#close(undefined);
  }

  #outboxOf(channel: Channel): Outbox {
    return new Outbox(channel, (error) => {
      if (channel === this.#channel && !this.#handshaking) this.#close(error);
    });
  }

  #start(channel: Channel): void {
    this.#read(channel).then(
      (ended) => {
        if (ended) this.#close(undefined);
      },
      (error: Error) => {
        if (channel === this.#channel && !this.#handshaking) this.#close(error);
      },
    );
  }

  /** Reads until the end, or until TLS takes the channel over: then it is false. */
  async #read(channel: Channel): Promise<boolean> {
    for (;;) {
      const chunk = await channel.read();
      // The handshake reads the same channel now, and gets the same bytes.
      if (this.#handshaking || channel !== this.#channel || this.#gone) return false;
      if (!chunk) return true;
      const pending = this.onData(chunk);
      if (pending && !this.#ending) await this.#pause(pending);
    }
  }

  #pause(pending: Promise<void>): Promise<void> {
    const paused = Promise.withResolvers<void>();
    this.#paused = paused;
    pending.then(() => this.#resume());
    return paused.promise;
  }

  #resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  #close(error: Error | undefined): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#channel.close();
    this.#outbox.close();
    this.#resume();
    this.onClose(error);
  }

  async #startTls(address: ServerAddress, verification: TlsVerification): Promise<TlsInfo> {
    const options = tlsOptions(address, verification);
    this.#handshaking = true;
    try {
      await this.#outbox.flush();
      const below = new ChannelStream(this.#channel);
      const secure = connectTls({ ...options, socket: below });
      await handshake(secure);
      if (this.#gone) {
        secure.destroy();
        throw failed("TLS handshake failed", new Error("the connection was closed"));
      }
      this.tls = infoOf(secure, verification);
      this.#channel = new TlsChannel(secure, below);
      this.#outbox = this.#outboxOf(this.#channel);
      this.#handshaking = false;
      this.#start(this.#channel);
      return this.tls;
    } catch (error) {
      this.#handshaking = false;
      this.#close(error as Error);
      throw error;
    }
  }
}

/** @throws PgError 08001 if a file cannot be read */
function tlsOptions(address: ServerAddress, verification: TlsVerification): ConnectionOptions {
  const { host, rootCertificate, certificate: cert, key } = address;
  try {
    checkTls();
    if (rootCertificate !== undefined) certificatesIn(rootCertificate);
    if (cert !== undefined && key !== undefined) certificateWithKey({ cert, key });
    return {
      host,
      // An address is no server name (RFC 6066).
      ...(isIP(host) === 0 && { servername: host }),
      ALPNProtocols: ["postgresql"],
      minVersion: "TLSv1.2",
      rejectUnauthorized: verification !== "none",
      // Whose certificate it is does not matter then, only who signed it.
      ...(verification === "authority" && { checkServerIdentity: () => undefined }),
      ...(rootCertificate !== undefined && { ca: readFileSync(rootCertificate) }),
      ...(cert !== undefined && { cert: readFileSync(cert) }),
      ...(key !== undefined && { key: readFileSync(key) }),
    };
  } catch (error) {
    throw failed("TLS cannot be started", error as Error);
  }
}

/** @throws PgError 08001 */
function handshake(secure: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(failed("TLS handshake failed", error));
    secure.once("error", fail);
    secure.once("close", () => fail(new Error("server closed the connection unexpectedly")));
    secure.once("secureConnect", resolve);
  });
}

/** @throws PgError 08001 for a certificate whose key the server may not have */
function infoOf(secure: TLSSocket, verification: TlsVerification): TlsInfo {
  const { raw } = secure.getPeerCertificate();
  const proven = raw !== undefined && isVersion3(new X509Certificate(raw));
  if (verification !== "none" && !(proven && secure.authorized)) {
    secure.destroy();
    throw failed(
      "TLS handshake failed",
      new Error("the server's certificate is of version 1 of X.509, which Deno cannot check"),
    );
  }
  return {
    protocol: secure.getProtocol() ?? "unknown",
    ...(secure.alpnProtocol && { alpn: secure.alpnProtocol }),
    // Nothing is bound to a certificate that may be a copy.
    ...(proven && { serverCertificate: raw }),
  };
}

function failed(failure: string, cause: Error): PgError {
  return fatal(
    sqlstate.sqlclientUnableToEstablishSqlconnection,
    `${failure}: ${cause.message || "unknown error"}`,
  );
}
