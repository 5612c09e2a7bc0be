// `npm run bench`: micro-benchmarks of the codec and the session, the memory of idle sessions on each runtime, what it costs to
// reach a data API through edgewire, then pgbench against edgewire and its neighbours. See README.md.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { measureMemory } from "./memory.ts";
import { type Options, parseOptions, usage } from "./options.ts";
import { findPgbench } from "./pgbench.ts";
import { measure } from "./rounds.ts";
import { ownFailures, renderTables } from "./table.ts";
import { control, type Target, targets } from "./targets.ts";
import { measureUpstreams } from "./upstreams.ts";

/** The micro-benchmarks are a matter of seconds; past this they hang. */
const microLimit = 300_000;

async function main(): Promise<number> {
  let options: Options | undefined;
  let chosen: Target[];
  try {
    options = parseOptions(process.argv.slice(2));
    chosen = chooseTargets(options?.targets);
  } catch (cause) {
    process.stderr.write(`${(cause as Error).message}\n\n${usage}`);
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  console.log(
    `node ${process.versions.node}, ${availableParallelism()} x ${cpus()[0]?.model.trim() ?? "unknown CPU"}`,
  );
  let failures = 0;
  for (const part of ["codec", "session"] as const) {
    if (options.parts.includes(part)) failures += (await micro(part)) ? 0 : 1;
  }
  if (options.parts.includes("memory")) failures += (await measureMemory()) ? 0 : 1;
  if (options.parts.includes("upstreams")) failures += (await measureUpstreams(options.rounds)) ? 0 : 1;
  if (options.parts.includes("pgbench")) failures += (await pgbench(options, chosen)) ? 0 : 1;
  return failures === 0 ? 0 : 1;
}

function chooseTargets(names: readonly string[] | undefined): Target[] {
  if (names === undefined) return [...targets];
  const unknown = names.find((name) => !targets.some((target) => target.name === name));
  if (unknown !== undefined) throw new Error(`--targets: there is no target "${unknown}"`);
  return targets.filter(({ name }) => name === control || names.includes(name));
}

async function micro(part: "codec" | "session"): Promise<boolean> {
  console.log(`\n${part}`);
  const script = fileURLToPath(new URL(`${part}.ts`, import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: "inherit", timeout: microLimit });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) console.log(`${part}: failed (${code ?? `it took more than ${microLimit / 1_000} s`})`);
  return code === 0;
}

async function pgbench(options: Options, chosen: readonly Target[]): Promise<boolean> {
  const found = findPgbench();
  if (found === undefined) {
    console.log("\npgbench: not installed (it comes with PostgreSQL's server or contrib package), skipped");
    return true;
  }
  console.log(
    `\n${found.version}: ${options.rounds} rounds of ${options.seconds} s for each cell, one thread`,
  );
  const folder = mkdtempSync(join(tmpdir(), "edgewire-bench-"));
  // The targets end by themselves when our end of their stdin closes; only the folder is ours to remove.
  const interrupted = (): void => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(130);
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  try {
    const script = join(folder, "select-1.sql");
    writeFileSync(script, "SELECT 1;\n");
    const progress = (line: string): void =>
      void (process.stderr.isTTY && process.stderr.write(`\r\x1b[K${line}`));
    const results = await measure({ options, targets: chosen, pgbench: found.command, script, progress });
    progress("");
    console.log(renderTables(results, chosen, options));
    if (options.json !== undefined) {
      const reasons = Object.fromEntries(results.reasons);
      writeFileSync(options.json, `${JSON.stringify({ samples: results.samples, reasons }, undefined, 2)}\n`);
    }
    const failures = ownFailures(results, chosen, options);
    if (failures.length > 0) console.log(`\nFAILED\n${failures.join("\n")}`);
    return failures.length === 0;
  } finally {
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
