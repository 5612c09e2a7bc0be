// How much, and from which seed: the same inputs on every machine, others when asked for.
//   FUZZ_SEED=7 FUZZ_FACTOR=10 npx vitest run test/fuzz

import type { Parameters } from "fast-check";

// Hundreds of thousands of errors are thrown on purpose; nobody reads where.
Error.stackTraceLimit = 0;

const seed = Number(process.env.FUZZ_SEED ?? 20261122);
const factor = Number(process.env.FUZZ_FACTOR ?? 1);

/** At least so many inputs; a failure names its seed and path. */
export function inputs<Arguments>(count: number): Parameters<Arguments> {
  return { seed, numRuns: Math.ceil(count * factor) };
}
