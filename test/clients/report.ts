/**
 * What `npm run test:clients` prints: one line a check, each naming its client and the server it ran
 * against, so that a line makes sense when it is all that is left of a CI log.
 */

import { whyDifferent } from "./differences.ts";

/** Characters of a failure's detail that are printed. */
const detailLimit = 1000;

/** Counts and prints the outcome of every check. */
export class Report {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** The failed lines, repeated before the totals because a run prints hundreds of lines. */
  readonly failures: string[] = [];

  ok(client: string, check: string, target: string): void {
    this.passed += 1;
    print(`ok ${client}: ${check} [${target}]`);
  }

  /**
   * @param detail what was seen; its further lines are indented below the first. Cut when it is long.
   * @returns whether it counts as failed, and is no known difference
   */
  fail(client: string, check: string, target: string, detail: string): boolean {
    const because = whyDifferent(client, check, target, detail);
    if (because !== undefined) {
      this.skip(`${client}: ${check}`, target, because);
      return false;
    }
    this.failed += 1;
    const [first = "", ...rest] = cut(detail.trim()).split("\n");
    const line = `FAIL ${client}: ${check} [${target}]${first === "" ? "" : `: ${first}`}`;
    this.failures.push(line);
    print([line, ...rest.map((text) => `    ${text}`)].join("\n"));
    return true;
  }

  skip(client: string, target: string, reason: string): void {
    this.skipped += 1;
    print(`skipped ${client} [${target}]: ${reason}`);
  }

  note(text: string): void {
    print(text);
  }

  /** Prints the totals; returns the exit code. A run in which nothing passed proves nothing, so it fails. */
  finish(): number {
    if (this.failures.length > 0) print(`\n${this.failures.join("\n")}`);
    print(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
    return this.failed > 0 || this.passed === 0 ? 1 : 0;
  }
}

function cut(text: string): string {
  return text.length <= detailLimit ? text : `${text.slice(0, detailLimit)} ... (${text.length} characters)`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
