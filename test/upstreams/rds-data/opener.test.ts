// `rds-data://` as a URL of the gateway's configuration, and what it needs of the environment; signatures.

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { openers } from "../../../adapters/node/databases.ts";
import { loadParser } from "../../../adapters/node/parser.ts";
import { openRdsData } from "../../../adapters/node/rds-data.ts";
import { serve } from "../../../adapters/node/serve.ts";
import { signedFetchOf } from "../../../adapters/node/signed-fetch.ts";
import type { SqlParameter } from "../../../src/upstreams/rds-data/api.ts";
import { DataApi } from "../../../src/upstreams/rds-data/client.ts";
import { parseRdsDataUrl, rdsDataUpstream } from "../../../src/upstreams/rds-data/mod.ts";
import { credentials, RdsDataDouble } from "./double.ts";

let double: RdsDataDouble;
beforeAll(async () => {
  double = await RdsDataDouble.start();
});
afterAll(() => double?.close());
afterEach(() => vi.unstubAllEnvs());

async function answer(upstream: Awaited<ReturnType<typeof openRdsData>>, sql: string): Promise<unknown> {
  const server = await serve({ upstream });
  const client = new pg.Client({ host: "127.0.0.1", port: server.port, user: "someone", database: "main" });
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await client.end();
    await server.close(500);
  }
}

test("the credentials are those of the environment", async () => {
  expect(openers["rds-data"]).toBe(openRdsData);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "");
  await expect(openRdsData(double.url)).rejects.toThrow(/AWS_ACCESS_KEY_ID/);
  vi.stubEnv("AWS_ACCESS_KEY_ID", credentials.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", credentials.secretAccessKey);
  vi.stubEnv("AWS_SESSION_TOKEN", credentials.sessionToken);
  await expect(openRdsData("rds-data://eu-west-1/x")).rejects.toThrow(/ARN/);
  expect(await answer(await openRdsData(double.url), "select 1 as one")).toEqual([{ one: 1 }]);
});

test("another signer finds a wrong key, a wrong region and a missing token", async () => {
  const { region, ...options } = parseRdsDataUrl(double.url);
  const { sessionToken: _, ...withoutToken } = credentials;
  const parser = await loadParser();
  for (const signedFetch of [
    signedFetchOf({ ...credentials, secretAccessKey: "wrong" }, region),
    signedFetchOf(credentials, "us-east-1"),
    signedFetchOf(withoutToken, region),
  ]) {
    expect(await answer(rdsDataUpstream({ ...options, signedFetch, parser }), "select 1")).toBe("08001");
  }
});

test("an endpoint that is not there is 08001", async () => {
  const { region, ...options } = parseRdsDataUrl(double.url);
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const { port } = gone.address() as AddressInfo;
  gone.close();
  const upstream = rdsDataUpstream({
    ...options,
    endpoint: `http://127.0.0.1:${port}`,
    signedFetch: signedFetchOf(credentials, region),
    parser: await loadParser(),
  });
  expect(await answer(upstream, "select 1")).toBe("08001");
});

test("the double refuses what the API refuses", async () => {
  const { region, ...options } = parseRdsDataUrl(double.url);
  const api = new DataApi({ ...options, signedFetch: signedFetchOf(credentials, region) });
  const { signal } = new AbortController();
  const message = async (sql: string, parameters: SqlParameter[] = [], of = api): Promise<unknown> => {
    const answer = await of.execute(sql, parameters, undefined, signal);
    return answer.type === "refused" ? answer.error.fields.detail : answer.result.records;
  };
  expect(await message("select :a::int", [{ name: "a", value: { stringValue: "1" } }])).toEqual([
    [{ stringValue: "1" }],
  ]);
  expect(
    await message("select 1 where 1 = :a", [{ name: "a", value: { arrayValue: { longValues: [1] } } }]),
  ).toMatch(/Array parameters are not supported/);
  expect(await message("select :b", [{ name: "a", value: { isNull: true } }])).toMatch(
    /Cannot find parameter: b/,
  );
  expect(await message("select 1; select 2")).toMatch(/Multistatements/);
  expect(await message("select '{{1}}'::int4[]")).toMatch(/multidimensional/);
  expect(await message("select '1 day'::interval")).toMatch(/unsupported data type interval/);
  expect(
    await message(
      "select 1",
      [],
      new DataApi({ ...options, secretArn: "x", signedFetch: signedFetchOf(credentials, region) }),
    ),
  ).toMatch(/InvalidSecretException/);
  // What one request leaves behind, the next one does not find.
  await message("set application_name = 'kept'");
  expect(await message("show application_name")).toEqual([[{ stringValue: "" }]]);
});
