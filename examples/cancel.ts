// Statements that take long: rows that stream without an end, and a call to somewhere else. Ctrl-C in psql, a driver's
// cancel(), statement_timeout and a client that goes away end both.
//
//   node examples/cancel.ts
//   => sleep 60;
//   => set statement_timeout = '2s';
//   => count;
//
// In a project of your own: from "edgewire" and "edgewire/node".
import { setTimeout } from "node:timers/promises";
import { serve } from "../adapters/node/mod.ts";
import { type Call, oid, PgError, type Result, type Row, type Statement, sqlstate } from "../src/mod.ts";

/** Batches of rows. A client that reads slowly slows this down, and one that has seen enough ends it. */
async function* count(): AsyncGenerator<Row[]> {
  try {
    for (let first = 1; ; first += 100) {
      await setTimeout(10);
      yield Array.from({ length: 100 }, (_, at) => [String(first + at)]);
    }
  } finally {
    console.log("count was stopped");
  }
}

const columns = [{ name: "n", typeOid: oid.int8 }];

async function query({ sql }: Statement, { signal }: Call): Promise<Result> {
  const [verb, seconds] = sql.split(/\s+/);
  switch (verb) {
    case "count":
      return { type: "rows", columns, rows: count() };
    case "sleep":
      // The signal is for whatever takes it, fetch() first of all.
      await setTimeout(Number(seconds) * 1_000, undefined, { signal }).catch((error: unknown) => {
        console.log("sleep was stopped");
        throw error;
      });
      return { type: "command", tag: "SLEEP" };
    default:
      throw new PgError(sqlstate.syntaxError, 'say "count" or "sleep 10"');
  }
}

const server = await serve({
  port: Number(process.env.PORT ?? 5433),
  upstream: {
    query,
    // What a cursor asks before it fetches its first rows.
    describe: ({ sql }) => ({ parameterTypes: [], columns: sql === "count" ? columns : undefined }),
  },
});

console.log(`psql postgresql://me@${server.host}:${server.port}/any`);
