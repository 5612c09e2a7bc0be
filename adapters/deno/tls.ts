// TLS for the server: Node's node:tls, which Deno has too, on top of a Deno.Conn. Deno.startTls is for clients only, and
// Deno.listenTls asks no client for a certificate and cannot wait for an SSLRequest.
import type { X509Certificate } from "node:crypto";
import { createSecureContext, createServer, type SecureContext, type TLSSocket } from "node:tls";
import type { TlsInfo } from "../../src/auth/mod.ts";
import { contextFor, contextOptions, type TlsFiles, tlsInfo } from "../node/tls.ts";
import { certificatesIn, certificateWithKey } from "./certificate-files.ts";
import type { Channel } from "./channel.ts";
import { isVouchedFor } from "./client-certificate.ts";
import { ChannelStream, checkTls, TlsChannel } from "./tls-channel.ts";

export type { CertificateFiles, TlsFiles } from "../node/tls.ts";

/** The server's side of TLS, for both the upgrade after SSLRequest and direct TLS. */
export interface TlsServer {
  /**
   * Shakes hands with the client. `first`: bytes that were read already. Rejects when that fails; the channel is closed
   * then.
   */
  accept(channel: Channel, first?: Uint8Array): Promise<{ channel: Channel; info: TlsInfo }>;
  /** Reads the files again; connections that stand keep what they have. @throws if a file is unusable: nothing changes. */
  reload(): void;
}

/** A certificate for a server name. */
interface Named {
  readonly context: SecureContext;
  readonly certificate: X509Certificate;
}

/** What the files held when they were read. */
interface Loaded {
  readonly options: ReturnType<typeof contextOptions>;
  readonly certificate: X509Certificate;
  readonly names: ReadonlyMap<string, Named>;
  /** Of client certificates; undefined: none is asked for. */
  readonly authorities: readonly X509Certificate[] | undefined;
}

/** Loads a server's certificates. @throws a clear error if a file is missing or key and certificate do not fit. */
export function tlsServer(files: TlsFiles): TlsServer {
  if (files.requireClientCertificate && files.ca === undefined) {
    throw new TypeError("requireClientCertificate needs the authorities of client certificates: ca");
  }
  checkTls();
  let loaded = load(files);
  return {
    async accept(channel, first) {
      const current = loaded;
      const below = new ChannelStream(channel, first);
      const { socket, certificate } = await handshake(below, current, files);
      const refusal = refuse(socket, current, files);
      if (refusal !== undefined) {
        socket.destroy();
        throw new Error(refusal);
      }
      // Deno's socket tells of the default certificate, whichever was chosen by name.
      const info = { ...tlsInfo(socket), serverCertificate: certificate.raw };
      return { channel: new TlsChannel(socket, below), info };
    },
    reload() {
      loaded = load(files);
    },
  };
}

/** Like PostgreSQL: no certificate is for the authentication to judge, a wrong one ends the handshake. */
function refuse(socket: TLSSocket, { authorities }: Loaded, files: TlsFiles): string | undefined {
  const given = socket.getPeerX509Certificate() !== undefined;
  if (files.requireClientCertificate && !given) return "the client gave no certificate";
  if (!authorities || !given) return undefined;
  if (socket.authorizationError) return `the client's certificate was refused: ${socket.authorizationError}`;
  if (!isVouchedFor(socket, authorities)) return "no authority stands for the client's certificate any more";
  return undefined;
}

function handshake(
  plain: ChannelStream,
  { options, certificate, names }: Loaded,
  files: TlsFiles,
): Promise<{ socket: TLSSocket; certificate: X509Certificate }> {
  let chosen: Named | undefined;
  // Never listens, and is for this connection alone: which of the streams that it was handed a socket of TLS is on,
  // node:tls does not tell. Only a server verifies client certificates and reports it.
  const server = createServer({
    ...options,
    ALPNProtocols: ["postgresql"],
    requestCert: files.ca !== undefined,
    rejectUnauthorized: files.requireClientCertificate === true,
    SNICallback(name, done) {
      chosen = contextFor(names, name);
      done(null, chosen?.context);
    },
  });
  return new Promise((resolve, reject) => {
    plain.on("error", reject);
    // A client that hangs up now is not waited for.
    for (const event of ["end", "close"]) {
      plain.once(event, () => reject(new Error("the connection was closed during the TLS handshake")));
    }
    server.on("secureConnection", (socket) => {
      socket.on("error", () => {});
      socket.allowHalfOpen = true;
      resolve({ socket, certificate: chosen?.certificate ?? certificate });
    });
    server.on("tlsClientError", (error, socket) => {
      reject(error);
      socket.destroy();
    });
    server.emit("connection", plain);
  });
}

/** Deno looks at certificates and keys when a client comes, and fails then; this is when the operator is there. */
function load(files: TlsFiles): Loaded {
  const names = Object.entries(files.names ?? {}).map(([name, named]): [string, Named] => {
    const certificate = certificateWithKey(named);
    return [name.toLowerCase(), { certificate, context: createSecureContext(contextOptions(named, files)) }];
  });
  return {
    certificate: certificateWithKey(files),
    authorities: files.ca === undefined ? undefined : certificatesIn(files.ca),
    options: contextOptions(files, files),
    names: new Map(names),
  };
}
