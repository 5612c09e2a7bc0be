// Where a target spends its time: warms it up, runs one pgbench load with the CPU profiler on, and prints the functions
// with the most self time. `node bench/profile.ts [mode] [clients] [seconds] [target]`, or, for a profile that is there
// already, `node bench/profile.ts file.cpuprofile`.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { modes } from "./options.ts";
import { findPgbench, runPgbench } from "./pgbench.ts";
import { compileTime } from "./rounds.ts";
import { startTarget } from "./target-process.ts";
import { constant, targets } from "./targets.ts";

/** The parts of a V8 .cpuprofile file that are read here. Times are microseconds. */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
}

interface SelfTime {
  name: string;
  place: string;
  micros: number;
}

function selfTimes(profile: CpuProfile): SelfTime[] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, SelfTime>();
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    if (frame === undefined) continue;
    if (frame.url === "node:inspector") continue; // the profiler's own start and stop
    const place = placeOf(frame.url, frame.lineNumber + 1);
    const name = frame.functionName || "(anonymous)";
    const key = `${name} ${place}`;
    const entry = times.get(key) ?? { name, place, micros: 0 };
    entry.micros += profile.timeDeltas[index] ?? 0;
    times.set(key, entry);
  }
  return [...times.values()].sort((a, b) => b.micros - a.micros);
}

function placeOf(url: string, line: number): string {
  if (url === "") return "native";
  if (url.startsWith("node:")) return `${url}:${line}`;
  const project = new URL("..", import.meta.url).href;
  return `${url.startsWith(project) ? url.slice(project.length) : url}:${line}`;
}

function groupOf({ name, place }: SelfTime): string {
  if (name === "(idle)") return "idle";
  if (name === "(garbage collector)") return "garbage collector";
  if (/^(src|adapters|bench)\//.test(place)) return place.split("/", 2).join("/").replace(/:\d+$/, "");
  if (place.startsWith("node:")) return "node's own JavaScript";
  return "native: system calls, the engine";
}

/** Without a number of transactions, the share alone. */
function print(times: readonly SelfTime[], transactions?: number): void {
  const all = times.reduce((sum, { micros }) => sum + micros, 0);
  const busy = all - (times.find(({ name }) => name === "(idle)")?.micros ?? 0);
  const groups = new Map<string, number>();
  for (const time of times) groups.set(groupOf(time), (groups.get(groupOf(time)) ?? 0) + time.micros);
  groups.delete("idle");
  const line = (label: string, micros: number): string => {
    const share = `${((100 * micros) / busy).toFixed(1).padStart(5)} %`;
    return transactions === undefined
      ? `${share}  ${label}`
      : `${share}  ${(micros / transactions).toFixed(3).padStart(7)} us/tx  ${label}`;
  };
  console.log("\nby part, of the time not idle");
  for (const [group, micros] of [...groups].sort((a, b) => b[1] - a[1])) console.log(line(group, micros));
  console.log("\nby function, self time");
  for (const { name, place, micros } of times.filter((time) => time.name !== "(idle)").slice(0, 40)) {
    console.log(line(`${name}  ${place}`, micros));
  }
}

async function main(): Promise<void> {
  if (process.argv[2]?.endsWith(".cpuprofile")) {
    print(selfTimes(JSON.parse(readFileSync(process.argv[2], "utf8")) as CpuProfile));
    return;
  }
  const [modeName = "extended", clients = "32", seconds = "3", targetName = constant] = process.argv.slice(2);
  const mode = modes.find((candidate) => candidate === modeName);
  const target = targets.find(({ name }) => name === targetName);
  const pgbench = findPgbench();
  if (mode === undefined || target === undefined)
    throw new Error(`no such mode or target: ${modeName} ${targetName}`);
  if (pgbench === undefined) throw new Error("pgbench is not installed");
  const folder = mkdtempSync(join(tmpdir(), "edgewire-profile-"));
  try {
    const script = join(folder, "select-1.sql");
    writeFileSync(script, "SELECT 1;\n");
    const file = join(folder, "profile.json");
    const profiler = fileURLToPath(new URL("cpu-profiler.ts", import.meta.url));
    const server = await startTarget(target, {
      nodeOptions: ["--import", profiler],
      environment: { EDGEWIRE_BENCH_PROFILE: file },
    });
    try {
      const load = { mode, clients: Number(clients), seconds: Number(seconds), script };
      await runPgbench(pgbench.command, server.port, { ...load, seconds: compileTime });
      server.signal("SIGUSR2");
      const { tps, transactions } = await runPgbench(pgbench.command, server.port, load);
      server.signal("SIGUSR2");
      for (let tries = 0; !existsSync(file) && tries < 100; tries++) await sleep(100);
      console.log(`${target.name}, ${mode}, ${clients} clients: ${Math.round(tps)} tps under the profiler`);
      print(selfTimes(JSON.parse(readFileSync(file, "utf8")) as CpuProfile), transactions);
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
