// What edgewire costs before a data API: the API's own driver called directly, and pg through edgewire, for the same API on
// loopback, with a wire of several lengths. Then the memory of edgewire while a large result streams through it.

import { credentials, region, resourceArn, secretArn } from "../test/upstreams/rds-data/double.ts";
import { neon, rdsData } from "./direct-ways.ts";
import { streamMemory } from "./stream-memory.ts";
import { align, median } from "./table.ts";
import { type Running, startTarget } from "./target-process.ts";
import type { Counts } from "./targets/delayed-wire.ts";
import { through, type Way } from "./upstream-ways.ts";

/** How many rounds there are if nothing is said. */
const usualRounds = 3;

/** Milliseconds that a round trip takes more than loopback's. */
const delays = [0, 5, 30];

interface Case {
  readonly name: string;
  readonly run: (way: Way) => Promise<void>;
  readonly queries: number;
  /** How often it is measured with each wire, in the usual number of rounds. */
  readonly times: readonly number[];
}

const cases: readonly Case[] = [
  { name: "one query", run: (way) => way.one(), queries: 1, times: [400, 20, 10] },
  { name: "prepared, run 100 times", run: (way) => way.prepared(100), queries: 100, times: [5, 1, 1] },
  { name: "pipeline of 50", run: (way) => way.pipeline(50), queries: 50, times: [30, 10, 5] },
  { name: "50 queries at once", run: (way) => way.atOnce(50), queries: 50, times: [10, 5, 3] },
  { name: "transaction of 5", run: (way) => way.transaction(5), queries: 7, times: [30, 5, 3] },
  { name: "100,000 rows", run: (way) => way.rows(100_000), queries: 1, times: [3, 1, 1] },
];

/** What is to be added to a query at the median, at the most, in milliseconds. */
const goal = 0.5;

interface Api {
  readonly name: string;
  readonly driver: string;
  readonly script: string;
  readonly direct: (port: number) => Way;
  /** Cases in which its driver does less: their requests are shown, and not held against edgewire. */
  readonly less?: readonly string[];
  /** What `edgewire serve` is given. */
  readonly url: (port: number) => string;
}

const apis: readonly Api[] = [
  {
    name: "Neon",
    driver: "@neondatabase/serverless",
    script: "neon-api.ts",
    direct: neon,
    url: (port) => `neon+http://app:hush@127.0.0.1:${port}/main`,
  },
  {
    name: "RDS Data API",
    driver: "signed requests",
    script: "rds-data-api.ts",
    direct: rdsData,
    // The one is no transaction, in the other the bench knows how many rows are less than a megabyte.
    less: ["50 queries at once", "100,000 rows"],
    url: (port) => {
      const endpoint = encodeURIComponent(`http://127.0.0.1:${port}`);
      const secret = encodeURIComponent(secretArn);
      return `rds-data://${region}/${encodeURIComponent(resourceArn)}?secret=${secret}&database=postgres&endpoint=${endpoint}`;
    },
  },
];

/** False: something could not be measured, or took more requests than the driver. */
export async function measureUpstreams(rounds: number): Promise<boolean> {
  console.log("\nupstreams: APIs by their own drivers, and by pg through edgewire");
  const running: Running[] = [];
  const start = async (
    script: string,
    database?: string,
    nodeOptions: readonly string[] = [],
  ): Promise<Running> => {
    const environment = {
      ...(database !== undefined && { EDGEWIRE_BENCH_DATABASE: database }),
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: credentials.sessionToken,
    };
    const target = { name: script, script, about: "", ours: true };
    const started = await startTarget(target, { environment, nodeOptions });
    running.push(started);
    return started;
  };
  try {
    const postgres = await start("postgres.ts").catch((error: Error) => {
      console.log(`behind the APIs: the embedded PostgreSQL (${error.message})`);
      return undefined;
    });
    if (postgres?.version) console.log(`behind the APIs: PostgreSQL ${postgres.version}`);
    let fine = true;
    let streamed: string | undefined;
    for (const { name, driver, script, direct, url, less = [] } of apis) {
      console.log(`\n${name}: ${driver}, and pg`);
      const api = await start(script, postgres && `postgres://postgres@127.0.0.1:${postgres.port}/postgres`);
      const database = url(api.port);
      streamed ??= database;
      const gateway = await start("serve.ts", database);
      const ways = { direct: direct(api.port), through: await through(gateway.port) };
      fine = (await compare(ways, { api, gateway, less }, rounds)) && fine;
      await Promise.all([ways.direct.close(), ways.through.close()]);
    }
    if (!postgres) console.log("\nmemory of a stream: it takes a PostgreSQL server to make one fast enough");
    else await streamMemory((...how) => start("serve.ts", ...how), streamed as string);
    return fine;
  } finally {
    for (const one of running.reverse()) await one.stop();
  }
}

async function compare(
  ways: { readonly direct: Way; readonly through: Way },
  {
    api,
    gateway,
    less,
  }: { readonly api: Running; readonly gateway: Running; readonly less: readonly string[] },
  rounds: number,
): Promise<boolean> {
  const ask = async (path: string): Promise<Counts> => {
    const response = await fetch(`http://127.0.0.1:${api.http}${path}`);
    return (await response.json()) as Counts;
  };
  const count = (): Promise<Counts> => ask("/count");
  const lines = [
    ["", "", "requests", "", "ms", "", "more ms", "edgewire's CPU,"],
    ["", "wire", "driver", "edgewire", "driver", "edgewire", "a query", "ms a query"],
  ];
  let fine = true;
  let added = Number.NaN;
  for (const { run } of cases) for (const way of [ways.direct, ways.through]) await run(way);
  for (let n = 0; n < 500; n++) for (const way of [ways.direct, ways.through]) await way.one();
  for (const { name, run, queries, times } of cases) {
    for (const [at, delay] of delays.entries()) {
      await ask(`/delay?ms=${delay}`);
      const driver = { counts: await counted(run, ways.direct, count), millis: [] as number[] };
      const own = { counts: await counted(run, ways.through, count), millis: [] as number[] };
      fine &&= own.counts.requests <= driver.counts.requests || less.includes(name);
      const before = gateway.cpuSeconds() ?? Number.NaN;
      const runs = Math.ceil(((times[at] ?? 1) * rounds) / usualRounds);
      // The ways take turns, run by run, so that what else the machine does is fair to both.
      for (let n = 0; n < runs; n++) {
        driver.millis.push(await timed(run, ways.direct));
        own.millis.push(await timed(run, ways.through));
      }
      const cpu = ((gateway.cpuSeconds() ?? Number.NaN) - before) * 1_000;
      const [theirs, ours] = [driver, own].map(({ millis }) => median(millis) ?? 0) as [number, number];
      if (name === "one query" && delay === 0) added = ours - theirs;
      lines.push([
        name,
        `${delay} ms`,
        requests(driver.counts),
        requests(own.counts),
        theirs.toFixed(2),
        ours.toFixed(2),
        ((ours - theirs) / queries).toFixed(2),
        // It is told in hundredths of a second.
        cpu >= 100 ? (cpu / runs / queries).toFixed(2) : "-",
      ]);
    }
  }
  await ask("/delay?ms=0");
  console.log(align(lines).join("\n"));
  console.log(
    `Goal: no more requests than the driver's (${fine ? "met" : "not met"}), and at the median no more than ${goal} ms more for a query (${added <= goal ? "met" : "not met"}).`,
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
