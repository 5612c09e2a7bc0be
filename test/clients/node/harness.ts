/** What the client programs on Node share: the list of checks, how they are run and printed (see program-run.ts). */

import { isDeepStrictEqual } from "node:util";

export const url: string = process.env.EDGEWIRE_URL ?? "";

const checks: { readonly name: string; readonly run: () => Promise<void> }[] = [];

/** Registers a check; checks run in the order of the file. */
export function check(name: string, run: () => Promise<void>): void {
  checks.push({ name, run });
}

export function equal(actual: unknown, expected: unknown, what = "value"): void {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`${what} is ${short(actual)}, expected ${short(expected)}`);
  }
}

function short(value: unknown): string {
  const text =
    JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined";
  return text.length <= 600 ? text : `${text.slice(0, 600)}... (${text.length} characters)`;
}

/** What the promise is rejected with; fails if it is not. */
export async function failure(promise: PromiseLike<unknown>): Promise<Record<string, unknown>> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    return error as Record<string, unknown>;
  }
  throw new Error(`no error, but ${short(result)}`);
}

/** Runs the checks, and ends the process: some of these libraries keep connections that nothing ends. */
export async function main(): Promise<void> {
  const { EDGEWIRE_AFTER: after = "", EDGEWIRE_CHECK: only = "" } = process.env;
  let started = after === "";
  for (const { name, run } of checks) {
    if (started && name.includes(only)) {
      process.stdout.write(`start ${name}\n`);
      try {
        await run();
        process.stdout.write(`ok ${name}\n`);
      } catch (error) {
        process.stdout.write(`FAIL ${name}: ${explained(error)}\n`);
      }
    } else if (name === after) started = true;
  }
  process.stdout.write("done\n");
  process.exit(0);
}

function explained(error: unknown): string {
  const { message, cause, stack = "" } = error as Error;
  const line = /node\/\w+\.ts:(\d+)/.exec(stack.replace(/.*harness\.ts.*\n/g, ""))?.[1];
  const why = cause instanceof Error ? ` (${cause.message})` : "";
  return `${message}${why}`.replaceAll("\n", " | ").concat(line === undefined ? "" : ` (line ${line})`);
}
