// What the upstreams part asks of each way to an API, and the way through edgewire: pg.

import pg from "pg";
import { openSocket } from "../adapters/node/socket-stream.ts";
import { type Connection, connect, pipeline } from "../src/client/mod.ts";

/** What a way does, and waits for. */
export interface Way {
  one(): Promise<void>;
  prepared(times: number): Promise<void>;
  /** What is known at once, as one transaction. */
  pipeline(statements: number): Promise<void>;
  /** The same, where nobody has said that it is one. */
  atOnce(statements: number): Promise<void>;
  transaction(statements: number): Promise<void>;
  rows(count: number): Promise<void>;
  close(): Promise<void>;
}

export const sql = "select $1::int as n";
export const rowsOf = (count: number): string =>
  `select n, 'name ' || n as name from generate_series(1, ${count}) as n`;

export function check(found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${found} rows, not ${wanted}`);
}

/** pg, and for the pipeline, which pg has none of, edgewire's own client. */
export async function through(port: number): Promise<Way> {
  const client = new pg.Client({ host: "127.0.0.1", port, user: "app", database: "main" });
  await client.connect();
  const address = {
    host: "127.0.0.1",
    port,
    rootCertificate: undefined,
    certificate: undefined,
    key: undefined,
  };
  const stream = await openSocket(address);
  const own: Connection = await connect(stream, { user: "app", database: "main", sslMode: "disable" });
  const inPipeline = async (statements: number): Promise<void> => {
    const all = Array.from({ length: statements }, (_, n) => ({ sql, parameters: [String(n)] }));
    check((await pipeline(own, all)).length, statements);
  };
  return {
    async one() {
      check((await client.query(sql, [1])).rows.length, 1);
    },
    async prepared(times) {
      for (let n = 0; n < times; n++) {
        check((await client.query({ name: "prepared", text: sql, values: [n] })).rows.length, 1);
      }
    },
    pipeline: inPipeline,
    atOnce: inPipeline,
    transaction: (statements) => inTransaction(client, statements),
    async rows(count) {
      check((await client.query(rowsOf(count))).rows.length, count);
    },
    async close() {
      own.close();
      await client.end();
    },
  };
}

export async function inTransaction(
  client: { query(sql: string, values?: unknown[]): Promise<{ rows: unknown[] }> },
  statements: number,
): Promise<void> {
  await client.query("begin");
  for (let n = 0; n < statements; n++) check((await client.query(sql, [n])).rows.length, 1);
  await client.query("commit");
}
