/** Neon's serverless driver over WebSockets: pg, as far as its users can tell. */
import { Client, Pool, type PoolClient } from "@neondatabase/serverless";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectionString, wrongPassword } from "./neon.ts";

/** Call it inside of `describe`. */
export function neonWebSocketSuite(): void {
  describe.each([
    // Its default: it says the startup packet, the password and the first query in one breath.
    ["pipelined", "password"],
    ["not pipelined", false],
  ] as const)("connecting %s", (_, pipelineConnect) => {
    const connect = async (url = connectionString): Promise<Client> => {
      const client = new Client(url);
      client.neonConfig.pipelineConnect = pipelineConnect;
      await client.connect();
      return client;
    };

    test("a client with queries, errors and a transaction", async () => {
      const client = await connect();
      expect((await client.query("select $1::int as n", [42])).rows).toEqual([{ n: 42 }]);
      await expect(client.query("select nosuch")).rejects.toMatchObject({ code: "42703" });
      await client.query("begin");
      expect((await client.query("select current_user as name")).rowCount).toBe(1);
      await expect(client.query("select 1/0")).rejects.toMatchObject({ code: "22012" });
      await expect(client.query("select 1")).rejects.toMatchObject({ code: "25P02" });
      await client.query("rollback");
      expect((await client.query("select 'on' as n")).rows).toEqual([{ n: "on" }]);
      await client.end();
    });

    test("a wrong password is refused", async () => {
      const client = new Client(wrongPassword);
      client.neonConfig.pipelineConnect = pipelineConnect;
      // Pipelined it has connected before it hears of that.
      const told = new Promise((_resolve, reject) => client.once("error", reject));
      const failed = Promise.race([told, client.connect().then(() => client.query("select 1"))]);
      await expect(failed).rejects.toMatchObject({ code: "28P01" });
      client.removeAllListeners("error").on("error", () => {});
    });
  });

  describe("a pool", () => {
    let pool: Pool;
    beforeAll(async () => {
      pool = new Pool({ connectionString, max: 4 });
      await pool.query("create table by_pool (id int primary key, name text)");
    });
    afterAll(async () => {
      await pool.query("drop table by_pool");
      await pool.end();
    });

    test("queries at once", async () => {
      const numbers = Array.from({ length: 20 }, (_, n) => n);
      const results = await Promise.all(numbers.map((n) => pool.query("select $1::int as n", [n])));
      expect(results.map(({ rows }) => rows[0]?.n)).toEqual(numbers);
      expect(pool.totalCount).toBeLessThanOrEqual(4);
    });

    async function transaction(work: (client: PoolClient) => Promise<void>): Promise<void> {
      const client = await pool.connect();
      try {
        await client.query("begin");
        await work(client);
        await client.query("commit");
      } catch (error) {
        await client.query("rollback");
        throw error;
      } finally {
        client.release();
      }
    }

    test("transactions", async () => {
      await transaction(async (client) => {
        await client.query("insert into by_pool values ($1, $2)", [1, "one"]);
      });
      const failed = transaction(async (client) => {
        await client.query("insert into by_pool values (2, 'two')");
        await client.query("insert into by_pool values (1, 'again')");
      });
      await expect(failed).rejects.toMatchObject({ code: "23505", constraint: "by_pool_pkey" });
      expect((await pool.query("select * from by_pool")).rows).toEqual([{ id: 1, name: "one" }]);
    });

    test("LISTEN and NOTIFY", async () => {
      const client = await pool.connect();
      const heard = new Promise((resolve) => client.once("notification", resolve));
      await client.query("listen by_pool");
      await pool.query("notify by_pool, 'grün'");
      expect(await heard).toMatchObject({ channel: "by_pool", payload: "grün" });
      await client.query("unlisten *");
      client.release();
    });

    test("large values both ways", async () => {
      const large = "0123456789abcdef".repeat(1 << 17);
      const { rows } = await pool.query("select $1::text as large", [large]);
      expect(rows[0]?.large === large).toBe(true);
    });
  });
}
