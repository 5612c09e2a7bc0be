/** What takes a second session or a terminal: Ctrl-C, \watch, prompts, LISTEN, and waiting for another's transaction. */

import { setTimeout as delay } from "node:timers/promises";
import { type Check, ensure, equal, includes } from "../check.ts";
import { atTerminal, output, piped } from "./psql.ts";
import { psqlMajor } from "./script.ts";

/** The prompt of a superuser or of another user; `state` is "", "*" (in a transaction) or "!" (in a failed one). */
function prompt(state = ""): RegExp {
  return new RegExp(`postgres=${state.replace("*", "\\*")}[#>] $`);
}

/** Minutes of work in little memory, checked for interrupts at each row. */
const slow = "select count(*) from generate_series(1, 30000) a, generate_series(1, 30000) b";

export const interactiveChecks: readonly Check[] = [
  {
    name: "prompts show the transaction: =>, =*>, =!>",
    run: async (context) => {
      const terminal = atTerminal(context);
      await terminal.until(prompt());
      terminal.send("begin;\n");
      await terminal.until(prompt("*"));
      terminal.send("select 1/0;\n");
      includes(await terminal.until(prompt("!")), "division by zero");
      terminal.send("select 1;\n");
      includes(await terminal.until(prompt("!")), "current transaction is aborted");
      terminal.send("rollback;\n");
      await terminal.until(prompt());
      terminal.send("select 'two\n");
      await terminal.until(/postgres'[#>] $/);
      terminal.send("lines';\n");
      includes(await terminal.until(prompt()), "(1 row)");
      terminal.send("\\q\n");
      equal(await terminal.ended, 0, "exit code");
    },
  },
  {
    name: "Ctrl-C cancels the statement, and the session goes on",
    run: async (context) => {
      const terminal = atTerminal(context);
      await terminal.until(prompt());
      for (const query of [slow, "select pg_sleep(60)"]) {
        terminal.send(`${query};\n`);
        await delay(700);
        terminal.send("\u0003");
        includes(await terminal.until(prompt()), "ERROR:  canceling statement due to user request");
        terminal.send("select 6 * 7 as answer;\n");
        includes(await terminal.until(prompt()), "42");
      }
    },
  },
  {
    name: "Ctrl-C in a transaction leaves it failed; in an idle prompt it does nothing",
    run: async (context) => {
      const terminal = atTerminal(context);
      await terminal.until(prompt());
      // Between its prompt and its read, psql takes it for a cancel, and prompts no more.
      await delay(300);
      terminal.send("\u0003");
      await terminal.until(prompt());
      terminal.send("begin;\n");
      await terminal.until(prompt("*"));
      terminal.send(`${slow};\n`);
      await delay(700);
      terminal.send("\u0003");
      includes(await terminal.until(prompt("!")), "canceling statement due to user request");
      terminal.send("rollback;\n");
      await terminal.until(prompt());
    },
  },
  {
    name: "SIGINT to a psql without a terminal cancels its statement",
    run: async (context) => {
      const session = piped(context);
      equal(await session.ask("select 'ready';"), "ready");
      session.send(`${slow};\n`);
      await delay(700);
      session.interrupt();
      await session.until("canceling statement due to user request");
    },
  },
  {
    name: "\\watch repeats until Ctrl-C",
    run: async (context) => {
      const terminal = atTerminal(context, "-A", "-t");
      await terminal.until(prompt());
      terminal.send("select 'tick ' || 1\\watch 0.3\n");
      for (let times = 0; times < 3; times++) await terminal.until("tick 1\n");
      terminal.send("\u0003");
      await terminal.until(prompt());
      terminal.send("select 'over';\n");
      await terminal.until("over\n");
      await terminal.until(prompt());
      if ((await psqlMajor()) < 16) return;
      terminal.send("select 'tock'\\watch c=2 i=0.1\n");
      equal((await terminal.until(prompt())).split("tock\n").length, 3, "times, plus one");
    },
  },
  {
    name: "\\watch ends by itself when the query fails",
    run: async (context) => {
      const session = piped(context);
      await session.ask("drop sequence if exists ew_psql_watch; create sequence ew_psql_watch;");
      includes(
        await session.ask("select 10 / (2 - nextval('ew_psql_watch'))\\watch 0.2"),
        "10",
        "division by zero",
      );
      await session.ask("drop sequence ew_psql_watch;");
    },
  },
  {
    name: "LISTEN and NOTIFY between two psqls",
    run: async (context) => {
      const listener = piped(context, "-q");
      const other = piped(context, "-q");
      equal(await listener.ask("listen ew_psql_channel;"), "");
      equal(await other.ask("notify ew_psql_channel, 'hello';"), "");
      equal(await other.ask("select pg_notify('ew_psql_channel', 'again');"), "");
      // psql looks for notifications after each statement.
      let seen = "";
      for (let tries = 0; tries < 50 && !seen.includes('"again"'); tries++) {
        seen += await listener.ask("select 1 where false;");
        await delay(50);
      }
      includes(
        seen,
        /Asynchronous notification "ew_psql_channel" with payload "hello" received from server process with PID \d+\./,
        'with payload "again"',
      );
      await listener.ask("unlisten *;");
      await other.ask("notify ew_psql_channel, 'late';");
      equal(await listener.ask("select 'nothing';"), "nothing");
    },
  },
  {
    name: "a transaction in one psql while another waits",
    run: async (context) => {
      const { target } = context;
      await output(
        target,
        "drop table if exists ew_psql",
        "create table ew_psql (id int, n int)",
        "insert into ew_psql values (1, 0)",
      );
      const one = piped(context, "-q");
      const two = piped(context, "-q");
      equal(await two.ask("select n from ew_psql;"), "0");
      equal(await one.ask("begin; update ew_psql set n = n + 1 where id = 1; select n from ew_psql;"), "1");
      let done = false;
      const waiting = two.ask("update ew_psql set n = n + 10 where id = 1 returning n;").then((printed) => {
        done = true;
        return printed;
      });
      await delay(1000);
      ensure(!done, "the second update did not wait for the first's COMMIT");
      equal(await one.ask("update ew_psql set n = n + 1; select n from ew_psql;"), "2");
      equal(await one.ask("commit;"), "");
      equal(await waiting, "12", "what the second saw");
      equal(await one.ask("select n from ew_psql;"), "12");
      await one.close();
      await two.close();
      await output(target, "drop table ew_psql");
    },
  },
  {
    name: "a psql killed in a transaction is rolled back",
    run: async (context) => {
      const { target } = context;
      await output(target, "drop table if exists ew_psql", "create table ew_psql (id int primary key)");
      const one = piped(context, "-q");
      equal(await one.ask("begin; insert into ew_psql values (1); select count(*) from ew_psql;"), "1");
      one.kill();
      equal(
        await output(target, "insert into ew_psql values (1)", "select count(*) from ew_psql"),
        "INSERT 0 1\n1",
      );
      await output(target, "drop table ew_psql");
    },
  },
  {
    name: "a psql killed while its statement runs frees the server",
    run: async (context) => {
      const one = piped(context, "-q");
      equal(await one.ask("select 'ready';"), "ready");
      one.send(`${slow};\n`);
      await delay(700);
      one.kill();
      equal(await output(context.target, "select 'free'"), "free");
    },
  },
  {
    name: "settings of one psql are not seen by another",
    run: async (context) => {
      const one = piped(context, "-q");
      const two = piped(context, "-q");
      const before = await two.ask("show work_mem;");
      equal(await one.ask("set work_mem = '9MB'; set search_path = pg_catalog; set role postgres;"), "");
      equal(await two.ask("show work_mem;"), before);
      equal(await one.ask("show work_mem;"), "9MB");
      equal(await one.ask("show search_path;"), "pg_catalog");
      includes(await two.ask("show search_path;"), "public");
    },
  },
  {
    name: "eight psqls at once",
    run: async (context) => {
      const { target } = context;
      await output(
        target,
        "drop table if exists ew_psql",
        "create table ew_psql (id int, n int)",
        "insert into ew_psql select i, 0 from generate_series(1, 8) i",
      );
      const sessions = Array.from({ length: 8 }, () => piped(context, "-q"));
      await Promise.all(
        sessions.map(async (session, index) => {
          for (let turn = 0; turn < 5; turn++) {
            await session.ask(`begin; update ew_psql set n = n + 1 where id = ${index + 1}; commit;`);
          }
          equal(await session.close(), 0, "exit code");
        }),
      );
      equal(await output(target, "select sum(n) from ew_psql", "drop table ew_psql"), "40\nDROP TABLE");
    },
  },
];
