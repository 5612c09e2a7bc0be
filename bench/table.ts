// The result as text: one table for each mode and number of clients, then the reasons for what is missing.

import type { Mode, Options } from "./options.ts";
import { cellKey, modeKey, type Results, type Sample } from "./rounds.ts";
import { constant, control, type Target } from "./targets.ts";

/** What the constant upstream is to reach of the control, and with how many clients. */
export const goal = { ratio: 0.6, clients: 32 };

const header = ["target", "tps", "of control", "lowest..highest", "cpu us/tx", "core busy"];

export function renderTables(results: Results, targets: readonly Target[], options: Options): string {
  const lines: string[] = [];
  for (const mode of options.modes) {
    for (const clients of options.clients) {
      const rows = targets.map((target) => row(results, target, mode, clients));
      lines.push(
        "",
        `${mode}, ${clients} ${clients === 1 ? "client" : "clients"}`,
        ...align([header, ...rows]),
      );
    }
  }
  lines.push("", ...legend(results, targets));
  lines.push("", ...goalLines(results, options));
  return lines.join("\n");
}

/** Medians over the rounds. The ratio is taken within each round first, where both ran within seconds. */
function row(results: Results, target: Target, mode: Mode, clients: number): string[] {
  const own = cell(results, target.name, mode, clients);
  if (own.length === 0) {
    return [target.name, results.reasons.has(target.name) ? "absent" : "cannot"];
  }
  const ratios = ratiosToControl(results, target.name, mode, clients);
  const ratio = median(ratios);
  const cpu = median(own.flatMap(({ cpuMicros }) => cpuMicros ?? []));
  const busy = median(own.flatMap((sample) => sample.busy ?? []));
  return [
    target.name,
    String(Math.round(median(own.map(({ tps }) => tps)) ?? 0)),
    ratio === undefined ? "-" : ratio.toFixed(3),
    ratios.length === 0 ? "-" : `${Math.min(...ratios).toFixed(3)}..${Math.max(...ratios).toFixed(3)}`,
    cpu === undefined ? "-" : cpu.toFixed(1),
    busy === undefined ? "-" : `${Math.round(busy * 100)} %`,
  ];
}

export function ratiosToControl(results: Results, target: string, mode: Mode, clients: number): number[] {
  const base = new Map(cell(results, control, mode, clients).map(({ round, tps }) => [round, tps]));
  return cell(results, target, mode, clients).flatMap(({ round, tps }) => {
    const controlTps = base.get(round);
    return controlTps === undefined ? [] : [tps / controlTps];
  });
}

function cell(results: Results, target: string, mode: Mode, clients: number): Sample[] {
  return results.samples.filter(
    (sample) => sample.target === target && sample.mode === mode && sample.clients === clients,
  );
}

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return undefined;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** First column to the left, numbers to the right. */
export function align(rows: readonly string[][]): string[] {
  const columns = Math.max(...rows.map((cells) => cells.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return rows.map((cells) =>
    cells
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

function legend(results: Results, targets: readonly Target[]): string[] {
  const lines: string[] = [];
  for (const { name, about } of targets) {
    const version = results.versions.get(name);
    lines.push(`${name}: ${about}${version === undefined ? "" : ` (${version})`}`);
    const absent = results.reasons.get(name);
    if (absent !== undefined) lines.push(`  absent: ${absent}`);
    for (const [key, reason] of results.reasons) {
      if (key.startsWith(`${name} `)) lines.push(`  cannot do ${key.slice(name.length + 1)}: ${reason}`);
    }
    for (const [key, complaint] of results.complaints) {
      if (key.startsWith(`${name} `))
        lines.push(`  ${key.slice(name.length + 1)} ran, but pgbench reported: ${complaint}`);
    }
    if (results.restarted.has(name))
      lines.push("  some runs needed a fresh server: the run before had left it unfit");
  }
  return lines;
}

function goalLines(results: Results, options: Options): string[] {
  if (!options.clients.includes(goal.clients)) return [];
  const ratios = options.modes.map((mode) => median(ratiosToControl(results, constant, mode, goal.clients)));
  if (ratios.some((ratio) => ratio === undefined)) return [];
  const met = ratios.every((ratio) => (ratio ?? 0) >= goal.ratio);
  const each = options.modes.map((mode, index) => `${mode} ${ratios[index]?.toFixed(3)}`).join(", ");
  const costs = options.modes
    .map((mode) => `${mode} ${cpuRatio(results, mode)?.toFixed(3) ?? "-"}`)
    .join(", ");
  return [
    `Goal: ${constant} / ${control} at ${goal.clients} clients is ${goal.ratio} or more. ${each}: ${met ? "met" : "not met"}.`,
    `The same by CPU time (what the ratio would be if nothing but the server were the limit): ${costs}.`,
  ];
}

/** How much of the constant target's CPU time for a transaction the control needs, with the goal's clients. */
function cpuRatio(results: Results, mode: Mode): number | undefined {
  const [base, own] = [control, constant].map((target) =>
    median(cell(results, target, mode, goal.clients).flatMap(({ cpuMicros }) => cpuMicros ?? [])),
  );
  return base === undefined || own === undefined ? undefined : base / own;
}

/** The cells that one of our own targets failed: these make the run fail. */
export function ownFailures(results: Results, targets: readonly Target[], options: Options): string[] {
  return targets
    .filter(({ ours }) => ours)
    .flatMap(({ name }) => {
      const absent = results.reasons.get(name);
      if (absent !== undefined) return [`${name}: ${absent}`];
      return options.modes.flatMap((mode) => {
        const all = results.reasons.get(modeKey(name, mode));
        if (all !== undefined) return [`${name}, ${mode}: ${all}`];
        return options.clients.flatMap((clients) => {
          const one = results.reasons.get(cellKey(name, mode, clients));
          return one === undefined ? [] : [`${name}, ${mode}, ${clients} clients: ${one}`];
        });
      });
    });
}
