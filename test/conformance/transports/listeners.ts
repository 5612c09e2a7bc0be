/** The listeners of a gateway on a runtime with sockets of its own, one for each way in; and those ways, as transports. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServeRuntime } from "../../../adapters/node/cli-serve.ts";
import type { CertificateFiles } from "../../../adapters/node/tls.ts";
import { scramVerifier } from "../../../src/auth/mod.ts";
import { createGateway } from "../../../src/gateway/mod.ts";
import { createApp } from "../../../src/http/mod.ts";
import { certificateFolder, makeCertificate } from "../../adapters/node/certificates.ts";
import { appUser } from "../../drivers/neon.ts";
import { directTls, tcp, unix, upgradedTls } from "./sockets.ts";
import type { Transport } from "./transport.ts";
import { webSocket } from "./websockets.ts";

export interface ListenersOptions {
  readonly certificate: CertificateFiles;
  /** For the Unix socket. */
  readonly folder: string;
  /** Verifiers by user. */
  readonly users: Readonly<Record<string, string>>;
}

export interface Listeners {
  /** Everyone is trusted, and nothing is encrypted. */
  readonly plain: number;
  /** The same with TLS. */
  readonly secure: number;
  /** Path of the Unix socket. */
  readonly socket: string;
  readonly http: number;
  /** HTTP for those who prove that they are users: `users` of the options. */
  readonly asking: number;
}

/** Of the Unix socket's name. */
const namePort = 5432;

export async function startListeners<Tls extends { reload(): void }>(
  { openers, listen, listenHttp, tlsServer }: ServeRuntime<Tls>,
  { certificate, folder, users }: ListenersOptions,
): Promise<Listeners & { close(): Promise<void> }> {
  // Two gateways with one database: to the one everyone is welcome, the other asks who it is.
  const database = Promise.resolve(openers.pglite?.("pglite:")).then((upstream) => {
    if (upstream === undefined) throw new Error("there is no embedded PostgreSQL");
    return upstream;
  });
  const databases = new Map([["postgres", "pglite:"]]);
  const gateway = createGateway({ databases, users: new Map() }, { pglite: () => database });
  const asking = createGateway(
    { databases, users: new Map(Object.entries(users)) },
    { pglite: () => database },
  );
  const { session } = gateway;
  const plain = await listen(session, {});
  const secure = await listen(session, { tls: tlsServer(certificate) });
  const local = await listen(session, { path: folder, port: namePort });
  const http = await listenHttp(createApp({ gateway }), { webSockets: { session } });
  const closed = await listenHttp(createApp({ gateway: asking }), {
    webSockets: { session: asking.session },
  });
  await gateway.open();
  return {
    plain: plain.port,
    secure: secure.port,
    socket: local.path ?? "",
    http: http.port,
    asking: closed.port,
    async close() {
      await Promise.all([plain, secure, local, http, closed].map((listener) => listener.close(1_000)));
      await gateway.close();
    },
  };
}

/** What the listeners need of this machine. */
export async function listenersOptions(): Promise<ListenersOptions & { remove(): void }> {
  const certificates = certificateFolder();
  const folder = mkdtempSync(join(tmpdir(), "edgewire-"));
  return {
    certificate: certificates.write("server", makeCertificate({ names: ["localhost"] })),
    folder,
    users: { [appUser.name]: await scramVerifier(appUser.password) },
    remove() {
      certificates.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const listenerTransports: readonly string[] = [
  "TCP",
  "TLS after SSLRequest",
  "direct TLS",
  "Unix socket",
  "WebSocket",
];

export function transportsOf({ plain, secure, socket, http }: Listeners, folder: string): Transport[] {
  return [
    tcp("TCP", plain),
    upgradedTls("TLS after SSLRequest", secure),
    directTls("direct TLS", secure),
    unix("Unix socket", socket, folder, namePort),
    webSocket("WebSocket", `ws://127.0.0.1:${http}/v2`),
  ];
}
