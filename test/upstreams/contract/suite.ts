/**
 * The contract over one upstream. What is right, PostgreSQL decides: each case runs over the embedded one as well, in the
 * same test. Where a client sees something else, that is recorded in answers/, and declared by the adapter.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { openEmbedded } from "../../../adapters/node/embedded.ts";
import type { Upstream } from "../../../src/session/mod.ts";
import { lineDifference } from "../../lines/line-difference.ts";
import { loadRecorded } from "../../lines/recorded.ts";
import { cases } from "./cases/all.ts";
import { ContractClient } from "./client.ts";
import { type Adapter, capabilities, cellOf, type Started } from "./contract.ts";
import { observe } from "./observe.ts";
import { type ContractServer, contractServer } from "./server.ts";

const ending =
  (hint: string) =>
  (line: string): boolean =>
    line.endsWith(`; hint: ${hint}`);

export function testContract<Service extends Started>(adapter: Adapter<Service>): void {
  const { name, has, faults, faultless, refusesBegin } = adapter;
  const recorded = loadRecorded(new URL(`answers/${name}.txt`, import.meta.url));
  let embedded: Upstream;
  let oracle: ContractServer;
  let service: Service;
  let server: ContractServer;
  beforeAll(async () => {
    [embedded, service] = await Promise.all([openEmbedded("pglite:"), adapter.start()]);
    oracle = contractServer(embedded);
    server = contractServer(service.upstream);
  });
  afterAll(async () => {
    await service?.close();
    await embedded?.close?.();
  });

  const proven = new Set<string>(capabilities);
  for (const capability of capabilities) {
    describe(capability, () => {
      for (const one of cases[capability] ?? []) {
        test(one.name, async ({ onTestFailed }) => {
          onTestFailed(() => void proven.delete(capability));
          const right = await observe(oracle, one);
          const seen = await observe(server, one);
          expect(lineDifference(right, seen)).toEqual(recorded.get(`${capability}: ${one.name}`) ?? []);
        });
      }

      test("is declared as it was found", () => {
        const differences = [...recorded].filter(([title]) => title.startsWith(`${capability}: `));
        const lines = differences.flatMap(([, lines]) => lines);
        const refusals = lines.filter((line) => /^\+ error ERROR (0A000|54000)/.test(line));
        const having = has[capability];
        if (typeof having === "string") return expect(lines).toEqual([]);
        if ("otherwise" in having) return expect(lines).not.toEqual([]);
        const { refused, hint } = having;
        const code = `+ error ERROR ${refused} `;
        expect(refusals.filter((line) => !line.startsWith(code))).toEqual([]);
        const told = hint === undefined ? (line: string) => !line.includes("; hint: ") : ending(hint);
        expect(refusals.some(told), `a hint that says: ${hint}`).toBe(true);
      });
    });
  }

  test("each recorded difference is one of a case", () => {
    const titles = capabilities.flatMap((capability) =>
      (cases[capability] ?? []).map((one) => `${capability}: ${one.name}`),
    );
    expect([...recorded.keys()].filter((title) => !titles.includes(title))).toEqual([]);
  });

  if (faultless !== undefined) console.log(`${name}: nothing is made to fail: ${faultless}`);
  describe.each(faults)("when the service is $name", (fault) => {
    const { code, cancelled, ends, sparesTransactions } = fault;
    const expected = new RegExp(`^${ends ? "lost FATAL" : "error ERROR"} ${code} `);
    const failing = async (client: ContractClient, sql: string): Promise<string | undefined> => {
      const before = client.lines.length;
      const restore = await fault.cause(service);
      try {
        const running = client.query(sql);
        await (cancelled && !(sparesTransactions && client.connection.status === "T")
          ? client.cancelling(running)
          : running);
      } finally {
        restore();
      }
      return client.lines[before];
    };
    const lines = async (client: ContractClient, sql: string): Promise<readonly string[]> => {
      const before = client.lines.length;
      await client.query(sql);
      return client.lines.slice(before);
    };
    const one = ['columns "n":23', 'row "1"', "tag SELECT 1", "ready I"];

    test(`it is ${code}${ends ? ", and the end of the session" : ", and the session goes on"}`, async () => {
      const client = await ContractClient.open(server);
      const error = await failing(client, "select 1 as n");
      const next = ends ? await ContractClient.open(server) : client;
      const after = await lines(next, "select 1 as n");
      for (const each of [client, next]) each.close();
      await server.closed();
      expect(error).toMatch(expected);
      expect(after).toEqual(one);
    });

    test("it does no more than end the transaction", async () => {
      const client = await ContractClient.open(server);
      await client.quietly("drop table if exists contract_faults", "create table contract_faults (n int)");
      await client.queries("begin", "insert into contract_faults values (1)");
      const error = await failing(client, "insert into contract_faults values (2)");
      const next = ends ? await ContractClient.open(server) : client;
      const rollback = ends ? [] : await lines(next, "rollback");
      const after = await lines(
        next,
        `select count(*)::int + ${refusesBegin ? 0 : 1} as n from contract_faults`,
      );
      for (const each of [client, next]) each.close();
      await server.closed();
      if (sparesTransactions) expect(error).toBe("tag INSERT 0 1");
      else expect(error).toMatch(expected);
      if (!ends) expect(rollback).toEqual(["tag ROLLBACK", "ready I"]);
      expect(after).toEqual(one);
    });
  });

  afterAll(() => {
    const cells = capabilities.map((capability) =>
      proven.has(capability) ? cellOf(has[capability]) : "FAILED",
    );
    writeFileSync(join(inject("capabilityFolder"), `${name}.json`), JSON.stringify({ name, cells }));
  });
}
