// Where commands listen: reading it, and saying what is wrong with it.
import { ConfigError } from "../../src/gateway/config.ts";

/** A path, or a folder and the port that names the socket in it. */
export interface UnixAddress {
  readonly path: string;
  readonly port: number;
}

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** What the commands listen on, and the name of a socket in a folder. */
export const defaultPort = 6432;

/** `host:port`, a port, or the path of a Unix socket, where a folder may have a port behind it, too. */
export function parseListen(text: string): TcpAddress | UnixAddress {
  const [, path, socketPort] = /^(\.{0,2}\/.*?)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (path !== undefined) return { path, port: Number(socketPort ?? defaultPort) };
  const address = parseAddress(text);
  if (address) return address;
  throw new ConfigError(`listen is host:port, a port, or the path of a Unix socket, not "${text}"`);
}

/** `host:port` or a port. */
export function parseAddress(text: string): TcpAddress | undefined {
  const match = /^(?:(\[[^\]]+\]|[^:]*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) return undefined;
  return { host: match[1]?.replaceAll(/[[\]]/g, "") || "127.0.0.1", port };
}

/** An IPv6 address as a part of an address. */
export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Says what can be done about an address that cannot be listened on. `flag` is the one that chooses another. */
export function explainAddress(error: unknown, address: TcpAddress | UnixAddress, flag: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if ("path" in address) {
    const { path } = address;
    if (code === "EADDRINUSE") {
      return new Error(
        `${path} is in use by another server, or is a file that is no socket. Choose another path.`,
      );
    }
    if (code === "EACCES")
      return new Error(`no permission to make a socket at ${path}. Choose another path.`);
    if (code === "ENOENT")
      return new Error(`there is no folder for ${path}. Make it, or choose another path.`);
    return error;
  }
  const { host, port } = address;
  const where = `${bracketed(host)}:${port}`;
  if (code === "EADDRINUSE") {
    return new Error(
      `${where} is already in use. Stop what listens there, or choose another with ${flag} host:port.`,
    );
  }
  if (code === "EACCES") return new Error(`no permission to listen on ${where}. Choose a port from 1024 on.`);
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new Error(
      `${where} is not an address of this machine. Use 127.0.0.1, 0.0.0.0 or one that it has.`,
    );
  }
  return error;
}
