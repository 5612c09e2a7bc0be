/**
 * Runs a client program and reports the lines it prints.
 *
 * A program reads the server from EDGEWIRE_URL and prints, for each check, `start <check>` and then
 * `ok <check>`, `FAIL <check>: reason` or `skip <check>: reason`; `done` when it has run them all. Its
 * checks are independent: each opens its own connections and makes its own tables. So after one that fails,
 * hangs or takes the program down, the program is started again behind it (EDGEWIRE_AFTER) on a new server.
 */

import { run } from "../servers/process.ts";
import { folder, type Program } from "./programs.ts";
import type { Report } from "./report.ts";
import { clientEnvironment, type Target } from "./target.ts";

/** A check that prints nothing for this long hangs. The longest ones, under PGlite, take a few seconds. */
const checkTimeout = 40_000;
const programTimeout = 300_000;

/**
 * Runs the checks of a program behind the one named `after`, up to and with the first that fails.
 *
 * @param only a part of the names of the checks to run; "" runs all of them
 * @returns the name of the check that failed; undefined when the program has no more checks to run
 */
export async function runProgram(
  program: Program,
  target: Target,
  after: string,
  only: string,
  report: Report,
): Promise<string | undefined> {
  const [command, ...args] = program.command;
  const stop = new AbortController();
  let current = "";
  let failed: string | undefined;
  let done = false;
  const onLine = (line: string) => {
    if (failed !== undefined) return;
    if (line === "done") done = true;
    const [, word = "", rest = ""] = /^(start|ok|FAIL|skip) (.*)$/.exec(line) ?? [];
    if (word === "start") {
      current = rest;
    } else if (current !== "" && rest.startsWith(current)) {
      const detail = rest.slice(current.length).replace(/^: /, "");
      if (word === "ok") report.ok(program.name, current, target.name);
      else if (word === "skip") report.skip(`${program.name}: ${current}`, target.name, detail);
      else {
        if (report.fail(program.name, current, target.name, detail)) {
          failed = current;
          stop.abort();
        }
      }
      current = "";
    }
  };
  const result = await run(command, args, {
    cwd: folder,
    env: { ...clientEnvironment(target), EDGEWIRE_AFTER: after, EDGEWIRE_CHECK: only },
    timeout: programTimeout,
    silence: checkTimeout,
    signal: stop.signal,
    onLine,
  });
  if (failed !== undefined || (done && result.code === 0)) return failed;
  const stderr = result.stderr.trim().split("\n").slice(-15).join("\n");
  const how = result.timedOut ? "timed out" : `the program ended with ${result.code ?? "a signal"}`;
  report.fail(program.name, current === "" ? "runs to its end" : current, target.name, `${how}\n${stderr}`);
  return current === "" ? undefined : current;
}
