/** psql, all of it that speaks to the server: the command people reach for first. */

import { type Check, runChecks } from "../check.ts";
import { find } from "../process.ts";
import type { Report } from "../report.ts";
import type { Target } from "../target.ts";
import { catalogChecks } from "./catalog.ts";
import { dataChecks } from "./data.ts";
import { interactiveChecks } from "./interactive.ts";
import { scriptChecks } from "./script.ts";

const checks: readonly Check[] = [...scriptChecks, ...catalogChecks, ...dataChecks, ...interactiveChecks];

export async function checkPsql(
  target: Target,
  after: string,
  only: string,
  report: Report,
): Promise<string | undefined> {
  if (find("psql") !== undefined) return await runChecks("psql", target, after, only, report, checks);
  report.skip("psql", target.name, "psql is not installed");
  return undefined;
}
