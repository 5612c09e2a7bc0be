// TLS for the server: certificates with reload, client certificates, SNI, and what a session needs to know of a connection
// (PostgreSQL documentation, "Secure TCP/IP Connections with SSL").
import { constants } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from "node:tls";
import type { TlsInfo } from "../../src/auth/mod.ts";

export interface CertificateFiles {
  /** Path of a PEM file: the certificate, with its chain behind it. */
  readonly cert: string;
  /** Path of a PEM file: its private key. */
  readonly key: string;
}

export interface TlsFiles extends CertificateFiles {
  /**
   * Path of a PEM file: the authorities of client certificates. Without it none is asked for; with it a client may come
   * without a certificate, but not with one that they did not sign.
   */
  readonly ca?: string | undefined;
  /** Refuse clients without a certificate already in the handshake. Needs `ca`. */
  readonly requireClientCertificate?: boolean | undefined;
  /** Further certificates by the name that the client asked for (SNI): `db.example.com`, or `*.example.com`. */
  readonly names?: Readonly<Record<string, CertificateFiles>> | undefined;
}

/** The server's side of TLS, for both the upgrade after SSLRequest and direct TLS. */
export interface TlsServer {
  /** Shakes hands with the client. Rejects when that fails; the socket is closed then. */
  accept(socket: Socket): Promise<TLSSocket>;
  /** Reads the files again; connections that stand keep what they have. @throws if a file is unusable: nothing changes. */
  reload(): void;
}

interface Handshake {
  resolve(socket: TLSSocket): void;
  reject(error: Error): void;
}

/** Loads a server's certificates. @throws a clear error if a file is missing or key and certificate do not fit. */
export function tlsServer(files: TlsFiles): TlsServer {
  if (files.requireClientCertificate && files.ca === undefined) {
    throw new TypeError("requireClientCertificate needs the authorities of client certificates: ca");
  }
  let names = loadNames(files);
  // Never listens: sockets are handed to it. Only a server of node:tls verifies client certificates and reports it.
  const server = createServer({
    ...contextOptions(files, files),
    ALPNProtocols: ["postgresql"],
    requestCert: files.ca !== undefined,
    // Like PostgreSQL: no certificate is for the authentication to judge, a wrong one ends the handshake.
    rejectUnauthorized: files.requireClientCertificate === true,
    SNICallback: (name, done) => done(null, contextFor(names, name)),
  });
  const handshakes = new Map<string, Handshake>();
  server.on("secureConnection", (socket) => {
    const handshake = handshakes.get(connectionKey(socket));
    socket.allowHalfOpen = true;
    // From here on errors are the socket's own; whoever gets it hears of them through "close".
    socket.on("error", () => {});
    if (!handshake) socket.destroy();
    else if (socket.authorizationError && socket.getPeerX509Certificate()) {
      socket.destroy();
      handshake.reject(new Error(`the client's certificate was refused: ${socket.authorizationError}`));
    } else handshake.resolve(socket);
  });
  server.on("tlsClientError", (error, socket) => {
    handshakes.get(connectionKey(socket))?.reject(error);
    socket.destroy();
  });

  return {
    accept(socket) {
      const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
      const key = connectionKey(socket);
      handshakes.set(key, { resolve, reject });
      const closed = (): void => reject(new Error("the connection was closed during the TLS handshake"));
      socket.on("close", closed);
      socket.on("error", reject);
      // A TLS socket takes this setting over, and one that is half open would wait for ever for a client that hung up.
      socket.allowHalfOpen = false;
      server.emit("connection", socket);
      return promise.finally(() => {
        handshakes.delete(key);
        socket.off("close", closed);
      });
    },
    reload() {
      const next = loadNames(files);
      server.setSecureContext(contextOptions(files, files));
      names = next;
    },
  };
}

/** Names a connection, on the plain socket and on the one of TLS over it: node:tls does not tell them together. */
function connectionKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}

export function contextOptions(certificate: CertificateFiles, { ca }: TlsFiles): SecureContextOptions {
  return {
    cert: readFileSync(certificate.cert),
    key: readFileSync(certificate.key),
    ...(ca !== undefined && { ca: readFileSync(ca) }),
    minVersion: "TLSv1.2",
    // As PostgreSQL: no resumption, which would bring back client certificates that a reload took the trust from.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

function loadNames(files: TlsFiles): ReadonlyMap<string, SecureContext> {
  const names = Object.entries(files.names ?? {});
  return new Map(
    names.map(([name, certificate]) => [
      name.toLowerCase(),
      createSecureContext(contextOptions(certificate, files)),
    ]),
  );
}

/** The certificate for a server name; undefined is the default one. A `*` stands for one label. */
export function contextFor<Context>(names: ReadonlyMap<string, Context>, name: string): Context | undefined {
  const asked = name.toLowerCase();
  return names.get(asked) ?? names.get(asked.replace(/^[^.]+/, "*"));
}

/** What a session may know of a TLS connection. */
export function tlsInfo(socket: TLSSocket): TlsInfo {
  const serverCertificate = socket.getX509Certificate()?.raw;
  const clientCertificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const serverName = (socket as { servername?: string | false | null }).servername;
  const protocol = socket.getProtocol();
  return {
    ...(protocol && { protocol }),
    ...(serverName && { serverName }),
    ...(socket.alpnProtocol && { alpn: socket.alpnProtocol }),
    ...(serverCertificate && { serverCertificate }),
    ...(clientCertificate && {
      clientCertificate: {
        commonName: commonName(socket.getPeerCertificate().subject?.CN),
        der: clientCertificate.raw,
      },
    }),
  };
}

/** Empty, which is nobody's name, for a certificate with none, with several, or with one that a NUL cuts short. */
function commonName(name: unknown): string {
  return typeof name === "string" && !name.includes("\0") ? name : "";
}
