/** psql, all of it that speaks to the server: the command people reach for first. */

import { runChecks } from "../check.ts";
import { find, run } from "../process.ts";
import type { Target } from "../programs.ts";
import type { Report } from "../report.ts";
import { catalogChecks } from "./catalog.ts";
import { dataChecks } from "./data.ts";
import { interactiveChecks } from "./interactive.ts";
import { scriptChecks } from "./script.ts";

export async function checkPsql(target: Target, only: string, report: Report): Promise<void> {
  if (find("psql") === undefined) {
    report.skip("psql", target.name, "psql is not installed");
    return;
  }
  const about = await run("psql", ["--version"], { timeout: 10_000 });
  report.note(about.stdout.trim());
  await runChecks("psql", target, only, report, [...scriptChecks, ...catalogChecks, ...dataChecks]);
  if (find("python3") === undefined) {
    report.skip("psql: at a terminal", target.name, "python3 is not installed");
    return;
  }
  await runChecks("psql", target, only, report, interactiveChecks);
}
