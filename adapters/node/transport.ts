// A session's transport over a Node socket: back-pressure both ways, the TLS upgrade after SSLRequest, and an end that
// waits for what was written.
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Session, Transport } from "../../src/session/mod.ts";
import { type TlsServer, tlsInfo } from "./tls.ts";

/** Milliseconds that a client may take to read what was sent before its end; then it is cut off. */
const lingerTimeout = 5_000;

export class SocketTransport implements Transport {
  tls: Transport["tls"];
  readonly startTls?: () => Promise<NonNullable<Transport["tls"]>>;
  readonly address: string | undefined;
  #socket: Socket;
  #session: Session | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #ending = false;

  constructor(socket: Socket, tls: TlsServer | undefined) {
    this.#socket = socket;
    this.address = socket.remoteAddress;
    if (socket instanceof TLSSocket) this.tls = tlsInfo(socket);
    else if (tls) this.startTls = () => this.#startTls(tls);
  }

  /** Lets the socket's bytes into the session. */
  attach(session: Session): void {
    this.#session = session;
    this.#listen();
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#socket.destroyed || this.#socket.write(bytes)) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#socket.end();
    // A peer that does not close its side would keep the connection half open.
    setTimeout(() => this.#socket.destroy(), lingerTimeout).unref();
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("data", (chunk: Buffer) => {
      const pending = this.#session?.receive(chunk);
      if (!pending) return;
      socket.pause();
      pending.then(() => socket.resume());
    });
    socket.on("drain", () => this.#release());
    socket.on("end", () => this.#session?.end());
    socket.on("error", () => this.#closed());
    socket.on("close", () => this.#closed());
  }

  #closed(): void {
    this.#release();
    this.#session?.end();
  }

  #release(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #startTls(server: TlsServer): Promise<NonNullable<Transport["tls"]>> {
    const plain = this.#socket;
    plain.removeAllListeners("data");
    plain.removeAllListeners("drain");
    plain.removeAllListeners("end");
    plain.removeAllListeners("close");
    plain.removeAllListeners("error");
    plain.on("error", () => {});
    const secure = new TLSSocket(plain, { isServer: true, ...server.options() });
    this.#socket = secure;
    return new Promise((resolve, reject) => {
      secure.once("secure", () => {
        this.tls = tlsInfo(secure);
        resolve(this.tls);
      });
      secure.once("error", reject);
      this.#listen();
    });
  }
}
