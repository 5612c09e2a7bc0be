// `edgewire serve`: the gateway as a process, with a banner that says how to connect, and signals. What listens is given:
// Deno has this command, too.
import type { Hono } from "hono";
import { createGateway, type Gateway, type Openers, type SessionHooks } from "../../src/gateway/mod.ts";
import { type AppOptions, createApp, webSocketOptions } from "../../src/http/mod.ts";
import type { SessionOptions } from "../../src/session/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { bracketed, explainAddress } from "./cli-address.ts";
import { readConfig, type ServeConfig } from "./cli-config.ts";
import { type Reloadable, untilSignal } from "./cli-signals.ts";
import type { HttpListener, HttpListenOptions } from "./http.ts";
import type { Listener, ListenOptions } from "./listen.ts";
import type { TlsFiles } from "./tls.ts";
import { psqlAddress } from "./unix-socket.ts";
import { withoutPassword } from "./without-password.ts";

/** Milliseconds that running statements get after SIGTERM. */
const grace = 10_000;

/** What the command needs of a runtime: Node's own functions, or another's of the same names. */
export interface ServeRuntime<Tls extends Reloadable> {
  readonly openers: Openers;
  readonly tlsServer: (files: TlsFiles) => Tls;
  readonly listen: (
    session: SessionOptions,
    options: Omit<ListenOptions, "tls"> & { readonly tls?: Tls | undefined },
  ) => Promise<Listener>;
  readonly listenHttp: (app: Hono, options: HttpListenOptions) => Promise<HttpListener>;
  readonly address: NonNullable<AppOptions["address"]>;
}

/** @returns the exit code, after the server's end */
export async function serveCommand<Tls extends Reloadable>(
  args: readonly string[],
  runtime: ServeRuntime<Tls>,
): Promise<number> {
  const config = readConfig(args, process.env);
  const tls = config.tls && loadTls(config.tls, runtime);
  const gateway = createGateway(config, runtime.openers);
  // The addresses first: to find one taken does not need seconds for the databases to open. Early clients wait for those.
  let http: HttpListener | undefined;
  const listener = await start(config, tls, gateway, runtime, () => http?.size ?? 0);
  try {
    http = await startHttp(config, gateway, listener, runtime);
    await gateway.open();
  } catch (error) {
    await Promise.all([listener.close(0), http?.close(0)]);
    await gateway.close();
    throw error;
  }
  const signalled = untilSignal(tls && [tls, ...(http ? [http] : [])]);
  // What reads the banner may go; the server stays.
  process.stdout.on("error", () => {});
  console.log(banner(config, gateway, listener, http));
  const signal = await signalled;
  const size = listener.size + (http?.size ?? 0);
  console.log(`edgewire: ${signal}, ending ${size} ${size === 1 ? "session" : "sessions"}`);
  await Promise.all([listener.close(grace), http?.close(grace)]);
  await gateway.close();
  return 0;
}

async function start<Tls extends Reloadable>(
  config: ServeConfig,
  tls: Tls | undefined,
  gateway: Gateway,
  { listen }: ServeRuntime<Tls>,
  others: () => number,
): Promise<Listener> {
  const { maxConnections } = config;
  // A socket is as open as a port only where clients have to prove who they are.
  const mode = gateway.trusts ? 0o700 : 0o777;
  const transport = "path" in config.listen ? "unix" : "tcp";
  try {
    return await listen(gateway.sessionsOver(transport, hooks(config)), {
      ...config.listen,
      tls,
      maxConnections,
      others,
      mode,
    });
  } catch (error) {
    throw explainAddress(error, config.listen, "--listen");
  }
}

/** Serves HTTP, too. Undefined: it is not wanted, or nobody asked for the address and another one has it. */
async function startHttp<Tls extends Reloadable>(
  config: ServeConfig,
  gateway: Gateway,
  listener: Listener,
  { listenHttp, address }: ServeRuntime<Tls>,
): Promise<HttpListener | undefined> {
  const { http, httpSettings, tls, maxConnections } = config;
  if (!http) return undefined;
  const options = { gateway, ...hooks(config), ...httpSettings, address, maxConnections };
  const webSockets = { ...webSocketOptions(options), maxConnections, others: () => listener.size };
  try {
    const { host, port } = http;
    return await listenHttp(createApp(options), { host, port, tls, webSockets });
  } catch (error) {
    if (!http.asked && (error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw explainAddress(error, http, "--http");
  }
}

function hooks({ limits, trace }: ServeConfig): SessionHooks {
  return {
    limits,
    ...(trace && { trace: (line, session) => console.log(`${session}\t${line}`) }),
    onError,
  };
}

/** An upstream's own failure is worth a line in the log; a client's mistake is not. */
function onError(_: PgError, cause: unknown): undefined {
  if (!(cause instanceof PgError)) console.error("edgewire:", cause);
}

function banner(
  config: ServeConfig,
  { trusts }: Gateway,
  listener: Listener,
  http: HttpListener | undefined,
): string {
  const user = [...config.users.keys()][0] ?? "postgres";
  const lines = [...config.databases].map(([name, url]) => {
    const command = psql(config, listener, user, name === "*" ? "postgres" : name);
    return `  ${command}    (${withoutPassword(url)})`;
  });
  const where = listener.path ?? `${bracketed(listener.host)}:${listener.port}`;
  const trust = trusts ? "\neveryone who can reach this address is trusted; see --user\n" : "";
  return `edgewire is listening on ${where}. Connect with:\n\n${lines.join("\n")}\n${httpBanner(config, http)}${trust}`;
}

function httpBanner({ http, tls }: ServeConfig, listener: HttpListener | undefined): string {
  if (listener) {
    const where = `${tls ? "https" : "http"}://${bracketed(listener.host)}:${listener.port}`;
    return `\nHTTP and WebSockets: ${where}\n`;
  }
  if (!http) return "";
  const where = `${bracketed(http.host)}:${http.port}`;
  return `\nno HTTP and WebSockets: ${where} is already in use; see --http\n`;
}

function psql({ tls }: ServeConfig, { host, port, path }: Listener, user: string, database: string): string {
  if (path !== undefined) {
    const address = psqlAddress(path);
    if (!address) return `a client that takes the path of a socket, as ${user}, to ${database}`;
    return `psql -h ${address.folder} -p ${address.port} -U ${user} ${database}`;
  }
  // What listens on every address is reached on the loopback one.
  const reached = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const mode = tls ? "?sslmode=require" : "";
  const [name, target] = [user, database].map(encodeURIComponent);
  return `psql postgresql://${name}@${bracketed(reached)}:${port}/${target}${mode}`;
}

function loadTls<Tls extends Reloadable>(files: TlsFiles, { tlsServer }: ServeRuntime<Tls>): Tls {
  try {
    return tlsServer(files);
  } catch (error) {
    throw new Error(`TLS cannot be offered with ${files.cert} and ${files.key}: ${(error as Error).message}`);
  }
}
