// What edgewire costs before a data API: the API's own driver called directly, and pg through edgewire, for the same API on
// loopback, with a wire of several lengths. Then the memory of edgewire while a large result streams through it.

import { streamMemory } from "./stream-memory.ts";
import { align, median } from "./table.ts";
import { type Running, startTarget } from "./target-process.ts";
import { direct, through, type Way } from "./upstream-ways.ts";

/** Milliseconds that a round trip takes more than loopback's. */
const delays = [0, 5, 30];

interface Case {
  readonly name: string;
  readonly run: (way: Way) => Promise<void>;
  /** Queries that wait for each other. */
  readonly turns: number;
  /** How often it is measured in a round, with each wire. */
  readonly times: readonly number[];
}

const cases: readonly Case[] = [
  { name: "one query", run: (way) => way.one(), turns: 1, times: [400, 20, 10] },
  { name: "prepared, run 100 times", run: (way) => way.prepared(100), turns: 100, times: [5, 1, 1] },
  { name: "pipeline of 50", run: (way) => way.pipeline(50), turns: 1, times: [30, 10, 5] },
  { name: "50 queries at once", run: (way) => way.atOnce(50), turns: 1, times: [10, 5, 3] },
  { name: "transaction of 5", run: (way) => way.transaction(5), turns: 7, times: [30, 5, 3] },
  { name: "100,000 rows", run: (way) => way.rows(100_000), turns: 1, times: [3, 1, 1] },
];

/** What is to be added to a query at the median, at the most, in milliseconds. */
const goal = 0.5;

interface Counts {
  readonly requests: number;
  readonly webSockets: number;
}

/** False: something could not be measured, or took more requests than the driver. */
export async function measureUpstreams(rounds: number): Promise<boolean> {
  console.log("\nupstreams: Neon's API by its own driver, and by pg through edgewire");
  const running: Running[] = [];
  const start = async (
    script: string,
    database?: string,
    nodeOptions: readonly string[] = [],
  ): Promise<Running> => {
    const environment = database === undefined ? {} : { EDGEWIRE_BENCH_DATABASE: database };
    const target = { name: script, script, about: "", ours: true };
    const started = await startTarget(target, { environment, nodeOptions });
    running.push(started);
    return started;
  };
  try {
    const postgres = await start("postgres.ts").catch((error: Error) => {
      console.log(`behind the API: the embedded PostgreSQL (${error.message})`);
      return undefined;
    });
    if (postgres?.version) console.log(`behind the API: PostgreSQL ${postgres.version}`);
    const api = await start(
      "neon-api.ts",
      postgres && `postgres://postgres@127.0.0.1:${postgres.port}/postgres`,
    );
    const url = `neon+http://app:hush@127.0.0.1:${api.port}/main`;
    const gateway = await start("serve.ts", url);
    const ways = { direct: direct(api.port), through: await through(gateway.port) };
    const fine = await compare(ways, api, gateway, rounds);
    await Promise.all([ways.direct.close(), ways.through.close()]);
    if (postgres) await streamMemory((...how) => start("serve.ts", ...how), url);
    else console.log("memory of a stream: it takes a PostgreSQL server to make one fast enough");
    return fine;
  } finally {
    for (const one of running.reverse()) await one.stop();
  }
}

async function compare(
  ways: { readonly direct: Way; readonly through: Way },
  api: Running,
  gateway: Running,
  rounds: number,
): Promise<boolean> {
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${api.http}${path}`);
    return path === "/count" ? await response.json() : undefined;
  };
  const count = async (): Promise<Counts> => (await ask("/count")) as Counts;
  const lines = [
    ["", "", "requests", "", "ms", "", "more ms", "edgewire's CPU,"],
    ["", "wire", "driver", "edgewire", "driver", "edgewire", "a query", "ms a query"],
  ];
  let fine = true;
  for (const { run } of cases) for (const way of [ways.direct, ways.through]) await run(way);
  for (let n = 0; n < 500; n++) for (const way of [ways.direct, ways.through]) await way.one();
  for (const { name, run, turns, times } of cases) {
    for (const [at, delay] of delays.entries()) {
      await ask(`/delay?ms=${delay}`);
      const driver = { counts: await counted(run, ways.direct, count), millis: [] as number[] };
      const own = { counts: await counted(run, ways.through, count), millis: [] as number[] };
      fine &&= own.counts.requests <= driver.counts.requests;
      const before = gateway.cpuSeconds() ?? Number.NaN;
      const runs = (times[at] ?? 1) * rounds;
      // The ways take turns, run by run, so that what else the machine does is fair to both.
      for (let n = 0; n < runs; n++) {
        driver.millis.push(await timed(run, ways.direct));
        own.millis.push(await timed(run, ways.through));
      }
      const cpu = ((gateway.cpuSeconds() ?? Number.NaN) - before) * 1_000;
      const [theirs, ours] = [driver, own].map(({ millis }) => median(millis) ?? 0) as [number, number];
      lines.push([
        name,
        `${delay} ms`,
        requests(driver.counts),
        requests(own.counts),
        theirs.toFixed(2),
        ours.toFixed(2),
        ((ours - theirs) / turns).toFixed(2),
        // It is told in hundredths of a second.
        cpu >= 100 ? (cpu / runs / turns).toFixed(2) : "-",
      ]);
    }
  }
  await ask("/delay?ms=0");
  console.log(align(lines).join("\n"));
  console.log(
    `Goal: no more requests than the driver's, and at the median ${goal} ms a query more at the most. Requests: ${fine ? "met" : "not met"}.`,
  );
  return fine;
}

async function counted(run: Case["run"], way: Way, count: () => Promise<Counts>): Promise<Counts> {
  await count();
  await run(way);
  return count();
}

async function timed(run: Case["run"], way: Way): Promise<number> {
  const start = performance.now();
  await run(way);
  return performance.now() - start;
}

function requests({ requests, webSockets }: Counts): string {
  return webSockets === 0 ? String(requests) : `${requests} + ${webSockets} WS`;
}
