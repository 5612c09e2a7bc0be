// `edgewire serve`: the gateway as a process, with a banner that says how to connect, and signals.
import { createGateway } from "../../src/gateway/mod.ts";
import { PgError } from "../../src/wire/mod.ts";
import { readConfig, type ServeConfig } from "./cli-config.ts";
import { openers } from "./databases.ts";
import { type Listener, listen } from "./listen.ts";
import { type TlsServer, tlsServer } from "./tls.ts";

/** Milliseconds that running statements get after SIGTERM. */
const grace = 10_000;

export async function serveCommand(args: readonly string[]): Promise<number> {
  const config = readConfig(args, process.env);
  const tls = config.tls && tlsServer(config.tls);
  const gateway = createGateway(config, openers);
  await gateway.open();
  const listener = await start(config, tls, gateway.session).catch(async (error: unknown) => {
    await gateway.close();
    throw explain(error, config);
  });
  console.log(banner(config, listener));
  const signal = await untilSignal(tls);
  console.log(`edgewire: ${signal}, finishing ${listener.size} sessions`);
  await listener.close(grace);
  await gateway.close();
  return 0;
}

function start(
  config: ServeConfig,
  tls: TlsServer | undefined,
  session: ReturnType<typeof createGateway>["session"],
): Promise<Listener> {
  return listen(
    { ...session, limits: config.limits, ...(config.trace && { trace: (line) => console.log(line) }), onError },
    { ...config.listen, tls, maxConnections: config.maxConnections },
  );
}

/** An upstream's own failure is worth a line in the log; a client's mistake is not. */
function onError(error: PgError, cause: unknown): undefined {
  if (!(cause instanceof PgError)) console.error("edgewire:", cause);
}

function banner(config: ServeConfig, { host, port }: Listener): string {
  const { listen, databases, users, tls } = config;
  const user = [...users.keys()][0] ?? "postgres";
  const lines = [...databases].map(([name, url]) => {
    const database = name === "*" ? "postgres" : name;
    const mode = tls ? "?sslmode=require" : "";
    const address = host.includes(":") ? `[${host}]` : host;
    const target =
      "path" in listen
        ? `psql -h ${listen.path.replace(/\/[^/]*$/, "")} -U ${user} ${database}`
        : `psql postgresql://${user}@${address}:${port}/${database}${mode}`;
    return `  ${target}    (${withoutPassword(url)})`;
  });
  const where = "path" in listen ? listen.path : `${host}:${port}`;
  const trust = users.size === 0 && !config.auth ? "\neveryone who can reach this address is trusted; see --user" : "";
  return `edgewire is listening on ${where}. Connect with:\n\n${lines.join("\n")}\n${trust}`;
}

function withoutPassword(url: string): string {
  return url.replace(/^([a-z]+:\/\/[^:@/]*):[^@]*@/i, "$1:…@");
}

function explain(error: unknown, { listen }: ServeConfig): unknown {
  const where = "path" in listen ? listen.path : `${listen.host}:${listen.port}`;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "EADDRINUSE") {
    return new Error(`${where} is already in use. Stop what listens there, or choose another with --listen host:port.`);
  }
  if (code === "EACCES") return new Error(`no permission to listen on ${where}. Choose a port from 1024 on.`);
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new Error(`${where} is not an address of this machine. Use 127.0.0.1, 0.0.0.0 or one that it has.`);
  }
  return error;
}

function untilSignal(tls: TlsServer | undefined): Promise<string> {
  return new Promise((resolve) => {
    const stop = (signal: string): void => {
      process.once("SIGINT", () => process.exit(130));
      process.once("SIGTERM", () => process.exit(143));
      resolve(signal);
    };
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    process.on("SIGHUP", () => {
      try {
        tls?.reload();
      } catch (error) {
        console.error(`edgewire: the certificate was not reloaded: ${(error as Error).message}`);
      }
    });
  });
}
