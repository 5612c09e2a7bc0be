// Databases behind data APIs on Deno: `edgewire serve` in front of the doubles of Neon and of the RDS Data API, with what
// Deno has of its own (fetch, WebSocket, the parser's WebAssembly), and the entry for Deno Deploy.
import { setTimeout } from "node:timers/promises";
import { neon, neonConfig } from "@neondatabase/serverless";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../servers/free-port.ts";
import { type NeonDouble, startDouble } from "../../upstreams/neon/double.ts";
import { credentials, RdsDataDouble } from "../../upstreams/rds-data/double.ts";
import { CliProcess } from "../node/cli-process.ts";
import { denoEnvironment, denoPath } from "./deno-process.ts";

const processes: CliProcess[] = [];
let neonApi: NeonDouble;
let rdsApi: RdsDataDouble;
let port: number;
let deployed: string;

beforeAll(async () => {
  [neonApi, rdsApi] = await Promise.all([startDouble(), RdsDataDouble.start()]);
  const environment = {
    ...denoEnvironment,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken,
  };
  const databases = [`app=${neonApi.url}`, `rds=${rdsApi.url}`];
  const served = new CliProcess(
    denoPath,
    [
      ...["run", "--quiet", "-A", "adapters/deno/cli.ts", "serve", "--listen", "127.0.0.1:0"],
      ...databases.flatMap((database) => ["--database", database]),
    ],
    environment,
  );
  deployed = `127.0.0.1:${await freePort()}`;
  const entry = new CliProcess(denoPath, ["run", "-A", "adapters/deno/deploy.ts"], {
    ...environment,
    DENO_SERVE_ADDRESS: `tcp:${deployed}`,
    EDGEWIRE_DATABASES: databases.join(" "),
    EDGEWIRE_AUTH: "trust",
  });
  processes.push(served, entry);
  port = await served.port();
  const healthy = (): Promise<boolean> =>
    fetch(`http://${deployed}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await healthy())) await setTimeout(100);
  neonConfig.fetchEndpoint = `http://${deployed}/sql`;
}, 120_000);

afterAll(async () => {
  for (const started of processes) started.kill();
  await neonApi?.close();
  await rdsApi?.close();
});

describe.each(["app", "rds"])("%s", (database) => {
  test("a client has statements of its own, transactions, and errors", async () => {
    const client = new pg.Client({ host: "127.0.0.1", port, user: "someone", database });
    await client.connect();
    try {
      expect((await client.query("select $1::int * 7 as n", [6])).rows).toEqual([{ n: 42 }]);
      await client.query("begin");
      await client.query("create table books (id int primary key, title text)");
      await client.query("insert into books values ($1, $2)", [1, "Middlemarch"]);
      await client.query("savepoint here");
      await expect(client.query("insert into books values (1, 'again')")).rejects.toMatchObject({
        code: "23505",
      });
      await client.query("rollback to here");
      expect((await client.query("select title from books")).rows).toEqual([{ title: "Middlemarch" }]);
      await client.query("commit");
      await expect(client.query("selec 1")).rejects.toMatchObject({ code: "42601", position: "1" });
    } finally {
      await client.end();
    }
  });

  test("Deno Deploy's entry serves it by HTTP", async () => {
    const sql = neon(`postgres://someone@db.example.com/${database}`);
    expect(await sql`select ${20}::int + 22 as sum`).toEqual([{ sum: 42 }]);
  });
});
