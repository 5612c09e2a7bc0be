// `edgewire serve`: the gateway as a process, with a banner that says how to connect, and signals.
import { createGateway } from "../../src/gateway/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { readConfig, type ServeConfig } from "./cli-config.ts";
import { openers } from "./databases.ts";
import { type Listener, listen } from "./listen.ts";
import { type TlsFiles, type TlsServer, tlsServer } from "./tls.ts";
import { psqlAddress } from "./unix-socket.ts";

/** Milliseconds that running statements get after SIGTERM. */
const grace = 10_000;

/**
 * Milliseconds in which a second signal is the first one again: Ctrl-C under npm arrives from the terminal and from npm.
 */
const sameSignal = 1_000;

/** Milliseconds between two looks at whether the parent is still there. */
const orphanInterval = 250;

export async function serveCommand(args: readonly string[]): Promise<number> {
  const config = readConfig(args, process.env);
  const tls = config.tls && loadTls(config.tls);
  const gateway = createGateway(config, openers);
  // The address first: to find it taken does not need seconds for the databases to open. Early clients wait for those.
  const listener = await start(config, tls, gateway.session);
  try {
    await gateway.open();
  } catch (error) {
    await listener.close(0);
    await gateway.close();
    throw error;
  }
  const signalled = untilSignal(tls);
  // What reads the banner may go; the server stays.
  process.stdout.on("error", () => {});
  console.log(banner(config, listener));
  const signal = await signalled;
  const { size } = listener;
  console.log(`edgewire: ${signal}, ending ${size} ${size === 1 ? "session" : "sessions"}`);
  await listener.close(grace);
  await gateway.close();
  return 0;
}

async function start(
  config: ServeConfig,
  tls: TlsServer | undefined,
  session: ReturnType<typeof createGateway>["session"],
): Promise<Listener> {
  const { limits, trace, maxConnections } = config;
  // A socket is as open as a port only where clients have to prove who they are.
  const mode = trusts(config) ? 0o700 : 0o777;
  try {
    return await listen(
      { ...session, limits, ...(trace && { trace: (line) => console.log(line) }), onError },
      { ...config.listen, tls, maxConnections, mode },
    );
  } catch (error) {
    throw explain(error, config);
  }
}

/** An upstream's own failure is worth a line in the log; a client's mistake is not. */
function onError(_: PgError, cause: unknown): undefined {
  if (!(cause instanceof PgError)) console.error("edgewire:", cause);
}

function trusts({ users, auth }: ServeConfig): boolean {
  return auth === "trust" || (users.size === 0 && auth === undefined);
}

function banner(config: ServeConfig, listener: Listener): string {
  const user = [...config.users.keys()][0] ?? "postgres";
  const lines = [...config.databases].map(([name, url]) => {
    const command = psql(config, listener, user, name === "*" ? "postgres" : name);
    return `  ${command}    (${withoutPassword(url)})`;
  });
  const where = listener.path ?? `${bracketed(listener.host)}:${listener.port}`;
  const trust = trusts(config) ? "\neveryone who can reach this address is trusted; see --user\n" : "";
  return `edgewire is listening on ${where}. Connect with:\n\n${lines.join("\n")}\n${trust}`;
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

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

function withoutPassword(url: string): string {
  return url.replace(/^([a-z]+:\/\/[^:@/]*):[^@]*@/i, "$1:…@");
}

function explain(error: unknown, { listen }: ServeConfig): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if ("path" in listen) {
    const { path } = listen;
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
  const where = `${bracketed(listen.host)}:${listen.port}`;
  if (code === "EADDRINUSE") {
    return new Error(
      `${where} is already in use. Stop what listens there, or choose another with --listen host:port.`,
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

function untilSignal(tls: TlsServer | undefined): Promise<string> {
  // Without anything to read again, SIGHUP means what it means to others: the terminal is gone.
  if (tls) process.on("SIGHUP", () => reload(tls));
  return new Promise((resolve) => {
    let first: number | undefined;
    const stop = (signal: string, number: number): void => {
      const now = performance.now();
      first ??= now;
      if (now - first > sameSignal) process.exit(128 + number);
      resolve(signal);
    };
    for (const signal of ["SIGINT", "SIGTERM", ...(tls ? [] : ["SIGHUP"])]) process.on(signal, stop);
    if (process.env.npm_lifecycle_event !== undefined) untilOrphaned(() => resolve("npm has ended"));
  });
}

/** npm passes SIGTERM to the shell that it runs scripts in, and most shells end without passing it on. */
function untilOrphaned(orphaned: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    orphaned();
  }, orphanInterval);
  timer.unref();
}

function loadTls(files: TlsFiles): TlsServer {
  try {
    return tlsServer(files);
  } catch (error) {
    throw new Error(`TLS cannot be offered with ${files.cert} and ${files.key}: ${(error as Error).message}`);
  }
}

function reload(tls: TlsServer): void {
  try {
    tls.reload();
    console.log("edgewire: SIGHUP, the certificate was read again");
  } catch (error) {
    console.error(`edgewire: the certificate was not read again: ${(error as Error).message}`);
  }
}
