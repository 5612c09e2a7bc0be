/**
 * `npm run test:clients`: real clients against real gateway processes.
 *
 * Each client program runs against five gateways: one with the embedded PGlite, one in front of a real
 * PostgreSQL server (when one is installed), one that asks for TLS and SCRAM, and two in front of the doubles of
 * Neon and of the RDS Data API. Libraries over the drivers, object-relational mappers above all, run against the
 * embedded one, the real server, and Neon's double. psql also reaches gateways on Deno and in workerd, straight and
 * through a tunnel. What cannot run here is reported as skipped, by name and with the reason; install.sh brings what is
 * missing.
 */

import { parseArgs } from "node:util";
import { checkPgbench } from "./pgbench/pgbench.ts";
import { runProgram } from "./program-run.ts";
import { type Program, programs } from "./programs.ts";
import { checkPsql } from "./psql/checks.ts";
import { Report } from "./report.ts";
import { startTarget, type Target } from "./target.ts";

const usage = `Usage: node test/clients/run.ts [options]

  --only <names>      clients to run, separated by commas: psql, pgbench, ${programs.map((p) => p.name).join(", ")}
  --target <names>    servers to run against: embedded, postgres, tls, neon, rds-data, deno, workerd, tunnel-deno,
                      tunnel-workerd (the default is all of these); direct and direct-tls are a PostgreSQL server
                      without a gateway, to check the programs
  --url <url>         run against this server instead; a password in it is taken to be needed
  --check <text>      only the checks whose name contains this text
  --help
`;

const allTargets = "embedded,postgres,tls,neon,rds-data,deno,workerd,tunnel-deno,tunnel-workerd";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    target: { type: "string", default: allTargets },
    url: { type: "string" },
    check: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});

/** A client that is driven from here or from a program of its own. */
interface Client {
  name: string;
  /** Has checks for targets of which only what is special is checked. */
  brief?: boolean;
  /**
   * Runs the checks behind the one named `after`, up to and with the first that fails.
   *
   * @returns the name of the check that failed; undefined when there are no more checks to run
   */
  run(target: Target, after: string): Promise<string | undefined>;
}

const report: Report = new Report();

function clients(): Client[] {
  const all: Client[] = [
    { name: "psql", brief: true, run: (target, after) => checkPsql(target, after, flags.check, report) },
    { name: "pgbench", run: (target) => checkPgbench(target, flags.check, report) },
    ...programs.map((program) => ({
      name: program.name,
      run: async (target: Target, after: string) =>
        program.targets?.includes(target.name) === false ? undefined : runReady(program, target, after),
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

async function runReady(program: Program, target: Target, after: string): Promise<string | undefined> {
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
  else return await runProgram(program, target, after, flags.check, report);
  return undefined;
}

/** Servers replaced for one client before the rest of its checks are given up. */
const replacements = 8;

/**
 * Runs the clients against a target. The server that a check failed on is replaced before the next check:
 * that it has crashed, or is stuck, must be told once, and not of every later check.
 */
async function runTarget(name: string, selected: readonly Client[]): Promise<void> {
  let left = selected.map((client) => ({ client, after: "", replaced: 0 }));
  for (;;) {
    const stops: (() => Promise<unknown>)[] = [];
    try {
      const target = await startTarget(name, report, stops);
      if (typeof target === "string") {
        report.skip("every client", name, target);
        return;
      }
      report.note(`\n# ${name}: ${target.url.replace(/:[^:@/]*@/, ":***@")}`);
      if (target.brief) left = left.filter(({ client }) => client.brief);
      const failed = report.failed;
      for (let next = left[0]; next !== undefined && report.failed === failed; next = left[0]) {
        const { client } = next;
        next.after = (await client.run(target, next.after)) ?? "";
        next.replaced += 1;
        if (next.replaced > replacements)
          report.skip(`${client.name}: further checks`, name, "too many failed");
        if (next.after === "" || next.replaced > replacements) left.shift();
      }
      if (left.length === 0) return;
    } catch (error) {
      report.fail(name, "starts", name, String((error as Error).stack ?? error));
      return;
    } finally {
      for (const stop of stops.reverse()) await stop();
    }
  }
}

/** Runs the clients against a server that is there already, and cannot be replaced. */
async function runUrl(url: string, selected: readonly Client[]): Promise<void> {
  const target = {
    name: "url",
    url,
    password: new URL(url).password !== "",
    directTls: false,
    noTls: false,
    brief: false,
  };
  for (const client of selected) {
    for (let after: string | undefined = ""; after !== undefined; ) after = await client.run(target, after);
  }
}

async function main(): Promise<number> {
  if (flags.help) {
    process.stdout.write(usage);
    return 0;
  }
  const selected = clients();
  if (flags.url !== undefined) await runUrl(flags.url, selected);
  else for (const name of flags.target.split(",")) await runTarget(name, selected);
  return report.finish();
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  return 2;
});
