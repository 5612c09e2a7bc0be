// TLS for the server: certificate and key with reload, client certificates, and what a session needs to know of a
// connection (PostgreSQL documentation, "Secure TCP/IP Connections with SSL").
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext, type TLSSocket, type TLSSocketOptions } from "node:tls";
import type { TlsInfo } from "../../src/auth/mod.ts";

export interface TlsFiles {
  /** PEM: the certificate, with its chain behind it. */
  readonly cert: string;
  /** PEM: its private key. */
  readonly key: string;
  /** PEM: the authorities of client certificates; without it none is asked for. */
  readonly ca?: string | undefined;
  /** Refuse clients without a certificate. */
  readonly requireClientCertificate?: boolean | undefined;
}

/** What the listener needs for the upgrade and for direct TLS. */
export interface TlsServer {
  options(): TLSSocketOptions;
  /** Reads the files again; connections that stand keep the old certificate. @throws if a file is unusable. */
  reload(): void;
}

/** Loads a server's certificate. @throws a clear error if a file is missing or key and certificate do not fit. */
export function tlsServer(files: TlsFiles): TlsServer {
  let context = load(files);
  return {
    options: () => ({
      secureContext: context,
      ALPNProtocols: ["postgresql"],
      requestCert: files.ca !== undefined,
      rejectUnauthorized: files.requireClientCertificate === true,
    }),
    reload() {
      context = load(files);
    },
  };
}

function load(files: TlsFiles): SecureContext {
  return createSecureContext({
    cert: readFileSync(files.cert),
    key: readFileSync(files.key),
    ...(files.ca !== undefined && { ca: readFileSync(files.ca) }),
    minVersion: "TLSv1.2",
  });
}

/** What a session may know of a TLS connection. */
export function tlsInfo(socket: TLSSocket): TlsInfo {
  const own = socket.getCertificate();
  const peer = socket.getPeerCertificate();
  const serverName = (socket as { servername?: string | false }).servername;
  return {
    protocol: socket.getProtocol() ?? "unknown",
    ...(serverName && { serverName }),
    ...(socket.alpnProtocol && { alpn: socket.alpnProtocol }),
    ...(own && "raw" in own && own.raw instanceof Uint8Array && { serverCertificate: own.raw }),
    ...(socket.authorized &&
      peer.subject && { clientCertificate: { commonName: String(peer.subject.CN), der: peer.raw } }),
  };
}
