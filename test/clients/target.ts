/** The servers that the clients are checked against, each started for the purpose. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findPostgres, type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { isExecutable } from "../servers/process.ts";
import { type Certificate, makeCertificate } from "./certificate.ts";
import { startNeonDouble, startRdsDataDouble } from "./data-apis.ts";
import { type Gateway, type GatewayOptions, startGateway, tlsUrl } from "./gateway.ts";
import type { Report } from "./report.ts";
import { startDeno, startTunnel, startWrangler } from "./runtimes.ts";

/** The environment that says what the checks can expect of the server. */
export interface Target {
  name: string;
  url: string;
  /** The server refuses a wrong password. */
  password: boolean;
  /** The server takes TLS without an SSLRequest before it (ALPN `postgresql`, PostgreSQL 17). */
  directTls: boolean;
  /** The server is known to answer N to an SSLRequest. */
  noTls: boolean;
  /** Only the checks of what another way in could change: the others hold for every way to the same database. */
  brief: boolean;
}

const password = "Pencil-42";

/** Plain connections are trusted; those by TLS give the password with SCRAM. */
const tlsRules = `
  hostssl   all all 127.0.0.1/32 scram-sha-256
  hostnossl all all 127.0.0.1/32 trust
`;

/**
 * @param stops what ends it, to be called the last one first
 * @returns the target, or why it cannot be had here
 */
export async function startTarget(
  name: string,
  report: Report,
  stops: (() => Promise<unknown>)[],
): Promise<Target | string> {
  const plain = { name, password: false, directTls: false, noTls: true, brief: false };
  const secure = { name, password: true, noTls: false, brief: false };
  const certificate = async (): Promise<Certificate> => {
    const made = await makeCertificate();
    stops.push(made.remove);
    return made;
  };
  const gateway = async (options: GatewayOptions): Promise<string> => {
    const started = await startGateway(options);
    stops.push(() => endGateway(started, name, report));
    return started.url;
  };
  const tunnel = async (http: string): Promise<string> => {
    const started = await startTunnel(http);
    stops.push(() => endGateway(started, name, report));
    return started.url;
  };
  const postgres = async (bin: string, tls?: Certificate): Promise<PostgresServer> => {
    const server = await startPostgres(bin, {
      password,
      settings: { fsync: "off", max_connections: "60", ...(tls && { ssl: "on" }) },
      ...(tls && { files: { "server.crt": tls.certificate, "server.key": tls.key }, rules: tlsRules }),
    });
    stops.push(server.stop);
    return server;
  };
  switch (name) {
    case "embedded":
      return { ...plain, url: await gateway({}) };
    case "neon": {
      const bin = await findPostgres();
      // The tunnel's sessions take 20 at most; requests have others.
      const behind = bin && `postgres=${serverUrl(await postgres(bin))}?pool_size=50`;
      const { double, upstream } = await startNeonDouble(behind);
      stops.push(() => endGateway(double, name, report));
      return { ...plain, url: await gateway({ database: upstream }) };
    }
    case "rds-data": {
      // Without it, the embedded one: a single session.
      const bin = findNewServer();
      const { upstream, env, stop } = await startRdsDataDouble(
        bin === undefined ? undefined : (await postgres(bin)).port,
      );
      stops.push(stop);
      return { ...plain, url: await gateway({ database: upstream, env }) };
    }
    case "deno":
    case "tunnel-deno": {
      const deno = await startDeno();
      stops.push(() => endGateway(deno, name, report));
      return { ...plain, brief: true, url: name === "deno" ? deno.url : await tunnel(deno.http) };
    }
    case "workerd":
    case "tunnel-workerd": {
      const wrangler = await startWrangler(await gateway({}));
      stops.push(wrangler.stop);
      return { ...plain, brief: true, url: name === "workerd" ? wrangler.url : await tunnel(wrangler.http) };
    }
    case "tls": {
      const login = { user: "postgres", password, certificate: await certificate() };
      return { ...secure, url: await gateway({ login }), directTls: true };
    }
    case "postgres":
    case "direct":
    case "direct-tls": {
      const bin = await findPostgres();
      if (bin === undefined) return "no PostgreSQL server is installed";
      if (name === "direct-tls") {
        const tls = await certificate();
        const server = await postgres(bin, tls);
        return {
          ...secure,
          url: tlsUrl(server.port, "postgres", password, tls),
          directTls: false,
        };
      }
      const server = await postgres(bin);
      const url = serverUrl(server);
      return { ...plain, url: name === "direct" ? url : await gateway({ database: `postgres=${url}` }) };
    }
    default:
      throw new Error(`no target ${name}`);
  }
}

/** The server that install.sh brings: newer than most installed ones. Undefined where it is not there. */
function findNewServer(): string | undefined {
  const folder = fileURLToPath(new URL(".cache/server/bin", import.meta.url));
  return isExecutable(join(folder, "postgres")) ? folder : undefined;
}

function serverUrl({ port }: PostgresServer): string {
  return `postgresql://postgres@127.0.0.1:${port}/postgres`;
}

/** A gateway that lived through every client must also end well. */
async function endGateway(gateway: Gateway, target: string, report: Report): Promise<void> {
  const ended = await gateway.stop();
  if (ended === 0) report.ok("gateway", "SIGTERM ends it with exit code 0", target);
  else
    report.fail(
      "gateway",
      "SIGTERM ends it with exit code 0",
      target,
      `ended with ${ended}\n${gateway.output()}`,
    );
}

/** The caller's PG* variables (PGHOST, PGSSLMODE, PGOPTIONS ...) would change what the clients do. */
export function clientEnvironment(target: Target): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PG"));
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: "C.UTF-8",
    // The time zone of the client's machine is sent by some drivers (pgjdbc); a fixed one is the same anywhere.
    TZ: "Europe/Amsterdam",
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONUNBUFFERED: "1",
    EDGEWIRE_URL: target.url,
    EDGEWIRE_PASSWORD: target.password ? "1" : "",
    EDGEWIRE_DIRECT_TLS: target.directTls ? "1" : "",
    EDGEWIRE_NO_TLS: target.noTls ? "1" : "",
  };
}
