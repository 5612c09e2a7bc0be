/** pgbench: its tables, its own transactions from eight clients in every protocol mode, and its books balanced. */

import { find, type RunResult, run } from "../../servers/process.ts";
import { type Check, ensure, equal, includes, runChecks } from "../check.ts";
import { output } from "../psql/psql.ts";
import type { Report } from "../report.ts";
import { clientEnvironment, type Target } from "../target.ts";

/** Its checks build on each other's tables, so that all of them run on one server, also after one that fails. */
export async function checkPgbench(target: Target, only: string, report: Report): Promise<undefined> {
  if (find("pgbench") === undefined) {
    report.skip("pgbench", target.name, "pgbench is not installed");
    return;
  }
  for (let after: string | undefined = ""; after !== undefined; ) {
    after = await runChecks("pgbench", target, after, only, report, checks);
  }
}

const limit = 30_000;

async function pgbench(target: Target, ...args: string[]): Promise<RunResult> {
  const result = await run("pgbench", [...args, target.url], {
    env: clientEnvironment(target),
    timeout: limit,
  });
  ensure(!result.timedOut, `not done within ${limit / 1000} s\n${result.stderr}`);
  ensure(
    result.code === 0 && !/error|aborted/i.test(result.stderr),
    `exit code ${result.code}: ${result.stderr}`,
  );
  return result;
}

const checks: readonly Check[] = [
  {
    name: "-i -s 1 makes and fills its tables",
    run: async ({ target }) => {
      const made = await pgbench(target, "-i", "-s", "1", "-q");
      includes(made.stderr, /done in/);
      equal(await output(target, "select count(*) from pgbench_accounts"), "100000", "rows");
    },
  },
  ...(["simple", "extended", "prepared"] as const).map((mode) => ({
    name: `-c 8 -T 3 -M ${mode}`,
    run: async ({ target }: { target: Target }) => {
      const result = await pgbench(target, "-n", "-c", "8", "-j", "2", "-T", "3", "-M", mode);
      const count = Number(/number of transactions actually processed: (\d+)/.exec(result.stdout)?.[1]);
      ensure(count > 0, `no transaction was done\n${result.stdout}`);
      const failed = /number of failed transactions: (\d+)/.exec(result.stdout)?.[1] ?? "0";
      equal(failed, "0", "failed transactions");
    },
  })),
  {
    name: "the balances agree with the history",
    run: async ({ target }) => {
      const sums = await output(
        target,
        `select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches),
                (select sum(tbalance) from pgbench_tellers), (select sum(delta) from pgbench_history)`,
      );
      equal(new Set(sums.split("|")).size, 1, `sums that differ (${sums})`);
    },
  },
  {
    name: "-S -C connects anew for each transaction",
    run: async ({ target }) => {
      const result = await pgbench(target, "-n", "-S", "-C", "-c", "8", "-t", "10");
      includes(result.stdout, "number of transactions actually processed: 80/80");
    },
  },
  {
    name: "a script of its own with pipelines",
    run: async ({ target }) => {
      const script =
        "\\startpipeline\nselect 1;\nselect abalance from pgbench_accounts where aid = 1;\n\\endpipeline\n";
      const args = ["-n", "-M", "prepared", "-c", "4", "-t", "20", "-f", "-", target.url];
      const result = await run("pgbench", args, {
        env: clientEnvironment(target),
        input: script,
        timeout: limit,
      });
      ensure(result.code === 0, `exit code ${result.code}: ${result.stderr}`);
      includes(result.stdout, "number of transactions actually processed: 80/80");
    },
  },
  {
    name: "-i -I d drops its tables",
    run: async ({ target }) => {
      await pgbench(target, "-i", "-I", "d");
      equal(await output(target, "select to_regclass('pgbench_accounts') is null"), "t");
    },
  },
];
