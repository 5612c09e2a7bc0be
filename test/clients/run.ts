/**
 * `npm run test:clients`: real clients against real gateway processes.
 *
 * Each client program runs against three gateways: one with the embedded PGlite, one in front of a real
 * PostgreSQL server (when one is installed), and one that asks for TLS and SCRAM. What cannot run here is
 * reported as skipped, by name and with the reason; install.sh brings what is missing.
 */

import { parseArgs } from "node:util";
import { type Certificate, makeCertificate } from "./certificate.ts";
import { type Gateway, type GatewayOptions, startGateway, tlsUrl } from "./gateway.ts";
import { checkPgbench } from "./pgbench/pgbench.ts";
import { findPostgresServer, type PostgresServer, startPostgresServer } from "./postgres-server.ts";
import { killAll } from "./process.ts";
import { type Program, programs, runProgram, type Target } from "./programs.ts";
import { checkPsql } from "./psql/checks.ts";
import { Report } from "./report.ts";

const usage = `Usage: node test/clients/run.ts [options]

  --only <names>      clients to run, separated by commas: psql, pgbench, ${programs.map((p) => p.name).join(", ")}
  --target <names>    servers to run against: embedded, postgres, tls (the default is these three);
                      direct and direct-tls are a PostgreSQL server without a gateway, to check the programs
  --url <url>         run against this server instead; a password in it is taken to be needed
  --check <text>      only the checks whose name contains this text
  --help
`;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    target: { type: "string", default: "embedded,postgres,tls" },
    url: { type: "string" },
    check: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});

/** A client that is driven from here or from a program of its own. */
interface Client {
  name: string;
  run(target: Target): Promise<void>;
}

const report: Report = new Report();
const password = "Pencil-42";

function clients(): Client[] {
  const all: Client[] = [
    { name: "psql", run: (target) => checkPsql(target, flags.check, report) },
    { name: "pgbench", run: (target) => checkPgbench(target, flags.check, report) },
    ...programs.map((program) => ({
      name: program.name,
      run: (target: Target) => runReady(program, target),
    })),
  ];
  if (flags.only === undefined) return all;
  return flags.only.split(",").map((name) => {
    const client = all.find((each) => each.name === name || each.name === aliases[name]);
    if (client === undefined)
      throw new Error(`no client ${name}; there are ${all.map((c) => c.name).join(", ")}`);
    return client;
  });
}

const aliases: Record<string, string> = { "lib-pq": "lib/pq", pq: "lib/pq", jdbc: "pgjdbc" };

/** Programs that are compiled, by name: undefined when ready, else why not. Compiled once for all targets. */
const prepared: Map<
  Program,
  Promise<{ missing?: string | undefined; broken?: string | undefined }>
> = new Map();

async function runReady(program: Program, target: Target): Promise<void> {
  let ready = prepared.get(program);
  if (ready === undefined) {
    ready = program.missing().then(async (missing) => ({
      missing,
      broken: missing === undefined ? await program.build?.() : undefined,
    }));
    prepared.set(program, ready);
  }
  const { missing, broken } = await ready;
  if (missing !== undefined) report.skip(program.name, target.name, missing);
  else if (broken !== undefined) report.fail(program.name, "builds", target.name, broken);
  else await runProgram(program, target, flags.check, report);
}

/**
 * Starts what a target needs, runs the clients against it, and stops it. A server that a check failed on is
 * replaced for the next client: when it has crashed, or is stuck, that must not be told of every later check.
 */
async function runTarget(name: string, selected: readonly Client[]): Promise<void> {
  let rest = selected;
  while (rest.length > 0) rest = await runUntilFailure(name, rest);
}

/** @returns the clients that are left after the first one that had a failure. */
async function runUntilFailure(name: string, selected: readonly Client[]): Promise<readonly Client[]> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const target = await startTarget(name, stops);
    if (typeof target === "string") {
      report.skip("every client", name, target);
      return [];
    }
    report.note(`\n# ${name}: ${target.url.replace(/:[^:@/]*@/, ":***@")}`);
    const failed = report.failed;
    for (const [index, client] of selected.entries()) {
      await client.run(target);
      if (report.failed > failed) return selected.slice(index + 1);
    }
  } catch (error) {
    report.fail(name, "starts", name, String((error as Error).stack ?? error));
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
  return [];
}

/** @returns the target, or why it cannot be had here. */
async function startTarget(name: string, stops: (() => Promise<unknown>)[]): Promise<Target | string> {
  const plain = { name, password: false, directTls: false, noTls: true };
  const secure = { name, password: true, noTls: false };
  const certificate = async (): Promise<Certificate> => {
    const made = await makeCertificate();
    stops.push(made.remove);
    return made;
  };
  const gateway = async (options: GatewayOptions): Promise<string> => {
    const started = await startGateway(options);
    stops.push(() => endGateway(started, name));
    return started.url;
  };
  const postgres = async (bin: string, tls?: Certificate): Promise<PostgresServer> => {
    const server = await startPostgresServer(bin, password, tls);
    stops.push(server.stop);
    return server;
  };
  switch (name) {
    case "embedded":
      return { ...plain, url: await gateway({}) };
    case "tls": {
      const login = { user: "postgres", password, certificate: await certificate() };
      return { ...secure, url: await gateway({ login }), directTls: true };
    }
    case "postgres":
    case "direct":
    case "direct-tls": {
      const bin = await findPostgresServer();
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
      const url = `postgresql://postgres@127.0.0.1:${server.port}/postgres`;
      return { ...plain, url: name === "direct" ? url : await gateway({ database: `postgres=${url}` }) };
    }
    default:
      throw new Error(`no target ${name}`);
  }
}

/** A gateway that lived through every client must also end well. */
async function endGateway(gateway: Gateway, target: string): Promise<void> {
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

async function main(): Promise<number> {
  if (flags.help) {
    process.stdout.write(usage);
    return 0;
  }
  const selected = clients();
  if (flags.url !== undefined) {
    const hasPassword = new URL(flags.url).password !== "";
    const unknown = { directTls: false, noTls: false };
    const target = { name: "url", url: flags.url, password: hasPassword, ...unknown };
    for (const client of selected) await client.run(target);
  } else {
    for (const name of flags.target.split(",")) await runTarget(name, selected);
  }
  return report.finish();
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    killAll();
    process.exit(130);
  });
}
process.on("exit", killAll);
process.exitCode = await main();
