/** psql, all of it that speaks to the server: the command people reach for first. */

import { find } from "../../servers/process.ts";
import { type Check, runChecks } from "../check.ts";
import type { Report } from "../report.ts";
import type { Target } from "../target.ts";
import { catalogChecks } from "./catalog.ts";
import { dataChecks } from "./data.ts";
import { interactiveChecks } from "./interactive.ts";
import { scriptChecks } from "./script.ts";

const checks: readonly Check[] = [...scriptChecks, ...catalogChecks, ...dataChecks, ...interactiveChecks];

/** What another way in could change: the start, the end, cancels, many bytes in both directions, and several at once. */
const brief: ReadonlySet<string> = new Set([
  "connects, and knows the server version",
  "an unknown database is an error, and exit code 2",
  "an error has its position marked",
  "a failed transaction refuses statements until ROLLBACK",
  "\\gset, \\gexec, \\gx, \\gdesc, \\crosstabview, \\if and variables",
  "\\c connects again, and an unknown database keeps the connection",
  "\\d table shows columns, indexes, checks and foreign keys",
  "\\copy from and to files",
  "COPY errors name the line, and the session goes on",
  "FETCH_COUNT reads through a cursor",
  "100,000 rows and a value of 8 MB",
  "Ctrl-C cancels the statement, and the session goes on",
  "LISTEN and NOTIFY between two psqls",
  "a transaction in one psql while another waits",
  "a psql killed in a transaction is rolled back",
  "a psql killed while its statement runs frees the server",
  "eight psqls at once",
]);

export async function checkPsql(
  target: Target,
  after: string,
  only: string,
  report: Report,
): Promise<string | undefined> {
  const wanted = target.brief ? checks.filter(({ name }) => brief.has(name)) : checks;
  if (target.brief && wanted.length < brief.size) throw new Error("a check that was to be run is not there");
  if (find("psql") !== undefined) return await runChecks("psql", target, after, only, report, wanted);
  report.skip("psql", target.name, "psql is not installed");
  return undefined;
}
