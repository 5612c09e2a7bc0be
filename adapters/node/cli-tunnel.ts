// `edgewire tunnel <url>`: a local address for PostgreSQL clients, in front of a gateway that is reached by WebSocket.
import { parseArgs } from "node:util";
import { ConfigError } from "../../src/gateway/config.ts";
import { bracketed, defaultPort, explainAddress, parseListen } from "./cli-address.ts";
import { untilSignal } from "./cli-signals.ts";
import type { Listener } from "./listen.ts";
import { type TlsServer, tlsServer } from "./tls.ts";
import { openTunnel, tunnelUrl } from "./tunnel.ts";
import { psqlAddress } from "./unix-socket.ts";

/** Milliseconds that running statements get after SIGTERM. */
const grace = 10_000;

const tokenVariable = "EDGEWIRE_TUNNEL_TOKEN";

/** @returns the exit code, after the tunnel's end */
export async function tunnelCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<number> {
  const { url, listen, headers, cert, key } = readArguments(args, environment);
  const tls = cert !== undefined && key !== undefined ? loadTls(cert, key) : undefined;
  const tunnel = await openTunnel({
    url,
    headers,
    tls,
    ...listen,
    onError: ({ message, fields }) => console.error(`edgewire: ${message}: ${fields.detail}`),
  }).catch((error: unknown) => {
    if (error instanceof TypeError) throw new ConfigError(error.message);
    throw explainAddress(error, listen, "--listen");
  });
  const signalled = untilSignal(tls && [tls]);
  // What reads the banner may go; the tunnel stays.
  process.stdout.on("error", () => {});
  console.log(banner(tunnel, url, tls !== undefined));
  const signal = await signalled;
  const { size } = tunnel;
  console.log(`edgewire: ${signal}, ending ${size} ${size === 1 ? "connection" : "connections"}`);
  await tunnel.close(grace);
  return 0;
}

function readArguments(args: readonly string[], environment: Readonly<Record<string, string | undefined>>) {
  const { values, positionals } = parse(args);
  const [text, ...rest] = positionals;
  if (text === undefined || rest.length > 0) throw new ConfigError("usage: edgewire tunnel <url> [options]");
  const headers = Object.fromEntries((values.header ?? []).map(parseHeader));
  const token = values.token ?? environment[tokenVariable];
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  const { "tls-cert": cert, "tls-key": key } = values;
  if ((cert === undefined) !== (key === undefined)) {
    throw new ConfigError(
      "TLS needs both a certificate and its key: give --tls-cert file and --tls-key file",
    );
  }
  return {
    url: readUrl(text),
    listen: parseListen(values.listen ?? `127.0.0.1:${defaultPort}`),
    headers,
    cert,
    key,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        listen: { type: "string" },
        header: { type: "string", multiple: true },
        token: { type: "string" },
        "tls-cert": { type: "string" },
        "tls-key": { type: "string" },
      },
    });
  } catch (error) {
    const [what = ""] = (error as Error).message.split(/\. |\n/);
    throw new ConfigError(`${what.replace(/\.$/, "")}; see edgewire tunnel --help`);
  }
}

function parseHeader(text: string): [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new ConfigError(`a header is "Name: value", not "${text}"`);
  return [text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim()];
}

function readUrl(text: string): string {
  try {
    return tunnelUrl(text);
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
}

function loadTls(cert: string, key: string): TlsServer {
  try {
    return tlsServer({ cert, key });
  } catch (error) {
    throw new Error(`TLS cannot be offered with ${cert} and ${key}: ${(error as Error).message}`);
  }
}

function banner({ host, port, path }: Listener, url: string, tls: boolean): string {
  const { protocol, host: remote, pathname } = new URL(url);
  const where = path ?? `${bracketed(host)}:${port}`;
  return `edgewire is tunnelling ${where} to ${protocol}//${remote}${pathname}. Connect with:\n\n  ${psql({ host, port, path }, tls)}\n`;
}

function psql({ host, port, path }: Pick<Listener, "host" | "port" | "path">, tls: boolean): string {
  if (path === undefined) {
    // What listens on every address is reached on the loopback one.
    const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
    const mode = tls ? "?sslmode=require" : "";
    return `psql postgresql://user@${bracketed(reached)}:${port}/database${mode}`;
  }
  const address = psqlAddress(path);
  if (!address) return "a client that takes the path of a socket";
  return `psql -h ${address.folder} -p ${address.port} -U user database`;
}
