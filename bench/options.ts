// The command line of the bench: which parts, which targets, how long.

import { parseArgs } from "node:util";

/** How pgbench sends its statement (its -M option). */
export type Mode = "simple" | "extended" | "prepared";

export const modes: readonly Mode[] = ["simple", "extended", "prepared"];

/** `codec` and `session` are micro-benchmarks in a process of their own, scripts of that name. */
export type Part = "codec" | "session" | "memory" | "upstreams" | "pgbench";

const allParts: readonly Part[] = ["codec", "session", "memory", "upstreams", "pgbench"];

export interface Options {
  parts: readonly Part[];
  /** Seconds of each single pgbench run. */
  seconds: number;
  /** How often the whole grid is repeated; the table shows medians over these. */
  rounds: number;
  /** Numbers of concurrent connections. */
  clients: readonly number[];
  modes: readonly Mode[];
  /** Names of the targets to run; undefined runs all of them. */
  targets: readonly string[] | undefined;
  /** Where to write every single measurement as JSON; undefined writes nothing. */
  json: string | undefined;
}

export const usage = `usage: node bench/run.ts [codec] [session] [memory] [upstreams] [pgbench] [options]

With no part named, all run.

  --seconds N       seconds of each pgbench run (2)
  --rounds N        interleaved repetitions, the table shows their median (3)
  --clients 1,8,32  numbers of connections
  --modes a,b       of simple, extended, prepared (all)
  --targets a,b     of control, constant, pglite, pglite-socket, pg-gateway, postgres (all);
                    control is always run, since everything is a ratio to it
  --json FILE       also write every single measurement to FILE
  --help
`;

/** Returns undefined when help was asked for. Throws an Error with a sentence for the user on a bad option. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "2" },
      rounds: { type: "string", default: "3" },
      clients: { type: "string", default: "1,8,32" },
      modes: { type: "string", default: modes.join(",") },
      targets: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const parts = positionals.length === 0 ? allParts : positionals;
  return {
    parts: parts.map((part) => oneOf("part", part, allParts)),
    seconds: count("--seconds", values.seconds),
    rounds: count("--rounds", values.rounds),
    clients: list(values.clients).map((text) => count("--clients", text)),
    modes: list(values.modes).map((text) => oneOf("--modes", text, modes)),
    targets: values.targets === undefined ? undefined : list(values.targets),
    json: values.json,
  };
}

function list(text: string): string[] {
  return text.split(",").filter((part) => part !== "");
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${name} takes a whole number from 1 up, not "${text}"`);
  return value;
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw new Error(`${name}: "${text}" is none of ${allowed.join(", ")}`);
  return found;
}
