// COPY's data, at length: against the embedded PostgreSQL, and against a server where one is installed.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startOracle } from "../../conformance/oracle-server.ts";
import { CopyOracle } from "../../copy/oracle.ts";
import * as ours from "../../copy/ours.ts";
import { holdsRead, holdsWritten, setup, table } from "../../copy/properties.ts";
import { cell, optionsFrom, optionsTo, stream } from "../../copy/random.ts";
import type { PostgresServer } from "../../servers/postgres.ts";
import { RawClient } from "../raw-client.ts";

describe("the embedded PostgreSQL", () => {
  let oracle: CopyOracle;
  beforeAll(async () => {
    oracle = await CopyOracle.start(setup);
  });
  afterAll(() => oracle?.close());

  test("reads the same rows and errors", { timeout: 120_000 }, () => holdsRead(oracle, 3_000, 11));
  test("writes the same data", { timeout: 120_000 }, () => holdsWritten(oracle, 400, 11));
});

const server: PostgresServer | string = await startOracle();
afterAll(async () => {
  if (typeof server !== "string") await server.stop();
});
if (typeof server === "string") console.log(`COPY is not compared with a server: ${server}`);

describe.runIf(typeof server !== "string")("a PostgreSQL server", () => {
  const { port, version } = server as PostgresServer;
  let client: RawClient;
  beforeAll(async () => {
    client = await RawClient.connect(port);
    await client.query(setup);
  });
  afterAll(() => client?.close());

  const told = (answer: Awaited<ReturnType<RawClient["query"]>>): string | undefined =>
    answer.find((message) => message.type === "ErrorResponse")?.fields.code;
  const rowsOf = (answer: Awaited<ReturnType<RawClient["query"]>>): unknown[] =>
    answer.flatMap((message) =>
      message.type === "DataRow"
        ? [message.values.map((value) => value && Buffer.from(value).toString())]
        : [],
    );

  // Its words are those of its version; what it reads is not.
  test("reads the same rows, and refuses the same data", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(stream, optionsFrom, async (data, options) => {
        fc.pre(version >= 17 || !/default|force_\w+ \*/.test(options));
        fc.pre(version >= 15 || !(options.includes("header") && !options.includes("csv")));
        const copy = `copy t from stdin ${options}`;
        fc.pre(ours.refusal(copy) === undefined);
        // Until it was refused, what stood before an end-of-copy marker was a line.
        fc.pre(version >= 18 || !/[^\r\n]\\\./.test(Buffer.from(data).toString("latin1")));
        await client.query("begin");
        const error = told(await client.query(copy, data));
        const expected = error ?? rowsOf(await client.query("select * from t"));
        await client.query("rollback");
        const found = ours.read(copy, data, table, 5, version < 18);
        expect(Array.isArray(found) ? found : found.code).toEqual(expected);
      }),
      { numRuns: 1_500, seed: 13 },
    );
  });

  test("writes the same data", { timeout: 120_000 }, async () => {
    const row = fc.tuple(cell, cell, cell);
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 5 }), optionsTo, async (rows, options) => {
        fc.pre(version >= 15 || !(options.includes("header") && !options.includes("csv")));
        const copy = `copy t to stdout ${options}`;
        fc.pre(ours.refusal(copy) === undefined);
        await client.query("truncate t");
        const text = "copy t from stdin";
        const chunk = ours.write("copy t to stdout", rows, ["a", "b", "c"]).join("");
        expect(told(await client.query(text, new TextEncoder().encode(chunk)))).toBeUndefined();
        const answer = await client.query(copy);
        const data = answer.flatMap((message) => (message.type === "CopyData" ? [message.data] : []));
        expect(told(answer)).toBeUndefined();
        expect(ours.write(copy, rows, ["a", "b", "c"]).join("")).toBe(Buffer.concat(data).toString());
      }),
      { numRuns: 500, seed: 13 },
    );
  });
});
