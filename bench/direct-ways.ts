// The ways to the APIs without edgewire: their own drivers, as their documentation has them used.

import { neon as connectNeon, neonConfig, Pool } from "@neondatabase/serverless";
import { signedFetchOf } from "../adapters/node/signed-fetch.ts";
import { credentials, region, resourceArn, secretArn } from "../test/upstreams/rds-data/double.ts";
import { check, inTransaction, rowsOf, sql, type Way } from "./upstream-ways.ts";

/** Neon's driver: one request for each query, `transaction` for what is known at once, else its WebSockets. */
export function neon(port: number): Way {
  neonConfig.fetchEndpoint = `http://127.0.0.1:${port}/sql`;
  neonConfig.wsProxy = () => `127.0.0.1:${port}/v2`;
  neonConfig.useSecureWebSocket = false;
  const url = "postgresql://app:hush@ep-cool-1234.eu-central-1.aws.neon.tech/main";
  const http = connectNeon(url);
  const pool = new Pool({ connectionString: url });
  const query = async (n: number): Promise<void> => check((await http.query(sql, [n])).length, 1);
  return {
    one: () => query(1),
    async prepared(times) {
      for (let n = 0; n < times; n++) await query(n);
    },
    async pipeline(statements) {
      const all = Array.from({ length: statements }, (_, n) => http.query(sql, [n]));
      check((await http.transaction(all)).length, statements);
    },
    async atOnce(statements) {
      await Promise.all(Array.from({ length: statements }, (_, n) => query(n)));
    },
    async transaction(statements) {
      const client = await pool.connect();
      try {
        await inTransaction(client, statements);
      } finally {
        client.release();
      }
    },
    async rows(count) {
      check((await http.query(rowsOf(count))).length, count);
    },
    close: () => pool.end(),
  };
}

/**
 * The RDS Data API by signed requests, as AWS's client sends them; with metadata, as who does not know the columns asks for.
 * It has no batch of statements that give rows, and no results over a megabyte.
 */
export function rdsData(port: number): Way {
  const send = signedFetchOf(credentials, region);
  const ask = async (
    route: string,
    body: object,
  ): Promise<{ records?: unknown[]; transactionId?: string }> => {
    const response = await send({
      url: `http://127.0.0.1:${port}${route}`,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ resourceArn, secretArn, ...body }),
      signal: new AbortController().signal,
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(text);
    return JSON.parse(text) as object;
  };
  const run = async (statement: string, n: number, transaction?: object): Promise<unknown[]> => {
    const parameters = [{ name: "n", value: { longValue: n } }];
    const settings = { includeResultMetadata: true, database: "postgres", ...transaction };
    return (await ask("/Execute", { sql: statement, parameters, ...settings })).records ?? [];
  };
  const query = async (n: number, transaction?: object): Promise<void> =>
    check((await run(sql.replace("$1", ":n"), n, transaction)).length, 1);
  const transaction = async (statements: number): Promise<void> => {
    const { transactionId } = await ask("/BeginTransaction", { database: "postgres" });
    for (let n = 0; n < statements; n++) await query(n, { transactionId });
    await ask("/CommitTransaction", { transactionId });
  };
  return {
    one: () => query(1),
    async prepared(times) {
      for (let n = 0; n < times; n++) await query(n);
    },
    pipeline: transaction,
    async atOnce(statements) {
      await Promise.all(Array.from({ length: statements }, (_, n) => query(n)));
    },
    transaction,
    async rows(count) {
      const page = 10_000;
      for (let from = 0; from < count; from += page) {
        const paged = `select * from (${rowsOf(count)}) as r where n > :n limit ${page}`;
        check((await run(paged, from)).length, page);
      }
    },
    async close() {},
  };
}
