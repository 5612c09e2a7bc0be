/** Streams to a gateway by node:net and node:tls: TCP, Unix sockets, and TLS in both of its ways. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { encryptionRequest } from "../startup-packet.ts";
import type { Otherwise, Transport } from "./transport.ts";

export function tcp(name: string, port: number, host = "127.0.0.1"): Transport {
  return { name, open: () => opened(connect({ host, port, noDelay: true })), address: { host, port } };
}

export function unix(name: string, path: string, folder: string, port: number): Transport {
  return { name, open: () => opened(connect({ path })), address: { host: folder, port } };
}

const encrypted: Otherwise = {
  because: "the connection is encrypted already: a request for encryption is no startup packet there",
  of: {
    startup: [
      "SSLRequest to a server without TLS",
      "SSLRequest, then GSSENCRequest",
      "GSSENCRequest, then SSLRequest",
      "SSLRequest twice",
      "a startup packet behind SSLRequest",
      "one byte behind SSLRequest",
    ],
  },
};

/** TLS that an SSLRequest asks for. */
export function upgradedTls(name: string, port: number, host = "127.0.0.1"): Transport {
  return {
    name,
    address: { host, port, tls: "upgrade" },
    otherwise: [encrypted],
    async open() {
      const socket = await opened(connect({ host, port, noDelay: true }));
      socket.write(encryptionRequest("SSLRequest"));
      const [answer] = (await once(socket, "data")) as [Buffer];
      if (answer.toString("latin1") !== "S") throw new Error(`SSLRequest is answered with ${answer}`);
      return secured(connectTls({ socket, rejectUnauthorized: false }));
    },
  };
}

/** TLS from the first byte on. */
export function directTls(name: string, port: number, host = "127.0.0.1"): Transport {
  return {
    name,
    address: { host, port, tls: "direct" },
    otherwise: [encrypted],
    open: () => secured(connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ["postgresql"] })),
  };
}

async function opened(socket: Socket): Promise<Socket> {
  await once(socket, "connect");
  return socket;
}

async function secured(socket: Duplex): Promise<Duplex> {
  await once(socket, "secureConnect");
  return socket;
}
