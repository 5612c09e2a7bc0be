// The plan of the pgbench part: every target in every cell (mode x clients), several times over, interleaved so that
// a slow minute of the machine falls on all targets alike.

import { setTimeout as sleep } from "node:timers/promises";
import type { Mode, Options } from "./options.ts";
import { runPgbench } from "./pgbench.ts";
import { type Running, startTarget } from "./target-process.ts";
import type { Target } from "./targets.ts";

/** Milliseconds after a run in which PostgreSQL's backends end, and their CPU time comes to be known. */
const settleTime = 100;

/** Seconds of load after which V8 has compiled what matters, on a machine that is busy with other things, too. */
export const compileTime = 4;

export interface Sample {
  target: string;
  mode: Mode;
  clients: number;
  round: number;
  tps: number;
  /** Microseconds of the server's CPU for one transaction; undefined where it cannot be read. */
  cpuMicros: number | undefined;
  /** The part of one core that the server used, 0 to 1 and more. */
  busy: number | undefined;
}

export interface Results {
  samples: Sample[];
  /** Why a target has no sample: by target, or by target and cell (see `cellKey`). */
  reasons: Map<string, string>;
  versions: Map<string, string>;
  /** What pgbench reported of runs that it finished nevertheless, by mode (see `modeKey`). */
  complaints: Map<string, string>;
  /** Targets that had to be started anew between two runs, since the second run failed on the first one's server. */
  restarted: Set<string>;
}

export function cellKey(target: string, mode: Mode, clients: number): string {
  return `${target} ${mode} ${clients}`;
}

export function modeKey(target: string, mode: Mode): string {
  return `${target} ${mode}`;
}

export interface Setting {
  options: Options;
  targets: readonly Target[];
  pgbench: string;
  script: string;
  progress(line: string): void;
}

/** Never throws for a target that cannot do something: that is a result too. */
export async function measure(setting: Setting): Promise<Results> {
  const results: Results = {
    samples: [],
    reasons: new Map(),
    complaints: new Map(),
    versions: new Map(),
    restarted: new Set(),
  };
  const running = new Map<string, Running>();
  try {
    for (const target of setting.targets) {
      try {
        const server = await startTarget(target);
        running.set(target.name, server);
        if (server.version) results.versions.set(target.name, server.version);
      } catch (cause) {
        results.reasons.set(target.name, (cause as Error).message);
      }
    }
    await warmUp(setting, running, results);
    for (let round = 1; round <= setting.options.rounds; round++) {
      // Every other round goes backwards: whoever runs behind a heavy neighbour in one runs ahead of it in the next.
      const order = round % 2 === 1 ? setting.targets : setting.targets.toReversed();
      for (const mode of setting.options.modes) {
        for (const clients of setting.options.clients) {
          setting.progress(`round ${round} of ${setting.options.rounds}: ${mode}, ${clients} clients`);
          for (const target of order) await sample(setting, running, results, target, mode, clients, round);
        }
      }
    }
  } finally {
    await Promise.all([...running.values()].map((server) => server.stop()));
  }
  return results;
}

/**
 * One second of each mode with one client finds out which modes a target does not speak at all. Then the hot paths get
 * compiled: a server that was just started costs twice as much for its first seconds.
 */
async function warmUp(setting: Setting, running: Map<string, Running>, results: Results): Promise<void> {
  const most = Math.max(...setting.options.clients);
  for (const target of setting.targets) {
    for (const mode of setting.options.modes) {
      setting.progress(`warming up ${target.name}: ${mode}`);
      for (const [clients, seconds] of [
        [1, 1],
        [most, compileTime],
      ] as const) {
        const server = running.get(target.name);
        if (server === undefined || results.reasons.has(modeKey(target.name, mode))) continue;
        try {
          await runPgbench(setting.pgbench, server.port, {
            mode,
            clients,
            seconds,
            script: setting.script,
          });
        } catch (cause) {
          if (clients === 1) results.reasons.set(modeKey(target.name, mode), (cause as Error).message);
          await restart(target, running, results);
        }
      }
    }
  }
}

async function sample(
  setting: Setting,
  running: Map<string, Running>,
  results: Results,
  target: Target,
  mode: Mode,
  clients: number,
  round: number,
): Promise<void> {
  const key = cellKey(target.name, mode, clients);
  if (results.reasons.has(key) || results.reasons.has(modeKey(target.name, mode))) return;
  const load = { mode, clients, seconds: setting.options.seconds, script: setting.script };
  // A second try on a fresh server, for those that one run leaves unfit for the next.
  for (const last of [false, true]) {
    const server = running.get(target.name);
    if (server === undefined) return;
    try {
      const before = server.cpuSeconds();
      const { tps, transactions, complaint } = await runPgbench(setting.pgbench, server.port, load);
      if (complaint !== undefined) results.complaints.set(modeKey(target.name, mode), complaint);
      await sleep(settleTime);
      const after = server.cpuSeconds();
      const cpu = before === undefined || after === undefined ? undefined : after - before;
      results.samples.push({
        target: target.name,
        mode,
        clients,
        round,
        tps,
        cpuMicros: cpu === undefined ? undefined : (cpu / transactions) * 1e6,
        busy: cpu === undefined ? undefined : cpu / load.seconds,
      });
      if (last) results.restarted.add(target.name);
      return;
    } catch (cause) {
      if (last) results.reasons.set(key, (cause as Error).message);
      await restart(target, running, results);
    }
  }
}

/** After a failure nobody knows what state the server is in. */
async function restart(target: Target, running: Map<string, Running>, results: Results): Promise<void> {
  await running.get(target.name)?.stop();
  running.delete(target.name);
  try {
    running.set(target.name, await startTarget(target));
  } catch (cause) {
    results.reasons.set(target.name, (cause as Error).message);
  }
}
