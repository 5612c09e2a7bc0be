/** COPY, and results that are large or take long. */
import type { ContractClient } from "../client.ts";
import type { Cases } from "../contract.ts";

async function withLines(client: ContractClient, work: () => Promise<void>): Promise<void> {
  await client.quietly(
    "drop table if exists contract_lines",
    "create table contract_lines (n int, name text, at timestamptz)",
  );
  await work();
  await client.query("rollback");
  await client.quietly("drop table contract_lines");
}

const binaryHeader = [...new TextEncoder().encode("PGCOPY\n"), 0xff, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0];

export const data: Cases = {
  "COPY FROM STDIN": [
    {
      name: "text, CSV and binary",
      run: (client) =>
        withLines(client, async () => {
          await client.copyIn(
            "copy contract_lines from stdin",
            "1\tone\t2024-01-01 00:00:00+00\n2\t",
            "\\N\t\\N\n",
          );
          await client.copyIn(
            "copy contract_lines (name, n) from stdin (format csv, header, delimiter ';', null 'none')",
            'name;n\n"a;""b""\nc";3\n',
            "none;4\n",
          );
          await client.copyIn(
            "copy contract_lines (n, name) from stdin (format binary)",
            Uint8Array.from([...binaryHeader, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 1, 0x78, 0xff, 0xff]),
          );
          await client.query("select * from contract_lines order by n");
        }),
    },
    {
      name: "an error tells the line, and undoes all of it",
      run: (client) =>
        withLines(client, async () => {
          client.attention.context = true;
          await client.copyIn(
            "copy contract_lines from stdin",
            "1\tone\t\\N\n",
            "x\ttwo\t\\N\n",
            "3\tthree\t\\N\n",
          );
          await client.copyIn("copy contract_lines from stdin", "1\tone\n");
          await client.copyIn("copy contract_nosuch from stdin", "1\n");
          await client.query("select count(*) from contract_lines");
        }),
    },
    {
      name: "in a transaction, 20,000 lines",
      run: (client) =>
        withLines(client, async () => {
          await client.query("begin");
          const lines = Array.from({ length: 20_000 }, (_, at) => `${at}\tline ${at}\t\\N\n`);
          const chunks = Array.from({ length: 200 }, (_, at) =>
            lines.slice(at * 100, at * 100 + 100).join(""),
          );
          await client.copyIn("copy contract_lines from stdin", ...chunks);
          await client.queries("select count(*), sum(n) from contract_lines", "rollback");
          await client.query("select count(*) from contract_lines");
        }),
    },
  ],
  "COPY TO STDOUT": [
    {
      name: "text, CSV and binary, of a table and of a query",
      run: (client) =>
        withLines(client, async () => {
          await client.quietly(
            "insert into contract_lines values (1, e'a\\tb', '2024-01-01 00:00:00+00'), (2, null, null), (3, '\"q\", r', null)",
          );
          await client.queries(
            "copy contract_lines to stdout",
            "copy contract_lines (name, n) to stdout (format csv, header)",
            "copy (select n, name from contract_lines order by n desc) to stdout (format csv, delimiter ';', null 'none', force_quote *)",
            "copy (select n, name from contract_lines where n = 2) to stdout (format binary)",
            "copy contract_nosuch to stdout",
          );
        }),
    },
  ],
  cancelling: [
    {
      name: "answers at once, and the session goes on",
      async run(client) {
        const began = Date.now();
        await client.cancelling(client.query("select pg_sleep(4)"));
        client.log(Date.now() - began < 3_000 ? "in time" : `after ${Date.now() - began} ms`);
        await client.query("select 1");
      },
    },
    {
      name: "in a transaction",
      async run(client) {
        await client.queries("begin", "savepoint a");
        const began = Date.now();
        await client.cancelling(client.query("select pg_sleep(4)"));
        client.log(Date.now() - began < 3_000 ? "in time" : `after ${Date.now() - began} ms`);
        await client.queries("select 1", "rollback", "select 2");
      },
    },
  ],
  "rows as they come": [
    {
      name: "rows before an error are sent before it",
      async run(client) {
        let rows = 0;
        const texts = "select 1 / (50000 - n) as q from generate_series(1, 60000) n";
        await client.send([{ type: "Query", query: texts }], () => void rows++);
        client.log(rows > 1_000 ? "after many rows" : `after ${rows} rows`);
      },
    },
  ],
  "back-pressure": [
    {
      name: "who does not read is not sent more",
      async run(client) {
        const began = client.sent;
        let rows = 0;
        const done = client.send(
          [{ type: "Query", query: "select repeat('x', 1000) as x from generate_series(1, 8000)" }],
          () => {
            if (rows++ === 0) return stopped(() => client.sent).then((sent) => log(sent - began));
          },
        );
        const log = (sent: number): void =>
          client.log(sent < 3_000_000 ? "held back" : `${sent} bytes were sent to who did not read`);
        await done;
        client.log(`${rows} rows`);
      },
    },
  ],
  "100,000 rows": [
    {
      name: "of a query",
      async run(client) {
        const hash = { rows: 0, length: 0 };
        await client.send(
          [
            {
              type: "Query",
              query: "select n, 'row ' || n as t, n % 7 = 0 as b from generate_series(1, 100000) n",
            },
          ],
          (values) => {
            hash.rows++;
            for (const value of values) hash.length += value?.length ?? 0;
          },
        );
        client.log(JSON.stringify(hash));
      },
    },
  ],
  "values of 1 MB": [
    {
      name: "in",
      run: (client) =>
        client.run({ sql: "select length($1::text), md5($1)", parameters: ["x\u00e4".repeat(300_000)] }),
    },
    { name: "out", run: (client) => client.query("select repeat('xy', 500000) as large") },
  ],
  "values of 12 MB": [
    {
      name: "in",
      run: (client) => client.run({ sql: "select length($1::text)", parameters: ["x".repeat(12_000_000)] }),
    },
    { name: "out", run: (client) => client.query("select repeat('xy', 6000000) as large") },
  ],
};

/** Waits until a number does not grow any more, and gives it. */
async function stopped(number: () => number): Promise<number> {
  for (;;) {
    const before = number();
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (number() === before) return before;
  }
}
