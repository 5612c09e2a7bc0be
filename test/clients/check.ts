/** How checks that are driven from TypeScript (psql, pgbench) are run, bounded and reported. */

import type { Report } from "./report.ts";
import type { Target } from "./target.ts";

export interface Check {
  name: string;
  /** Whether the server is one that the check is about; absent: every server is. */
  when?: (target: Target) => boolean;
  /** Throws when the check fails. */
  run(context: Context): Promise<void>;
}

/** What a check is given. */
export interface Context {
  target: Target;
  /** Called when the check is over, however it ended, the last one first. */
  defer(cleanup: () => void | Promise<void>): void;
}

/** Thrown by a check that this version of the client cannot do, with the reason. */
export class Skip extends Error {}

const limit = 60_000;

/**
 * Runs the checks behind the one named `after`, up to and with the first that fails.
 *
 * @param only a part of the names of the checks to run; "" runs all of them
 * @returns the name of the check that failed; undefined when there are no more to run
 */
export async function runChecks(
  client: string,
  target: Target,
  after: string,
  only: string,
  report: Report,
  checks: readonly Check[],
): Promise<string | undefined> {
  for (const check of checks.slice(checks.findIndex(({ name }) => name === after) + 1)) {
    if (!check.name.includes(only) || check.when?.(target) === false) continue;
    if (!(await passes(client, check, target, report))) return check.name;
  }
  return undefined;
}

async function passes(client: string, check: Check, target: Target, report: Report): Promise<boolean> {
  const cleanups: (() => void | Promise<void>)[] = [];
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not done within ${limit / 1000} s`)), limit);
  try {
    await Promise.race([check.run({ target, defer: (cleanup) => cleanups.push(cleanup) }), late.promise]);
    report.ok(client, check.name, target.name);
    return true;
  } catch (error) {
    if (error instanceof Skip) {
      report.skip(`${client}: ${check.name}`, target.name, error.message);
      return true;
    }
    return !report.fail(client, check.name, target.name, (error as Error).message);
  } finally {
    clearTimeout(timer);
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

export function equal<T>(actual: T, expected: T, what = "value"): void {
  const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got !== wanted) throw new Error(`${what} is ${shorten(got)}, expected ${shorten(wanted)}`);
}

/** Fails unless the text holds every one of the parts. */
export function includes(text: string, ...parts: (string | RegExp)[]): void {
  for (const part of parts) {
    const found = typeof part === "string" ? text.includes(part) : part.test(text);
    if (!found) throw new Error(`no ${String(part)} in:\n${shorten(text)}`);
  }
}

export function ensure(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

function shorten(text: string): string {
  return text.length <= 1500 ? text : `${text.slice(0, 1500)}... (${text.length} characters)`;
}
